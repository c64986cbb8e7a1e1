#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A router with a small MTU on the way: its errors quote the service's port, and must find the backend's socket.

source "${BATS_TEST_DIRNAME}/lab.bash"

V6=fd00:80::2

setup_file() {
	lab_up --slaves 1 --containers process --mtu 1300
	scale /web 2
}

teardown_file() {
	lab_down
}

# errors NAME: ICMP messages for which slave1 found no socket
errors() {
	on slave1 nstat -asz "$1" | awk -v name="$1" '$1 == name { print $2 }'
}

# both_ways ADDRESS: down and up, byte by byte, without a stall
both_ways() {
	arrives down "$1" "$(long 5000000 50000000)" "$(long 5000 1000)"
	arrives up "$1" "$(long 3000000 50000000)" "$(long 5000 1000)"
}

@test "IPv4: the sender learns the MTU" {
	both_ways "$SLAVE1"
	on slave1 ip route get 10.80.0.1 | grep 'mtu 1300'
	[[ $(errors IcmpInErrors) == 0 ]]
}

@test "IPv6: the sender learns the MTU" {
	both_ways "$V6"
	on slave1 ip -6 route get fd00:80::1 | grep 'mtu 1300'
	[[ $(errors Icmp6InErrors) == 0 ]]
	ctl --json counters | holds '.icmp_in >= 2 and .icmp_no_flow == 0'
}
