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

# said WHAT: the daemon's log has it
said() {
	grep -q "$1" "$LAB_WORK/log/slave1-sluiced.log"
}

# given_up N: so many calls has Marathon made that nobody took, and waits no longer for any
given_up() {
	(($(on slave1 ss -Htn state close-wait 'sport = :8081' | wc -l) >= $1))
}

@test "held up while Marathon calls, it is called again at once and not only after a resync" {
	local i
	stop_daemon
	for ((i = 0; i < 12; i++)); do
		sim emit '{"eventType": "status_update_event", "taskStatus": "TASK_RUNNING", "taskId": "web.none", "appId": "/web", "host": "slave1.lab", "ports": [31000]}' >/dev/null
	done
	wait_for "Marathon has given up, and skips us for 2^12 s" given_up 12
	start_daemon
	wait_for "it has subscribed anew" said 'subscription-renewed'
	subscriptions | holds '[.callbackUrls[] | select(. == "http://10.80.0.2:8081/events")] | length == 1'
	scale /web 3
	scale /web 2
}
