#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Packets of which only the first bytes lie in one piece, by a tap device in a namespace of its own.

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

@test "an ICMP error is read whose quote lies behind the first piece" {
	unshare --net python3 "$BATS_TEST_DIRNAME/pieces.py" probe 2>/dev/null || skip "no tap device with IFF_NAPI_FRAGS"
	mkdir "$BATS_TEST_TMPDIR/bpf"
	cat >"$BATS_TEST_TMPDIR/sluice.conf" <<-CONF
		[node]
		name = pieces
		interface = tap0
		mode = tc
		cgroup = off
		group = root
		pin_dir = $BATS_TEST_TMPDIR/bpf/pins
		[service web]
		port = 80
		marathon_app = /web
		[marathon]
		url = http://127.0.0.1:1
	CONF
	# the mount ends with its namespace
	run unshare --net --mount --propagation private bash -c 'mount -t bpf bpf "$1/bpf" && exec python3 "$2" run "$3" "$1/sluice.conf"' \
		pieces "$BATS_TEST_TMPDIR" "$BATS_TEST_DIRNAME/pieces.py" "$ROOT/build/bin/sluicectl"
	echo "exit $status: $output"
	[[ $status == 0 ]]
	[[ $output == "$(printf '%s\n' 'IPv4 '{whole,14,42,60}' 1' 'IPv6 '{whole,14,42,60}' 1')" ]]
}
