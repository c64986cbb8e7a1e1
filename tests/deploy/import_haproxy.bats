#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# sluicectl import-haproxy on the files of haproxy/: what it prints is the golden file, sluiced accepts it, and every line that says
# something stands in it once. Nothing is attached, and it needs no root.
# After a change on purpose: UPDATE=1 bats tests/deploy/import_haproxy.bats, and read the difference.

setup() {
	cd "$BATS_TEST_DIRNAME/haproxy" || return
	ROOT=$BATS_TEST_DIRNAME/../..
	CTL=$ROOT/build/bin/sluicectl
}

@test "each file: as the golden one, exit 1 if something blocks" {
	local cfg out status want count=0
	for cfg in *.cfg; do
		status=0 want=0
		out=$("$CTL" --config /nonexistent import-haproxy "$cfg" 2>"$BATS_TEST_TMPDIR/err") || status=$?
		grep -q '^; blocks migration' <<<"$out" && want=1
		((status == want))
		[[ ${UPDATE-} != 1 ]] || printf '%s\n' "$out" >"${cfg%.cfg}.conf"
		diff -u "${cfg%.cfg}.conf" <(printf '%s\n' "$out")
		count=$((count + 1))
	done
	((count >= 10))
}

@test "each golden file is a configuration that sluiced accepts" {
	local conf
	for conf in *.conf; do
		"$ROOT/build/bin/sluiced" --config "$conf" --check
	done
}

@test "every line that says something is named, once" {
	local cfg
	for cfg in *.cfg; do
		diff -u <(grep -nvE '^[[:space:]]*(#|$)' "$cfg" | cut -d: -f1) \
			<(sed -nE 's/^;   line ([0-9]+): .*/\1/p' "${cfg%.cfg}.conf" | sort -n)
	done
}

@test "HAProxy itself accepts the files that name nothing of another machine's" {
	local cfg
	for cfg in consul-template plain-tcp; do
		sed -E -e '/^ *(chroot|user|group|contimeout|clitimeout|srvtimeout) /d' -e 's/^listen redis (.*)/listen redis\n    bind \1/' \
			-e 's/^listen queue (.*)/listen queue\n    bind \1/' "$cfg.cfg" >"$BATS_TEST_TMPDIR/$cfg.cfg"
		haproxy -c -f "$BATS_TEST_TMPDIR/$cfg.cfg"
	done
}

@test "without root, from standard input, and as JSON" {
	local as=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all)
	((EUID == 0)) || as=()
	cp "$CTL" "$BATS_TEST_TMPDIR/sluicectl"
	chmod 0755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/sluicectl"
	chmod 0755 "${BATS_TEST_TMPDIR%/*}" "${BATS_TEST_TMPDIR%/*/*}"
	"${as[@]}" "$BATS_TEST_TMPDIR/sluicectl" --json import-haproxy - <consul-template.cfg |
		jq -e '.ok and .services == 1 and (.config | contains("[service app]")) and (.lines | length == 25)
			and all(.lines[]; .class == "app" or .class == "not_needed" or .class == "translated")'
}

@test "wrong words, and a file that is not there" {
	local status=0
	"$CTL" import-haproxy || status=$?
	((status == 2))
	status=0
	"$CTL" import-haproxy a b || status=$?
	((status == 2))
	status=0
	"$CTL" import-haproxy /nonexistent/haproxy.cfg 2>"$BATS_TEST_TMPDIR/err" || status=$?
	((status == 1))
	grep -q '^sluicectl: /nonexistent/haproxy.cfg: No such file' "$BATS_TEST_TMPDIR/err"
}
