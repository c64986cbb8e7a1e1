#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# IPv6 to containers that have none: Docker puts docker-proxy in front of their host-ports.

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
