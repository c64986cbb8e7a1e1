#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Who may connect: networks, the rate of new connections, and both over IPv4 and IPv6.

source "${BATS_TEST_DIRNAME}/lab.bash"

V6='[fd00:80::2]'

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 2
	CONF=$(conf_file slave1)
	PINS=$(pin_dir)
	export CONF PINS
}

teardown_file() {
	lab_down
}

# counted NAME: the counter's value
counted() {
	ctl --json counters | jq --arg name "$1" '.[$name]'
}

# set_keys KEY=VALUE...: of [service web], by root's reload alone, without attach
set_keys() {
	local key
	for key; do
		sed -i "/^\[service web\]/,/^\[/ { /^${key%%=*} *=/d }" "$CONF"
		sed -i "/^\[service web\]/a ${key%%=*} = ${key#*=}" "$CONF"
	done
	ctl --json reload | holds '.ok and .needs_attach == null and .message == "reloaded"'
}

answers() {
	on elb curl -gsS --fail --max-time 5 "http://$1/" >/dev/null
}

# forgotten BYTE: no IPv6 address with that byte is in the map
forgotten() {
	! PATH=$PATH:/usr/sbin bpftool -j map dump pinned "$PINS/sluice_addrs6" | grep -qF "$1"
}

# port_for SOURCE: the backend that a connection from that address gets
port_for() {
	on elb curl -gsS --fail --max-time 5 --interface "$1" "http://$V6/" | sed -E 's/.* port=([0-9]+).*/\1/'
}

# denied ADDRESS: a connect gets no answer, and its SYNs are counted
denied() {
	local before
	before=$(counted denied)
	if on elb curl -gsS --max-time 2 "http://$1/" >/dev/null; then
		echo "$1 answers"
		return 1
	fi
	(($(counted denied) > before))
}

@test "IPv6 in every mode, with and without checksum offload" {
	local mode offload before
	for mode in native tc generic; do
		lab config slave1 "node.mode=$mode"
		for offload in on off; do
			on elb ethtool -K eth0 tx "$offload"
			before=$(csum_errors)
			ask --url "http://$V6/" --requests 60 --connections 6 --close |
				holds '.failed == 0 and .answered == 60 and (.tasks | length) == 2'
			ask --url "http://$V6/bytes/300000" --requests 20 --connections 4 | holds '.failed == 0 and .moved == 0'
			[[ $(csum_errors) == "$before" ]]
		done
	done
	on elb ethtool -K eth0 tx on
	ctl --json flows | holds 'any(.[]; .client == "fd00:80::1" and .local == "fd00:80::2")'
	ctl flows | grep -F '[fd00:80::1]:'
}

@test "an address that comes is balanced, and one that goes is not" {
	on slave1 ip address add fd00:80::99/64 dev eth0 nodad
	wait_for "the new address answers" answers '[fd00:80::99]'
	on slave1 ip address del fd00:80::99/64 dev eth0
	wait_for "the map forgets it" forgotten '"0x99"'
}

@test "balance = source: one address, one backend, and all backends get some" {
	local i port ports=()
	lab config slave1 service.web.balance=source
	for i in 1 2 3 4 5 6 7 8 9 a b c; do
		on elb ip address add "fd00:80::1:$i/64" dev eth0 nodad
		port=$(port_for "fd00:80::1:$i")
		[[ -n $port && $(port_for "fd00:80::1:$i") == "$port" && $(port_for "fd00:80::1:$i") == "$port" ]]
		ports+=("$port")
	done
	for i in 1 2 3 4 5 6 7 8 9 a b c; do
		on elb ip address delete "fd00:80::1:$i/64" dev eth0
	done
	[[ $(printf '%s\n' "${ports[@]}" | sort -u | wc -l) == 2 ]]
	lab config slave1 service.web.balance=roundrobin
}

@test "only allowed networks connect, in both families, and root's reload changes them" {
	set_keys allow=10.99.0.0/16,fd99::/16
	denied "$SLAVE1"
	denied "$V6"
	set_keys allow=10.80.0.0/24,fd99::/16
	answers "$SLAVE1"
	denied "$V6"
	set_keys allow=10.80.0.1,fd00:80::/64
	answers "$SLAVE1"
	answers "$V6"
	set_keys allow=fd00:80::1
	denied "$SLAVE1"
	answers "$V6"
	ctl attach
	denied "$SLAVE1"
	set_keys allow=
	answers "$SLAVE1"
}

@test "who is no longer allowed keeps the connections that are there" {
	load_start hold --url "http://$SLAVE1/" --connections 3 --rate 60
	set_keys allow=10.99.0.0/16
	load_more hold 30
	denied "$SLAVE1"
	load_stop hold | holds '.failed == 0 and .connections == 3'
	set_keys allow=
}

@test "allowed networks change under load and no allowed client is kept out" {
	local i before
	set_keys allow=10.80.0.0/24
	before=$(counted denied)
	load_start open --url "http://$SLAVE1/" --connections 2 --rate 200 --close
	for i in 1 2 3 4 5; do
		set_keys "allow=10.80.0.1,10.$i.0.0/16"
		set_keys allow=10.80.0.0/16
		set_keys allow=
		set_keys allow=10.80.0.0/24
	done
	load_stop open | holds '.failed == 0 and .answered > 0'
	[[ $(counted denied) == "$before" ]]
	set_keys allow=
}

@test "a source network opens connections at its rate and no faster" {
	local before
	set_keys rate=5 rate_prefix=32
	before=$(counted rate_limited)
	run ask --url "http://$SLAVE1/" --requests 100 --connections 20 --close --timeout 300
	holds '.answered >= 5 and .answered < 60' <<<"$output"
	(($(counted rate_limited) > before))
	set_keys rate=0
	ask --url "http://$SLAVE1/" --requests 100 --connections 20 --close | holds '.failed == 0'
}

@test "a bad network is refused by name and changes nothing" {
	cp "$CONF" "$BATS_TEST_TMPDIR/good.conf"
	sed -i '/^\[service web\]/a allow = 10.80.0.1/24' "$CONF"
	run ctl reload
	[[ $status == 1 && $output == *"allow = 10.80.0.1/24: address bits to the right of the prefix"* ]]
	cat "$BATS_TEST_TMPDIR/good.conf" >"$CONF"
	answers "$SLAVE1"
}
