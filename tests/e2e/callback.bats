#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Marathon 1.4 with HTTP callbacks: sluiced subscribes itself and follows.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process --version 1.4 --events callback
	# so that nothing but the callback can be what tells of a change
	lab config slave1 marathon.resync=10m
	scale /web 2
}

teardown_file() {
	lab_down
}

subscriptions() {
	on elb curl -sS --fail --max-time 10 http://10.80.0.250:8080/v2/eventSubscriptions
}

@test "sluiced has subscribed itself, once" {
	subscriptions | holds '[.callbackUrls[] | select(. == "http://10.80.0.2:8081/events")] | length == 1'
}

@test "changes arrive by callback" {
	scale /web 4
	ask --url "http://$SLAVE1/" --requests 80 --connections 4 --close | holds '.failed == 0 and (.tasks | length) == 4'
	scale /web 2
	ask --url "http://$SLAVE1/" --requests 80 --connections 4 --close | holds '.failed == 0 and (.tasks | length) == 2'
}

@test "a stranger may not call" {
	run on elb curl -sS --max-time 10 -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
		--data '{"eventType": "status_update_event", "taskStatus": "TASK_KILLED"}' http://10.80.0.2:8081/events
	[[ $output == 403 ]]
	ctl --json backends | holds '[.[] | select(.state == "up")] | length == 2'
}
