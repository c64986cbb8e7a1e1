#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# sluicectl preflight: what it finds on a good host, and each thing that it is there to find.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process --no-daemon
	CONF=$(conf_file slave1)
	export CONF
}

teardown_file() {
	lab_down
}

# preflight STATUS FILTER [KEY=VALUE...]: with these keys of [node] its exit status is that, and the filter holds of its JSON
preflight() {
	local wanted=$1 filter=$2 key
	shift 2
	cp "$CONF" "$BATS_TEST_TMPDIR/preflight.conf"
	for key; do
		sed -i "s|^${key%%=*} = .*|${key%%=*} = ${key#*=}|" "$BATS_TEST_TMPDIR/preflight.conf"
	done
	run ctl --config "$BATS_TEST_TMPDIR/preflight.conf" --json preflight
	[[ $status == "$wanted" ]] || {
		echo "exit $status: $output"
		return 1
	}
	holds "$filter" <<<"$output"
}

# found LEVEL CHECK TEXT: a jq filter for one finding
found() {
	printf 'any(.findings[]; .level == "%s" and .check == "%s" and (.text | contains("%s")))' "$1" "$2" "$3"
}

@test "on a good host nothing blocks, and auto says what it chooses and why" {
	preflight 0 '.ok and .mode.configured == "auto" and .mode.choice == "tc" and (.mode.why | contains("virtual")) and
		all(.findings[]; .level == "ok") and
		([.findings[].check] | contains(["kernel.load", "kernel.realtime", "kernel.tcx", "kernel.unprivileged", "kernel.btf", "host.pin_dir",
			"host.group", "host.local_ports", "host.docker_proxy", "interface.driver", "interface.mtu",
			"interface.hooks", "route.back", "firewall"]))' mode=auto
	run ctl preflight
	[[ $status == 0 && $output == *"nothing is against attaching" ]]
}

@test "what attach would refuse blocks" {
	preflight 1 "(.ok | not) and $(found block interface 'nope0: no such interface')" interface=nope0
	preflight 1 "$(found block host.group 'no group nobody-at-all')" group=nobody-at-all
	preflight 1 "$(found block host.pin_dir 'no bpffs')" pin_dir=/tmp/nowhere
}

@test "somebody else's program on XDP blocks, on tc it is a warning" {
	ctl detach
	cat >"$BATS_TEST_TMPDIR/other.c" <<-'C'
		__attribute__((section("xdp"), used)) int other(void *ctx) { (void)ctx; return 2; }
		char _license[] __attribute__((section("license"), used)) = "GPL";
	C
	clang -O2 -g -target bpf -c "$BATS_TEST_TMPDIR/other.c" -o "$BATS_TEST_TMPDIR/other.o"
	on slave1 ip link set dev eth0 xdpgeneric obj "$BATS_TEST_TMPDIR/other.o" sec xdp
	preflight 1 "$(found block interface.hooks 'another XDP program')"
	on slave1 ip link set dev eth0 xdpgeneric off
	preflight 0 .ok
	ctl attach
}

@test "the host's own ports among the host-ports, and a default route elsewhere" {
	on slave1 sysctl -qw net.ipv4.ip_local_port_range='31500 60999'
	preflight 0 "$(found warning host.local_ports '31500-60999')"
	on slave1 sysctl -qw net.ipv4.ip_local_reserved_ports=31000-32000
	preflight 0 "$(found ok host.local_ports '31500-60999')"
	on slave1 ip link add away type veth peer name faraway
	on slave1 ip address add 10.81.0.1/24 dev away
	on slave1 ip link set dev away up
	on slave1 ip route add default via 10.81.0.2 dev away
	preflight 0 "$(found warning route.back 'out by away')"
	on slave1 ip link delete away
	on slave1 ip route add default via 10.80.0.1
	preflight 0 "$(found ok route.back 'out by eth0')"
}

@test "rules that would drop the rewritten port are found" {
	on slave1 nft add table inet f
	on slave1 nft 'add chain inet f in { type filter hook input priority 0; policy drop; }'
	on slave1 nft add rule inet f in tcp dport 80 accept
	preflight 0 "$(found warning firewall 'nft chain inet f in')"
	on slave1 nft add rule inet f in tcp dport 31000-32000 accept
	preflight 0 "$(found ok firewall 'nft:')"
	on slave1 nft delete table inet f
	on slave1 iptables -A INPUT -p tcp --dport 31000:31010 -j DROP
	preflight 0 "$(found warning firewall 'dport 31000:31010 -j DROP')"
	on slave1 iptables -F
	on slave1 ip6tables -P INPUT DROP
	preflight 0 "$(found warning firewall 'ip6tables-save')"
	on slave1 ip6tables -P INPUT ACCEPT
}

@test "without rights it says what it could not look at" {
	run on slave1 setpriv --reuid=65534 --regid=65534 --clear-groups sluicectl --json preflight
	holds "$(found skipped kernel.load 'only root')" <<<"$output"
}
