#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The operator's word: drain, undrain and weight, with the daemon and without it; why, and the record of what became of it.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 3
}

teardown_file() {
	lab_down
}

# state_of PORT: state and source
state_of() {
	ctl --json backends | jq -r --argjson p "$1" '.[] | select(.port == $p) | .state + " " + .source'
}

is() {
	[[ $(state_of "$1") == "$2" ]]
}

# shares N: how many of N new connections each host-port gets
shares() {
	ask --url "http://$SLAVE1/" --requests "$1" --connections 4 --close | jq -c 'if .failed == 0 then .tasks else error end'
}

@test "drain: what it has lives on, new ones go elsewhere, empty is what a scan says" {
	local port task
	port=$(ctl --json backends | jq '.[0].port')
	task=$(ctl --json backends | jq -r '.[0].task')
	load_start holding --url "http://$SLAVE1/" --connections 9 --rate 100
	wait_for "it has a connection" flows_hold --argjson p "$port" 'any(.[]; .port == $p and .state == "established")'
	run ctl drain "web/$port" --wait 300ms
	[[ $status == 1 && $output == *"connections left"* && $output == *"not empty in time"* ]]
	is "$port" "draining operator"
	shares 60 | holds 'all(.[]; .task != $t)' --arg t "$task"
	load_stop holding | holds '.failed == 0 and .moved == 0'
	run ctl drain "web/$port" --wait 30s
	[[ $status == 0 && $output == *"empty"* ]]
	ctl undrain "web/$port"
	is "$port" "up consul"
}

@test "errors name the place" {
	run ctl drain web/31999
	[[ $status == 1 && $output == *"web/31999: no such backend; there is: web/31"* ]]
	run ctl drain rails/31000
	[[ $status == 1 && $output == *"no such service"* ]]
	run ctl weight web/31000 257
	[[ $status == 2 && $output == *"257"* ]]
	run ctl drain
	[[ $status == 2 ]]
}

@test "with the daemon dead: drain and weight work, outlive its start, and end with the task" {
	local ports drained weighed old
	mapfile -t ports < <(ctl --json backends | jq '.[].port')
	drained=${ports[0]} weighed=${ports[1]}
	old=$(ctl --json backends | jq -r '.[0].task')
	lab kill slave1 sluiced
	run ctl drain "web/$drained"
	[[ $status == 0 && $output == *"sluiced is not running"* ]]
	ctl weight "web/$weighed" 0
	is "$drained" "draining operator"
	shares 60 | holds 'length == 1'
	lab start slave1 sluiced
	wait_for "sluiced knows its sources again" sources_connected
	is "$drained" "draining operator"
	shares 60 | holds 'length == 1'
	ctl --json changes | holds 'any(.[]; .port == $p and .to == "draining" and .source == "operator")' \
		--argjson p "$drained"
	lab kill "$old" --marathon
	wait_for "the task and its drain have ended" backends_hold --arg t "$old" 'all(.[]; .task != $t)'
	wait_for "its successor is up" backends_hold '[.[] | select(.state == "up")] | length == 3'
	bpftool -j map dump pinned "$(pin_dir)/sluice_override" | holds 'length == 1'
	ctl weight "web/$weighed" 100
}

@test "drain --all says what new connections meet; undrain --all ends it" {
	run ctl drain --all --wait 30s
	[[ $status == 0 && $output == *"on_empty = reset"* ]]
	ctl --json backends | holds 'all(.[]; .state == "draining")'
	ctl undrain --all
	ctl --json backends | holds 'all(.[]; .state == "up")'
	shares 60 | holds 'length == 3'
}

# why_tells PORT PID: of a backend that serves, all that there is; what it says is shown
why_tells() {
	run ctl why "$1"
	echo "$output, and pid $2 is expected"
	[[ $status == 0 && $output == *"web/$1: up "*"rule:      row 9: "*"Marathon:  running"*"Consul:    passing, our own entry"* &&
		$output == *"operator:  gave it weight 50"*"listens on "*":$1, pid $2"*" up "* ]]
}

