#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Docker without docker-proxy (userland-proxy=false): a published port is only rules of the firewall. The engine keeps a
# listener there that accepts nothing, so a connection that misses the rules would hang.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	export LAB_DOCKER_PROXY=off
	lab_up --slaves 1 --containers docker
	scale /web 3
}

teardown_file() {
	lab_down
}

# answers HOST URL: how many of 30 requests each container answered, as "port:count"
answers() {
	on "$1" bash -c 'for i in $(seq 30); do curl -sS --fail --max-time 20 "$1" || exit; done' bash "$2" |
		sed -nE 's/^app=.* port=([0-9]+).*/\1/p' | sort | uniq -c | awk '{ printf "%s%s:%s", sep, $2, $1; sep = " " }'
}

even() {
	[[ $1 =~ ^31[0-9]+:10\ 31[0-9]+:10\ 31[0-9]+:10$ ]] || {
		echo "uneven: $1"
		return 1
	}
}

@test "no docker-proxy runs, the engine itself holds the ports, and all are up" {
	[[ $(on slave1 ss --listening --tcp --numeric --processes --no-header 'sport >= :31000 and sport <= :32000' |
		grep -o 'users:(("[a-z-]*"' | sort -u) == 'users:(("dockerd"' ]]
	ctl --json backends | holds 'length == 3 and all(.state == "up")'
}

@test "from outside: balanced evenly" {
	even "$(answers elb "http://$SLAVE1/")"
}

@test "from the host: balanced evenly" {
	even "$(answers slave1 "http://$SLAVE1/")"
	even "$(answers slave1 http://127.0.0.1/)"
}

@test "a container that ends: the others get all, from outside and from the host" {
	local victim
	victim=$(lab status --json | jq -r '.tasks[0].id')
	lab kill "$victim" --signal KILL
	wait_for "its successor is up" backends_hold '([.[] | select(.state == "up")] | length == 3) and all(.task != $gone)' --arg gone "$victim"
	answers elb "http://$SLAVE1/" >"$BATS_TEST_TMPDIR/elb"
	answers slave1 "http://$SLAVE1/" >"$BATS_TEST_TMPDIR/slave1"
	even "$(cat "$BATS_TEST_TMPDIR/elb")"
	even "$(cat "$BATS_TEST_TMPDIR/slave1")"
}
