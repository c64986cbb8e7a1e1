# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Requests to /web that may not fail, whatever happens meanwhile; half of them over kept connections, half over new ones.
# LONG=1: as many a second as the product promises, and all that was counted is shown.

# shellcheck source=lab.bash disable=SC2154 # what it sets
RATE=$(long 150 500)

# load: half of the requests over kept connections, half over new ones
load() {
	load_start keep --url "http://$SLAVE1/" --connections 10 --rate $((RATE / 2)) --timeout 30000
	load_start anew --url "http://$SLAVE1/" --connections 10 --rate $((RATE / 2)) --timeout 30000 --close
}

# lasts SHORT LONG: so many seconds' requests are answered, which takes no less than that time
lasts() {
	load_answers $(($(long "$1" "$2") * RATE / 2))
}

load_answers() {
	DEADLINE=$((60 + 4 * $1 / RATE)) load_more anew "$1"
	load_more keep 10
}

# no_failure: both kinds of load have ended well
no_failure() {
	local name
	for name in keep anew; do
		load_stop "$name" >"$BATS_TEST_TMPDIR/$name"
		jq -c '{answered, failed, failures, connections, idle_closed, moved, latency_us, first_failures}' "$BATS_TEST_TMPDIR/$name" \
			>"$BATS_TEST_TMPDIR/figures"
		cat "$BATS_TEST_TMPDIR/figures" >>"$BATS_FILE_TMPDIR/figures"
		figure "$name: $(<"$BATS_TEST_TMPDIR/figures")"
	done
	figure "load $(</proc/loadavg)"
	for name in keep anew; do
		holds '.failed == 0 and .moved == 0 and .answered > 0' <"$BATS_TEST_TMPDIR/$name"
	done
}

backends_of() {
	ctl --json backends | jq -c --arg s "$1" '[.[] | select(.service == $s and .state == "up") | [.task, .port, .generation]] | sort'
}

# same_web BEFORE
same_web() {
	local now
	now=$(backends_of web)
	[[ $now == "$1" ]] || {
		printf 'the set was %s\nand is now %s\n' "$1" "$now"
		return 1
	}
}

web_is() {
	same_web "$1"
}

web_count() {
	backends_hold --argjson n "$1" '[.[] | select(.service == "web" and .state == "up")] | length == $n'
}

# For teardown_file: all that the file's tests have counted.
all_figures() {
	figure "all tests: $(jq -sr '"\(map(.answered) | add) requests answered, \(map(.failed) | add) failed"' "$BATS_FILE_TMPDIR/figures")"
}
