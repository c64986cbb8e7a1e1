#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# sluiced is held up (SIGSTOP) while the world goes on: events wait, or Marathon cuts it off for reading slowly. Under load no request may
# fail, and when it goes on it learns what it has missed, by few requests and without growing. LONG=1: as long as the product promises.

source "${BATS_TEST_DIRNAME}/lab.bash"
source "${BATS_TEST_DIRNAME}/traffic.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 4
}

teardown_file() {
	lab_down
	all_figures
}

teardown() {
	start_daemon
}

registered() {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/agent/services |
		jq -e --argjson n "$1" '[keys[] | select(startswith("sluice:"))] | length == $n'
}

# events N BYTES: N events of a task of /web on this host, none of which is true, each so many bytes long and more
events() {
	jq -nc --argjson n "$2" '{eventType: "status_update_event", taskStatus: "TASK_RUNNING", taskId: "web.none", appId: "/web",
		host: "slave1.lab", ports: [31000], slaveId: "s", version: "v", timestamp: "2026-01-01T00:00:00.000Z", pad: ("x" * $n)}' \
		>"$BATS_TEST_TMPDIR/event"
	yes 'url = http://sim/sim/emit' | head -n "$1" >"$BATS_TEST_TMPDIR/urls"
	curl -sS --fail --max-time 60 --unix-socket "$(find "$LAB_WORK" -name 'marathon*.sock' -type s | head -n 1)" \
		--data "@$BATS_TEST_TMPDIR/event" --config "$BATS_TEST_TMPDIR/urls" >"$BATS_TEST_TMPDIR/emitted"
}

# held: from here on the daemon does nothing
held() {
	stop_daemon
	lasts 1 1
}

# daemon_goes_on PID: it was held until now
daemon_goes_on() {
	grep -q '^State:.*T (stopped)' "/proc/$1/status"
	start_daemon
}

anonymous_kb() {
	awk '$1 == "RssAnon:" { print $2 }' "/proc/$1/status"
}

# files_at_most PID N
files_at_most() {
	(($(find "/proc/$1/fd" -mindepth 1 | wc -l) <= $2))
}

streams_are() {
	sim status | jq -e --argjson n "$1" '.streams == $n'
}

# requests_of_daemon: how often it has asked Marathon for apps since the counts were zeroed
requests_of_daemon() {
	sim requests | jq --arg client "$SLAVE1" '[.requests[] | select(.client == $client and (.path | startswith("/v2/apps"))) | .count] | add // 0'
}

@test "sluiced held up under hundreds of events, a scaling and a kill: no request fails, then all is right" {
	local pid files memory scaling i n asked
	n=$(long 3 10)
	pid=$(host_pid slave1 sluiced)
	files=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
	memory=$(anonymous_kb "$pid")
	load
	held
	lab kill "$(ctl --json backends | jq -r '[.[] | select(.service == "web" and .state == "up")][0].task')" --marathon >/dev/null
	lab scale /web 5 >/dev/null & # returns when sluiced has learnt of it
	scaling=$!
	for ((i = 0; i < n; i++)); do
		events 100 1
		lasts 1 1
	done
	sim requests/reset '{}' >/dev/null
	daemon_goes_on "$pid"
	wait "$scaling"
	wait_for "it follows the stream" streams_are 1
	wait_for "sluiced is connected" sources_connected
	asked=$(requests_of_daemon)
	no_failure
	wait_for "five are up" web_count 5
	wait_for "five are registered" registered 5
	wait_for "it holds no more files than before" files_at_most "$pid" "$files"
	figure "held up under $((100 * n)) events: $asked requests, $memory to $(anonymous_kb "$pid") KB"
	((asked > 0 && asked < 50 * n))
	(($(anonymous_kb "$pid") < memory + 4096))
	scale /web 4
}

# reader_is_closed: more events than the sockets' buffers and the queue hold, until Marathon has had enough
reader_is_closed() {
	events 500 16384
	streams_are 0
}

@test "sluiced as the slow reader that Marathon cuts off: no request fails, it comes back and learns what it has missed" {
	local pid opened scaling log=$LAB_WORK/log/slave1-sluiced.log
	pid=$(host_pid slave1 sluiced)
	opened=$(grep -c stream-open "$log")
	load
	held
	lab scale /web 5 >/dev/null &
	scaling=$!
	wait_for "Marathon has closed the stream" reader_is_closed
	daemon_goes_on "$pid"
	wait "$scaling"
	wait_for "it follows a new stream" streams_are 1
	wait_for "sluiced is connected" sources_connected
	(($(grep -c stream-open "$log") > opened))
	no_failure
	web_count 5
	scale /web 4
}