@test "why: sources, rule, operator, what stands behind the port, the record; --json the same" {
	local port task pid
	port=$(ctl --json backends | jq '.[0].port')
	task=$(ctl --json backends | jq -r '.[0].task')
	pid=$(lab status --json | jq --arg t "$task" '.tasks[] | select(.id == $t) | .pid')
	ctl weight "web/$port" 50
	# one that has just come up may be so by Marathon's word, until Consul has run its check; and whether it was seen waiting
	# before hangs on when sluiced asked
	wait_for "why tells all of it" why_tells "$port" "$pid"
	ctl drain "web/$port"
	ctl --json why "web/$port" | holds '.daemon.running and .port == $p and (.backends | length) == 1 and
		.backends[0].state == "draining" and .backends[0].override.drain and .facts[0].row.number == 1 and
		.facts[0].operator == { drain: true, weight: 50 } and .facts[0].kernel.listens == "yes" and
		any(.behind.sockets[]; .pid == $pid) and .changes[-1].source == "operator" and
		(.sources | length) == 3 and all(.sources[]; .connected)' --argjson p "$port" --argjson pid "$pid"
	ctl --json why "$task" | holds '.backends[0].task == $t and .port == $p' --arg t "$task" --argjson p "$port"
	ctl undrain "web/$port"
	ctl weight "web/$port" 100
}

@test "why with the daemon dead says so; ports that nobody knows are one line and 1" {
	local port
	port=$(ctl --json backends | jq '.[0].port')
	lab kill slave1 sluiced
	run ctl why "$port"
	[[ $status == 0 && $output == "sluiced: not running: this is what the maps and the record say"*"web/$port: up "* ]]
	ctl --json why "$port" | holds '.daemon.running == false and .facts == null and .sources == null and
		.backends[0].state == "up" and (.behind.sockets | length) == 1 and (.changes | length) > 0'
	lab start slave1 sluiced
	wait_for "sluiced knows its sources again" sources_connected
	run ctl why 31999
	[[ $status == 1 && ${#lines[@]} == 1 && $output == *"31999: no backend has this host-port"* ]]
	run ctl why 80
	[[ $status == 1 && ${#lines[@]} == 1 && $output == *"80 is the port of service web"* ]]
	run ctl why no-such-task
	[[ $status == 1 && ${#lines[@]} == 1 && $output == *"no-such-task: no such task"* ]]
	run ctl why web/port
	[[ $status == 2 ]]
}

@test "sluiced killed in the middle of changes: the record is whole" {
	local i scaling
	for i in 1 2 3; do
		lab scale /web $((3 + i)) >/dev/null &
		scaling=$!
		lab kill slave1 sluiced
		lab start slave1 sluiced
		wait "$scaling"
	done
	ctl --json changes | holds '[.[].number] == [range(1; length + 1)]'
	# each backend's changes follow on each other
	ctl --json changes | holds 'group_by([.slot, .generation]) | all(.[]; . as $l | .[0].from == null and
		all(range(1; length); $l[.].from == $l[. - 1].to and $l[.].age_ms <= $l[. - 1].age_ms))'
}

@test "why of a task that runs here and has no such port" {
	local task
	task=$(ctl --json backends | jq -r '.[0].task')
	lab config slave1 service.extra.port=81 service.extra.marathon_app=/web service.extra.port_index=3
	wait_for "it is told as a problem" eval "ctl --json status | jq -e '.problems | length >= 3'"
	ctl status | grep "no backend of extra: $task: "
	ctl --json why "$task" | holds '.problems[0].service == "extra" and .problems[0].task == $t' --arg t "$task"
	run ctl why "$task"
	[[ $status == 0 && $output == *"$task: runs here and cannot be a backend of extra"* ]]
}
