#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# IPv6 to containers that have none: Docker puts docker-proxy in front of their host-ports. And to containers that have it.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1
	scale /web 2
}

teardown_file() {
	lab_down
}

@test "IPv6 through docker-proxy, with and without checksum offload" {
	local offload before
	for offload in on off; do
		on elb ethtool -K eth0 tx "$offload"
		before=$(csum_errors)
		ask --url 'http://[fd00:80::2]/' --requests 60 --connections 6 --close |
			holds '.failed == 0 and .answered == 60 and (.tasks | length) == 2'
		ask --url 'http://[fd00:80::2]/bytes/300000' --requests 20 --connections 4 | holds '.failed == 0 and .moved == 0'
		[[ $(csum_errors) == "$before" ]]
	done
	on elb ethtool -K eth0 tx on
}

@test "preflight says that docker-proxy is there" {
	run ctl --json preflight
	holds '.ok and any(.findings[]; .check == "host.docker_proxy" and .level == "warning" and (.text | contains("serves 2 host-ports")))' \
		<<<"$output"
}

# dockerd_ipv6: containers get IPv6 addresses, and ip6tables sends the host-ports there past docker-proxy
dockerd_ipv6() {
	lab stop slave1 dockerd
	jq -n '{ipv6: true, "fixed-cidr-v6": "fd00:17::/64", experimental: true, ip6tables: true}' \
		>"$LAB_WORK/slave1/etc/docker/daemon.json"
	lab start slave1 dockerd
}

@test "containers with IPv6, a bottleneck of 1,300 bytes at docker0: uploads go on, and the client learns the MTU" {
	scale /web 0
	dockerd_ipv6
	scale /web 1
	on slave1 ip link set dev docker0 mtu 1300
	arrives up fd00:80::2 "$(long 5000000 50000000)" "$(long 5000 1000)"
	on elb ip -6 route get fd00:80::2 | grep 'mtu 1300'
	[[ $(on elb nstat -asz Icmp6InErrors | awk '/Icmp6InErrors/ { print $2 }') == 0 ]]
	ctl --json counters | holds '.icmp_out >= 1'
}
