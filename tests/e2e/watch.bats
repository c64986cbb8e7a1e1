#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# sluicectl attach --watch: an interface that goes and comes back, and how a watch ends.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 2
	CONF=$(conf_file slave1)
	export CONF
}

teardown_file() {
	lab_down
}

teardown() {
	[[ -z ${WATCH-} ]] || kill -KILL "$WATCH" 2>/dev/null || true
	on slave1 ip link show dev eth0 >/dev/null 2>&1 || add_eth0 # so that a failure stays one
}

# watch: in the background; it has attached when this returns
watch() {
	"$TOOL" exec slave1 -- sluicectl attach --watch >"$BATS_TEST_TMPDIR/watch.log" 2>&1 3>&- &
	WATCH=$!
	wait_for "the watch has attached" said 1 "in mode"
}

# said N TEXT: has it said so N times?
said() {
	(($(grep -c "$2" "$BATS_TEST_TMPDIR/watch.log") >= $1)) || {
		cat "$BATS_TEST_TMPDIR/watch.log"
		return 1
	}
}

ends_with() {
	local status=0
	wait "$WATCH" || status=$?
	WATCH=
	[[ $status == "$1" ]]
}

remove_eth0() {
	on slave1 ip -j link show dev eth0 | jq -r '.[0].address' >"$BATS_FILE_TMPDIR/mac"
	on slave1 ip link delete eth0
}

# add_eth0 [INDEX]: as tools/lab made it. With its old MAC address, for its neighbours have that in their caches: without
# it they send to nobody for as long as they please.
add_eth0() {
	ip link add eth0 netns "$LAB-slave1" address "$(<"$BATS_FILE_TMPDIR/mac")" ${1:+index "$1"} type veth \
		peer name slave1 netns "$LAB-switch"
	ip -n "$LAB-switch" link set dev slave1 up master br0
	on slave1 ip link set dev eth0 up
	on slave1 ip address add "$SLAVE1/24" dev eth0
	on slave1 ip address add fd00:80::2/64 dev eth0 nodad
}

answers() {
	on elb curl -gsS --fail --max-time 5 "http://$1/"
}

has_xdp() {
	on slave1 ip -d link show dev eth0 | grep -q 'prog/xdp'
}

daemon_runs() {
	ctl --json status | holds '.daemon.running'
}

reloads() {
	grep -c reloaded "$LAB_WORK/log/slave1-sluiced.log"
}

has_reloaded() {
	(($(reloads) > $1))
}

@test "an interface that comes back is attached again, and its flows' maps are kept" {
	local before
	watch
	answers "$SLAVE1"
	before=$(ctl --json counters | jq .established)
	remove_eth0
	add_eth0
	wait_for "it has attached again" said 2 "in mode"
	wait_for "IPv4 answers" answers "$SLAVE1"
	wait_for "IPv6 answers" answers '[fd00:80::2]'
	has_xdp
	(($(ctl --json counters | jq .established) >= before + 2))
	ctl --json status | holds '.attached and .needs_attach == null'
	kill -TERM "$WATCH"
	ends_with 0
	answers "$SLAVE1" # the programs stay
}

@test "so is one that comes back under the same index" {
	local index
	watch
	index=$(on slave1 ip -j link show dev eth0 | jq '.[0].ifindex')
	remove_eth0
	add_eth0 "$index"
	wait_for "it has attached again" said 2 "in mode"
	wait_for "IPv4 answers" answers "$SLAVE1"
	has_xdp
	kill -TERM "$WATCH"
	ends_with 0
}

@test "an address that comes later is taken without the daemon" {
	lab stop slave1 sluiced
	watch
	run answers 10.80.0.77
	[[ $status != 0 ]]
	on slave1 ip address add 10.80.0.77/24 dev eth0
	wait_for "the new address answers" answers 10.80.0.77
	kill -TERM "$WATCH"
	ends_with 0
	lab start slave1 sluiced
}

@test "the daemon lives on when its only global address goes and it is told to reload" {
	local pid before
	wait_for "the daemon runs" daemon_runs
	pid=$(ctl --json status | jq .daemon.pid)
	before=$(reloads)
	remove_eth0
	kill -HUP "$pid"
	wait_for "the daemon has read its file again" has_reloaded "$before"
	add_eth0
	ctl attach
	wait_for "IPv4 answers" answers "$SLAVE1"
	ctl --json status | holds ".daemon.pid == $pid"
}

@test "other interfaces that come and go are none of its business" {
	watch
	on slave1 ip link add other type veth peer name another
	on slave1 ip link set dev other up
	on slave1 ip link delete other
	on slave1 ip link set dev eth0 down
	on slave1 ip link set dev eth0 up
	wait_for "IPv4 answers" answers "$SLAVE1"
	kill -TERM "$WATCH"
	ends_with 0
	[[ $(grep -c "in mode" "$BATS_TEST_TMPDIR/watch.log") == 1 ]]
}

@test "SIGHUP takes over the file as it is" {
	watch
	sed -i 's/^mode = .*/mode = tc/' "$CONF"
	kill -HUP "$WATCH"
	wait_for "it has attached again" said 1 "in mode tc"
	ctl --json status | holds '.mode == "tc"'
	kill -INT "$WATCH"
	ends_with 0
}

@test "an interface that is not there yet is waited for" {
	remove_eth0
	"$TOOL" exec slave1 -- sluicectl attach --watch >"$BATS_TEST_TMPDIR/watch.log" 2>&1 3>&- &
	WATCH=$!
	wait_for "it says what is missing" said 1 "no such interface"
	add_eth0
	wait_for "it has attached" said 1 "in mode"
	wait_for "IPv4 answers" answers "$SLAVE1"
	kill -TERM "$WATCH"
	ends_with 0
}

@test "what was detached on purpose stays detached" {
	watch
	ctl detach
	remove_eth0
	add_eth0
	ends_with 0
	said 1 "detached meanwhile"
	ctl --json status | holds '.attached == false'
	ctl attach
}

@test "without rights it fails at once" {
	run on slave1 setpriv --reuid=64080 --regid=64080 --clear-groups sluicectl attach --watch
	[[ $status == 1 ]]
}
