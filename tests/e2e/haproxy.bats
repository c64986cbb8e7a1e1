#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Apps that close their listener at SIGTERM, under load and scaling: how many requests fail here and through HAProxy,
# which is told of each change as consul-template would tell it. No balancer can save what sits in the app's accept
# queue, so the numbers are reported, not judged.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	lab scale /web 4 --on-term close
}

teardown_file() {
	end_pid "$BATS_FILE_TMPDIR/watcher.pid"
	end_pid "$BATS_FILE_TMPDIR/haproxy.pid"
	lab_down
}

# haproxy_config: servers are the backends that are up now
haproxy_config() {
	cat <<-CFG
		global
		    maxconn 2000
		defaults
		    mode http
		    option redispatch
		    timeout connect 2s
		    timeout client 30s
		    timeout server 30s
		frontend web
		    bind 10.80.0.2:8888
		    default_backend web
		backend web
	CFG
	ctl --json backends | jq -r '.[] | select(.state == "up") | "    server s\(.port) 10.80.0.2:\(.port)"' | sort
}

# follow: reloads HAProxy whenever the set has changed
follow() {
	local new
	while sleep 0.1; do
		new=$(haproxy_config)
		[[ $new == "$(<"$BATS_FILE_TMPDIR/haproxy.cfg")" ]] && continue
		printf '%s\n' "$new" >"$BATS_FILE_TMPDIR/haproxy.cfg"
		kill -USR2 "$(<"$BATS_FILE_TMPDIR/haproxy.pid")"
	done
}

haproxy_answers() {
	on elb curl -sS --fail --max-time 5 "http://$SLAVE1:8888/"
}

@test "--on-term close, scaling 4 -> 2 -> 4: failures through Sluice and through HAProxy in the same run" {
	haproxy_config >"$BATS_FILE_TMPDIR/haproxy.cfg"
	on slave1 haproxy -W -D -f "$BATS_FILE_TMPDIR/haproxy.cfg" -p "$BATS_FILE_TMPDIR/haproxy.pid"
	wait_for "HAProxy serves" haproxy_answers
	follow 3>&- >/dev/null 2>&1 &
	echo $! >"$BATS_FILE_TMPDIR/watcher.pid"
	load_start sluice --url "http://$SLAVE1/" --connections 8 --rate 500 --close
	load_start haproxy --url "http://$SLAVE1:8888/" --connections 8 --rate 500 --close
	scale /web 2
	load_more sluice 500
	load_more haproxy 500
	scale /web 4
	load_more sluice 500
	load_more haproxy 500
	load_stop sluice >"$BATS_TEST_TMPDIR/ours"
	load_stop haproxy >"$BATS_TEST_TMPDIR/theirs"
	jq -r '"# --on-term close: Sluice lost \(.failed) of \(.requests) requests"' <"$BATS_TEST_TMPDIR/ours" >&3
	jq -r '"# --on-term close: HAProxy lost \(.failed) of \(.requests) requests"' <"$BATS_TEST_TMPDIR/theirs" >&3
	holds '.answered >= 1000 and .moved == 0 and ([.failures | to_entries[] | select(.key == "timeout" or .key == "bad") | .value] | add) == 0' \
		<"$BATS_TEST_TMPDIR/ours"
	holds '.answered >= 1000' <"$BATS_TEST_TMPDIR/theirs"
	[[ $(wc -l <"$BATS_FILE_TMPDIR/haproxy.cfg") -ge 16 ]]
}
