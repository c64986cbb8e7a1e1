#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Much data over one connection arrives as it was sent, in each mode, with large segments and without. LONG=1: 1 GB each way.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 1
}

teardown_file() {
	lab_down
}

# offloads on|off: the kernel's large segments, on both ends
offloads() {
	local host
	for host in elb slave1; do
		on "$host" ethtool -K eth0 tso "$1" gso "$1" gro "$1" >/dev/null
	done
}

# both_ways MODE
both_ways() {
	local state size
	size=$(long 10000000 1000000000)
	in_mode "$1" || lab config slave1 "node.mode=$1"
	in_mode "$1"
	for state in on off; do
		offloads "$state"
		arrives down "$SLAVE1" "$size"
		arrives up "$SLAVE1" "$size"
	done
	offloads on
}

@test "native: up and down, large segments on and off" {
	both_ways native
}

@test "tc: up and down, large segments on and off" {
	both_ways tc
}

@test "generic: up and down, large segments on and off" {
	both_ways generic
}

# left_to_kernel PORT: has the app written the whole answer, some of it still unread and unsent?
left_to_kernel() {
	local unread unsent
	unread=$(on elb ss -Htn state established dport = :80 | awk '{ sum += $1 } END { print sum + 0 }')
	unsent=$(on slave1 ss -Htn state established sport = ":$1" dst 10.80.0.1 | awk '{ sum += $2 } END { print sum + 0 }')
	echo "unread $unread, unsent $unsent"
	((unsent > 0 && unread + unsent >= 200000))
}

@test "the last download of a process that is killed arrives whole" {
	local port task out="$BATS_TEST_TMPDIR/down"
	port=$(ctl --json backends | jq '[.[] | select(.state == "up")][0].port')
	task=$(ctl --json backends | jq -r '[.[] | select(.state == "up")][0].task')
	mkfifo "$BATS_TEST_TMPDIR/go"
	on elb sysctl -qw net.ipv4.tcp_rmem="4096 65536 65536"
	on elb "$BATS_TEST_DIRNAME/bulk.py" down "$SLAVE1" 200000 --wait <"$BATS_TEST_TMPDIR/go" >"$out" &
	exec 9>"$BATS_TEST_TMPDIR/go"
	wait_for "the answer is with the kernels" left_to_kernel "$port"
	lab kill "$task" --signal KILL
	wait_for "its end is known" backends_hold --arg t "$task" 'all(.[]; .task != $t or .state != "up")'
	echo >&9
	exec 9>&-
	wait $!
	cat "$out"
	grep -q '^bytes=200000 wrong=0 ' "$out"
}
