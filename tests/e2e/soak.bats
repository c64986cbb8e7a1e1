#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Everything at once, for a while: 20 s in `make test`, ten minutes by `make soak` (SOAK is the time in seconds).

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 4
}

teardown_file() {
	lab_down
}

# attach_again N: the programs are replaced every five seconds
attach_again() {
	local i
	for ((i = 1; i <= $1; i++)); do
		sleep 5
		ctl attach || return 1
	done
}

@test "10,000 connections while backends flap, sets are published 1,000 times a second and programs are replaced: none fails" {
	local seconds=${SOAK:-20} publisher attacher
	lab stop slave1 sluiced # sets have one writer
	load_start keep --url "http://$SLAVE1/" --connections 10000 --rate 2000 --timeout 30000
	wait_for "10,000 connections are open" load_has keep 10000
	load_start anew --url "http://$SLAVE1/" --connections 20 --rate 200 --close --timeout 30000
	"$ROOT/build/tests/soak/publisher" "$(pin_dir)" "$seconds" 1000 >"$BATS_TEST_TMPDIR/publisher" 3>&- &
	publisher=$!
	attach_again $((seconds / 5)) >"$BATS_TEST_TMPDIR/attach" 2>&1 3>&- &
	attacher=$!
	wait "$publisher"
	wait "$attacher"
	load_more keep 10000
	load_more anew 100
	load_stop keep >"$BATS_TEST_TMPDIR/keep"
	load_stop anew >"$BATS_TEST_TMPDIR/anew"
	cat "$BATS_TEST_TMPDIR/attach"
	figure "$(cat "$BATS_TEST_TMPDIR/publisher"), $(grep -c . "$BATS_TEST_TMPDIR/attach") lines of attach"
	for name in keep anew; do
		figure "$name: $(jq -c '{answered, failed, failures, connections, moved, latency_us, first_failures}' "$BATS_TEST_TMPDIR/$name")"
	done
	holds '.failed == 0 and .moved == 0 and .connections == 10000 and .idle_closed == 0' <"$BATS_TEST_TMPDIR/keep"
	holds '.failed == 0 and (.tasks | length) == 4' <"$BATS_TEST_TMPDIR/anew"
	holds '.published >= $s * 500 and .flapped >= $s / 2' --argjson s "$seconds" <"$BATS_TEST_TMPDIR/publisher"
	ctl --json counters | holds '.torn_set == 0'
}
