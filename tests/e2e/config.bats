#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A bad configuration gives one message with file, line and reason, from both programs. No lab is needed.

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	FILE=$BATS_TEST_TMPDIR/sluice.conf
}

# bad LINE WORD: sluiced --check and sluicectl refuse FILE, naming that line (0: none) and the word
bad() {
	local line=$1 word=$2 place=$FILE
	((line == 0)) || place=$FILE:$line
	run "$ROOT/build/bin/sluiced" --config "$FILE" --check
	echo "sluiced exits $status: $output"
	[[ $status == 1 && ${#lines[@]} == 1 && $output == *"$place"* && $output == *"$word"* ]]
	run "$ROOT/build/bin/sluiced" --config "$FILE"
	echo "sluiced exits $status: $output"
	[[ $status == 1 && $output == *"$place"* && $output == *"$word"* ]]
}

@test "the example is good" {
	run "$ROOT/build/bin/sluiced" --config "$ROOT/deploy/sluice.conf" --check
	echo "$output"
	[[ $status == 0 ]]
}

@test "the example's commented defaults are good too" {
	sed -E 's/^#([a-z_]+ = )/\1/; /^(user_file|token_file|ca_file) = /d' "$ROOT/deploy/sluice.conf" >"$FILE"
	run "$ROOT/build/bin/sluiced" --config "$FILE" --check
	echo "$output"
	[[ $status == 0 ]]
}

@test "unknown key" {
	printf '[node]\n\n[service web]\nport = 80\nmarathon_ap = /web\n' >"$FILE"
	bad 5 marathon_ap
}

@test "unknown section" {
	printf '[node]\n[sevice web]\nport = 80\n' >"$FILE"
	bad 2 'sevice web'
}

@test "bad port" {
	printf '[service web]\nport = 8o\nmarathon_app = /web\n' >"$FILE"
	bad 2 8o
	printf '[service web]\nmarathon_app = /web\nport = 65536\n' >"$FILE"
	bad 3 65536
}

@test "time-outs out of their ranges" {
	printf '[node]\nhalf_open_timeout = 0\n' >"$FILE"
	bad 2 'half_open_timeout = 0: not a time for a handshake (1s to 10m)'
	printf '[node]\nidle_timeout = 5s\n' >"$FILE"
	bad 2 'idle_timeout = 5s: not a time that a connection may be quiet (10s to 24h)'
	printf '[node]\nclosing_timeout = 0\n' >"$FILE"
	bad 2 "closing_timeout = 0: not a time for a connection's end (1s to 24h)"
	printf '[node]\nclosed_timeout = 25h\n' >"$FILE"
	bad 2 'closed_timeout = 25h: longer than a day'
}

@test "two services on one port" {
	printf '[service web]\nport = 80\nmarathon_app = /web\n[service shop]\nport = 80\nmarathon_app = /shop\n' >"$FILE"
	bad 5 web
}

@test "unreadable token file" {
	printf '[service web]\nport = 80\nmarathon_app = /web\n[consul]\nurl = http://127.0.0.1:8500\ntoken_file = %s\n' \
		"$BATS_TEST_TMPDIR/no-such-token" >"$FILE"
	bad 0 "$BATS_TEST_TMPDIR/no-such-token"
}

@test "no such file" {
	FILE=$BATS_TEST_TMPDIR/nothing.conf
	bad 0 'No such file'
}

@test "sluicectl refuses a bad file too" {
	printf '[node]\nmode = fast\n' >"$FILE"
	run "$ROOT/build/bin/sluicectl" --config "$FILE" attach
	echo "$output"
	[[ $status == 1 && ${#lines[@]} == 1 && $output == sluicectl:*"$FILE:2"*fast* ]]
}

@test "wrong usage exits 2, --help exits 0 on stdout" {
	local program
	for program in sluiced sluicectl; do
		run "$ROOT/build/bin/$program" --no-such-option
		[[ $status == 2 ]]
		[[ -n $("$ROOT/build/bin/$program" --help 2>/dev/null) ]]
		"$ROOT/build/bin/$program" --help >/dev/null
	done
	run "$ROOT/build/bin/sluicectl" no-such-verb
	[[ $status == 2 ]]
}
