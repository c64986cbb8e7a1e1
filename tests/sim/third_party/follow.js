// SPDX-License-Identifier: GPL-2.0-only
//
// Follows the event stream of the Marathon at HOST PORT with the npm package marathon-event-bus-client
// (NODE_PATH names where it lies). Prints "subscribed", then each status update and deployment as one line of JSON.
// Ends by itself after a deployment_success.
"use strict";

const MarathonEventBusClient = require("marathon-event-bus-client");

const [host, port] = process.argv.slice(2);
const show = (name, data) => {
	console.log(JSON.stringify({ name, data }));
	if (name === "deployment_success")
		process.exit(0);
};
const client = new MarathonEventBusClient({
	marathonHost: host,
	marathonPort: port,
	eventTypes: ["status_update_event", "deployment_success"],
	handlers: { status_update_event: show, deployment_success: show },
});
client.on("subscribed", () => console.log("subscribed"));
client.on("error", (error) => {
	console.error(JSON.stringify(error));
	process.exit(1);
});
client.subscribe();
