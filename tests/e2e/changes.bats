#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# No request is lost when containers come and go or when sluiced dies. LONG=1 asks as often as the project's bar says.

source "${BATS_TEST_DIRNAME}/lab.bash"

REQUESTS=20000
[[ -z ${LONG-} ]] || REQUESTS=100000
RATE=2500

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 3
}

teardown_file() {
	lab_down
}

three_six_two() {
	load_start "$1" --url "http://$SLAVE1/" --connections 16 --rate "$RATE" "${@:2}"
	scale /web 6
	load_more "$1" 2000
	scale /web 2
	load_more "$1" 2000
	scale /web 3
	wait_for "load has $REQUESTS answers" load_has "$1" "$REQUESTS"
	load_stop "$1" >"$BATS_TEST_TMPDIR/out"
	holds '.failed == 0 and .moved == 0 and .answered >= $n' --argjson n "$REQUESTS" <"$BATS_TEST_TMPDIR/out"
}

@test "3 -> 6 -> 2 under load with Connection: close: no request fails" {
	DEADLINE=240 three_six_two closing --close
	holds '(.tasks | length) >= 6' <"$BATS_TEST_TMPDIR/out"
}

@test "3 -> 6 -> 2 under load with keep-alive: no request fails" {
	DEADLINE=240 three_six_two keeping
}

# client port, host-port and generation of each established flow
established() {
	ctl --json flows | jq -c '[.[] | select(.state == "established") | [.client_port, .port, .generation]] | sort'
}

ten_established() {
	[[ $(established | jq length) == 10 ]]
}

@test "sluiced killed five times under load: no request fails, the flows are the same" {
	local i before after
	scale /web 4
	load_start holding --url "http://$SLAVE1/" --connections 10 --rate 100
	wait_for "ten connections are held" ten_established
	before=$(established)
	load_start opening --url "http://$SLAVE1/" --connections 4 --rate 500 --close
	for i in 1 2 3 4 5; do
		lab kill slave1 sluiced
		load_more opening 300
		lab start slave1 sluiced
		wait_for "sluiced knows its sources again ($i)" sources_connected
		load_more opening 300
	done
	after=$(established)
	jq -en --argjson before "$before" --argjson after "$after" '($before - $after) == []'
	load_stop opening | holds '.failed == 0'
	load_stop holding | holds '.failed == 0 and .moved == 0 and .connections == 10'
	ctl --json backends | holds '[.[] | select(.state == "up")] | length == 4'
}

@test "sluiced stopped: traffic goes on and sluicectl still reads" {
	lab stop slave1 sluiced
	ask --url "http://$SLAVE1/" --requests 400 --connections 4 --close | holds '.failed == 0 and (.tasks | length) == 4'
	ctl --json backends | holds '[.[] | select(.state == "up")] | length == 4'
	ctl --json flows | holds 'length > 0'
	run ctl status
	[[ $output == *"sluiced: not running"* ]]
	lab start slave1 sluiced
	wait_for "sluiced knows its sources again" sources_connected
	ctl --json backends | holds '[.[] | select(.state == "up")] | length == 4'
}

@test "a container killed with SIGKILL: once that is known no new connection goes there" {
	local task
	task=$(ctl --json backends | jq -r '[.[] | select(.state == "up")][0].task')
	load_start opening --url "http://$SLAVE1/" --connections 4 --rate 1000 --close
	lab kill "$task" --signal KILL
	wait_for "its end is known" backends_hold --arg t "$task" 'all(.[]; .task != $t or .state != "up")'
	ask --url "http://$SLAVE1/" --requests 800 --connections 4 --close |
		holds '.failed == 0 and all(.tasks[]; .task != $t)' --arg t "$task"
	load_stop opening >"$BATS_TEST_TMPDIR/out"
	jq -r '"# SIGKILL of one container of four: \(.failed) of \(.requests) requests failed before it was known"' \
		<"$BATS_TEST_TMPDIR/out" >&3
	holds '.answered > 0 and .failed < 50' <"$BATS_TEST_TMPDIR/out"
	wait_for "there are four again" backends_hold '[.[] | select(.state == "up")] | length == 4'
}
