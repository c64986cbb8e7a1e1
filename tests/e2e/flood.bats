#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Floods of segments from random sources, whose answers really leave: what lives goes on, and who comes anew gets in.
# docker.bats has the same through Docker. LONG=1: a minute each, and connections that are quiet for 30 s.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 4
	flood_setup
}

teardown_file() {
	lab_down
}

# counter NAME
counter() {
	ctl --json counters | jq ".$1"
}

@test "1,000 quiet connections survive floods of SYNs, of ACKs, and of two packets a source" {
	local new bad_ack no_flow
	new=$(counter new) bad_ack=$(counter bad_ack) no_flow=$(counter no_flow)
	survive_floods "$(long 1 30)" "$(long 1 60)" syn ack twice
	# each kind has reached the programs, and answers to forged sources have left
	ctl --json counters | holds '.new > $new + 4000 and .bad_ack > $bad_ack + 1000 and .no_flow > $no_flow + 2000
		and .table_full == 0' --argjson new "$new" --argjson bad_ack "$bad_ack" --argjson no_flow "$no_flow"
	(($(on elb nstat -asz IpInAddrErrors | awk '/IpInAddrErrors/ { print $2 }') > 3000))
}

@test "during a flood of 100,000 packets a second at least 99 % of new connections succeed" {
	local kind seconds
	seconds=$(long 1 60)
	for kind in syn ack twice; do
		flood "$kind" "$((seconds + 1))" --rate 100000 >"$BATS_TEST_TMPDIR/$kind" &
		ask --url "http://$SLAVE1/" --close --connections 20 --rate 200 --duration "$seconds" >"$BATS_TEST_TMPDIR/new" || true
		wait $!
		figure "$kind: $(cat "$BATS_TEST_TMPDIR/$kind") new: $(jq -c '{answered, failed, failures, connect_us, latency_us}' "$BATS_TEST_TMPDIR/new")"
		holds '.sent >= 2000' <"$BATS_TEST_TMPDIR/$kind"
		holds '.answered >= 100 and .failed * 99 <= .answered' <"$BATS_TEST_TMPDIR/new"
	done
}
