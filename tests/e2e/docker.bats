#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The same through Docker: published ports, its DNAT, its containers; and what lab down leaves: nothing.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers docker
	scale /web 4
	flood_setup
}

teardown_file() {
	lab_down
}

@test "2,000 connections over four containers behind Docker's DNAT: 25 % +- 2 % each, none fails" {
	ask --url "http://$SLAVE1/" --requests 2000 --connections 8 --close |
		holds '.failed == 0 and (.tasks | length) == 4 and all(.tasks[]; .requests >= 460 and .requests <= 540)'
}

@test "checksums in tc mode, through Docker's DNAT" {
	checksums tc
}

@test "checksums in generic mode, through Docker's DNAT" {
	checksums generic
}

@test "checksums in native mode, through Docker's DNAT" {
	checksums native
}

@test "1,000 quiet connections survive a flood of SYNs, through Docker's DNAT" {
	survive_floods "$(long 1 30)" "$(long 1 60)" syn
}

@test "scaling 4 -> 2 -> 3 under load: no request fails" {
	load_start open --url "http://$SLAVE1/" --connections 4 --rate 500 --close
	load_start keep --url "http://$SLAVE1/" --connections 4 --rate 500
	scale /web 2
	load_more open 500
	scale /web 3
	load_more open 500
	load_stop open | holds '.failed == 0'
	load_stop keep | holds '.failed == 0 and .moved == 0'
}

@test "a container killed with SIGKILL: once that is known no new connection goes there" {
	local task
	task=$(ctl --json backends | jq -r '[.[] | select(.state == "up")][0].task')
	lab kill "$task" --signal KILL
	wait_for "its end is known" backends_hold --arg t "$task" 'all(.[]; .task != $t or .state != "up")'
	ask --url "http://$SLAVE1/" --requests 300 --connections 4 --close |
		holds '.failed == 0 and all(.tasks[]; .task != $t)' --arg t "$task"
	wait_for "there are three again" backends_hold '[.[] | select(.state == "up")] | length == 3'
}

@test "a bottleneck of 1,300 bytes at docker0: uploads go on, and the client learns the MTU" {
	on slave1 ip link set dev docker0 mtu 1300
	arrives up "$SLAVE1" "$(long 5000000 50000000)" "$(long 5000 1000)"
	on elb ip route get "$SLAVE1" | grep 'mtu 1300'
	[[ $(on elb nstat -asz IcmpInErrors | awk '/IcmpInErrors/ { print $2 }') == 0 ]]
	ctl --json counters | holds '.icmp_out >= 1'
}

@test "two of four backends close their listeners unheard: every client gets in, through Docker's DNAT" {
	scale /web 4
	refused_by_two
}

@test "a forged SYN that the host's firewall rejects behind Docker's DNAT breaks no connection" {
	forged_syns_rejected forward
}

# has_counted REASON N: the counter stands at N or more
has_counted() {
	ctl --json counters | jq -e --argjson n "$2" ".$1 >= \$n"
}

@test "forged segments that conntrack knows nothing of, which the host itself resets, and then a forged SYN: the connection lives" {
	local holder port resets others
	resets=$(ctl --json counters | jq .rst_unproved)
	others=$(ctl --json counters | jq .syn_other)
	mkfifo "$BATS_TEST_TMPDIR/go"
	on elb python3 -c "$FORGED" "$SLAVE1" <"$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/live" &
	holder=$!
	exec 9>"$BATS_TEST_TMPDIR/go"
	wait_for "the connection is open" grep -q ' 200 ' "$BATS_TEST_TMPDIR/live"
	port=$(ctl --json flows | jq '[.[] | select(.state == "established")] | min_by(.age_ms).port')
	echo 80 18 >&9 # a SYN-ACK
	wait_for "it is reset" has_counted rst_unproved $((resets + 1))
	echo 80 16 >&9
	wait_for "an ACK is reset" has_counted rst_unproved $((resets + 2))
	echo "$port" 18 >&9
	wait_for "one straight to the host-port is reset" has_counted rst_unproved $((resets + 3))
	echo 80 2 >&9
	wait_for "a SYN has come" has_counted syn_other $((others + 1))
	exec 9>&-
	wait "$holder"
	[[ $(grep -c ' 200 ' "$BATS_TEST_TMPDIR/live") == 2 ]]
}

@test "lab down leaves nothing behind" {
	local folder
	folder=$(work)
	[[ -n $folder && -n $(leftovers "$folder") ]]
	lab down
	run leftovers "$folder"
	echo "$output"
	[[ -z $output ]]
}

@test "lab up that is interrupted leaves nothing behind" {
	local pid folder
	export LAB=i$$
	"$TOOL" up --slaves 1 --containers docker >"$BATS_TEST_TMPDIR/up.log" 2>&1 3>&- &
	pid=$!
	wait_for "a process of the lab runs" grep -q network "$BATS_TEST_TMPDIR/up.log"
	folder=$(lab status --json | jq -r .work)
	kill -TERM "$pid"
	! wait "$pid" || return 1
	leftovers "$folder" >"$BATS_TEST_TMPDIR/left" || true
	cat "$BATS_TEST_TMPDIR/left"
	lab down
	[[ -n $folder && ! -s $BATS_TEST_TMPDIR/left ]]
}
