#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# From a HAProxy that serves port 80 to Sluice and back, under load, without a lost request: connections stay where they began, new
# ones go to whom the operator has just given them.

bats_require_minimum_version 1.5.0
source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 3
	lab config slave1 service.web.on_empty=pass
	lab stop slave1 sluiced
	ctl detach
	haproxy_config >"$BATS_FILE_TMPDIR/haproxy.cfg"
	on slave1 haproxy -D -f "$BATS_FILE_TMPDIR/haproxy.cfg" -p "$BATS_FILE_TMPDIR/haproxy.pid"
}

teardown_file() {
	end_pid "$BATS_FILE_TMPDIR/haproxy.pid"
	lab_down
}

# haproxy_config: as consul-template would have written it; the header tells who has answered
haproxy_config() {
	cat <<-CFG
		global
		    maxconn 4000
		defaults
		    mode http
		    timeout connect 2s
		    timeout client 60s
		    timeout server 60s
		frontend web
		    bind *:80
		    bind :::80 v6only
		    http-response set-header X-Proxy haproxy
		    default_backend web
		backend web
		    balance leastconn
	CFG
	lab status --json | jq -r '.tasks[] | select(.app == "/web") | "    server s\(.port) \("10.80.0.2"):\(.port) check inter 2s"'
}

# held_by_haproxy N: so many clients' connections end at port 80 of the host itself
held_by_haproxy() {
	local n
	n=$(on slave1 ss -Htn state established '( sport = :80 )' | wc -l)
	((n == $1)) || {
		echo "HAProxy holds $n connections, not $1"
		return 1
	}
}

# balanced N: so many of the elb's connections go through the programs
balanced() {
	flows_hold '([.[] | select(.client == "10.80.0.1" and .state == "established")] | length) == $n' --argjson n "$1"
}

leaving() {
	ctl --json status | jq -e --argjson l "$1" '.leaving == $l and all(.services[]; .leaving == $l)'
}

set_in_force() {
	ctl --json status | jq -e '.services[0] | .synced and .up == 3'
}

# from HOST URL: haproxy or sluice, whoever has answered, or nobody
from() {
	local head
	if ! head=$(on "$1" curl -sS --fail --max-time 5 -o /dev/null -D - "$2"); then
		echo nobody
	elif grep -qi '^x-proxy: haproxy' <<<"$head"; then
		echo haproxy
	else
		echo sluice
	fi
}

answered_by() {
	[[ $(from "$1" "http://$2/") == "$3" ]] || {
		echo "not answered by $3"
		return 1
	}
}

none_failed() {
	jq -c '{answered, failed, failures, connections}' <"$1"
	holds '.failed == 0 and .answered > 0' <"$1"
}

# detach_start ARGS...: in the background
detach_start() {
	"$TOOL" exec slave1 -- sluicectl detach "$@" >"$BATS_TEST_TMPDIR/detach.out" 2>"$BATS_TEST_TMPDIR/detach.err" 3>&- &
	DETACH=$!
}

@test "there and back with 200 kept connections on either side: 0 failed" {
	local port
	wait_for "HAProxy serves" answered_by elb "$SLAVE1" haproxy
	load_start kept-by-haproxy --url "http://$SLAVE1/" --connections 200 --rate 1000
	load_start newcomers --url "http://$SLAVE1/" --connections 4 --rate 200 --close
	wait_for "HAProxy holds 200" load_has kept-by-haproxy 400

	# attach: nothing changes before the first set
	ctl attach
	load_more newcomers 100
	answered_by elb "$SLAVE1" haproxy
	ctl --json counters | holds '.unsynced > 0 and .new == 0'
	lab start slave1 sluiced
	wait_for "a set is in force" set_in_force
	wait_for "new ones are balanced" answered_by elb "$SLAVE1" sluice
	load_start kept-by-sluice --url "http://$SLAVE1/" --connections 200 --rate 1000
	wait_for "200 are balanced" load_has kept-by-sluice 400
	load_more kept-by-haproxy 1000
	ctl --json counters | holds '.no_flow > 1000' # what HAProxy holds passes untouched
	load_stop kept-by-haproxy >"$BATS_TEST_TMPDIR/1.json"
	wait_for "HAProxy holds nothing" held_by_haproxy 0

	# and back
	detach_start --wait 120s
	wait_for "it leaves" leaving true
	wait_for "new ones are HAProxy's" answered_by elb "$SLAVE1" haproxy
	load_start kept-by-haproxy --url "http://$SLAVE1/" --connections 200 --rate 1000
	wait_for "HAProxy holds 200 again" load_has kept-by-haproxy 400
	load_more kept-by-sluice 1000
	wait_for "nobody else is balanced" balanced 200
	# the daemon goes on publishing, and it changes nothing
	port=$(ctl --json backends | jq '.[0].port')
	ctl drain "web/$port"
	ctl undrain "web/$port"
	leaving true
	load_more newcomers 100
	answered_by elb "$SLAVE1" haproxy
	load_stop kept-by-sluice >"$BATS_TEST_TMPDIR/2.json"
	wait "$DETACH"
	grep -q ': detached$' "$BATS_TEST_TMPDIR/detach.out"
	grep -q '200 balanced ones left' "$BATS_TEST_TMPDIR/detach.out"
	ctl --json status | holds '.attached == false and .leaving == false'
	load_more kept-by-haproxy 1000
	load_more newcomers 100
	load_stop kept-by-haproxy >"$BATS_TEST_TMPDIR/3.json"
	load_stop newcomers >"$BATS_TEST_TMPDIR/4.json"
	for port in 1 2 3 4; do
		figure "load $port: $(none_failed "$BATS_TEST_TMPDIR/$port.json")"
		none_failed "$BATS_TEST_TMPDIR/$port.json"
	done
	holds '.moved == 0 and .connections == 200' <"$BATS_TEST_TMPDIR/2.json" # each kept its container, and its connection
	holds '.connections == 200' <"$BATS_TEST_TMPDIR/1.json"
}

@test "attached again: the daemon that was left running takes up its work" {
	ctl attach
	wait_for "a set is in force" set_in_force
	answered_by elb "$SLAVE1" sluice
	leaving false
}

@test "detach --wait: not empty in time, with the daemon dead; all of it can be seen, and attach ends it" {
	load_start kept --url "http://$SLAVE1/" --connections 5 --rate 100
	lab kill slave1 sluiced
	run -1 ctl detach --wait 1s
	[[ $output == *"not empty in time: 5 connections still go through the programs, and new ones pass to the host"* ]]
	run -1 ctl --json detach --wait 0s
	[[ $(jq -c '[.detached, .leaving, .flows]' <<<"$output") == '[false,true,5]' ]]
	leaving true
	ctl status | grep -q '^leaving: new connections pass to the host'
	ctl backends | grep -q '^leaving: '
	ctl --json backends | holds 'all(.[]; .leaving)'
	ctl services | grep -qE '^web +80 +leaving '
	ctl --json services | holds '.[0].leaving and .[0].synced'
	ctl verify | grep -q '^note: .*leaving: new connections pass'
	ctl --json monitor --for 1s --count 1 | holds '.reason == "leaving" and .leaving'
	ctl --json explain 10.80.0.1:5555 | holds '.syn.verdict == "pass" and .syn.reasons == ["leaving"]'
	"$TOOL" exec slave1 -- sluicectl attach --watch >"$BATS_TEST_TMPDIR/watch" 2>&1 3>&- &
	wait_for "the watch has attached" grep -q 'new connections still pass to the host' "$BATS_TEST_TMPDIR/watch"
	kill "$!"
	wait "$!"
	leaving true
	ctl attach # by hand
	leaving false
	answered_by elb "$SLAVE1" sluice
	load_more kept 50
	load_stop kept >"$BATS_TEST_TMPDIR/end.json"
	none_failed "$BATS_TEST_TMPDIR/end.json"
	holds '.connections == 5' <"$BATS_TEST_TMPDIR/end.json"
	lab start slave1 sluiced
}

@test "reload and the daemon's restart keep the leave, also for a service that is new; metrics tell it" {
	load_start kept --url "http://$SLAVE1/" --connections 1 --rate 10
	run -1 ctl detach --wait 0s
	leaving true
	cp "$LAB_CONFIG" "$BATS_TEST_TMPDIR/conf"
	printf '[service late]\nport = 8080\nmarathon_app = /late\n' >>"$LAB_CONFIG"
	ctl reload
	ctl --json services | holds 'length == 2 and all(.[]; .leaving)'
	cp "$BATS_TEST_TMPDIR/conf" "$LAB_CONFIG"
	ctl reload
	ctl --json services | holds 'length == 1 and .[0].leaving'
	lab kill slave1 sluiced
	lab start slave1 sluiced
	wait_for "sluiced serves metrics" metric_is 'sluice_service_leaving{service="web"} 1'
	answered_by elb "$SLAVE1" haproxy
	metric_is 'sluice_packets_total{reason="leaving"} [1-9]'
	ctl attach
	wait_for "metrics tell that it is over" metric_is 'sluice_service_leaving{service="web"} 0'
	load_stop kept >"$BATS_TEST_TMPDIR/end.json"
	none_failed "$BATS_TEST_TMPDIR/end.json"
}

# metric_is PATTERN: a line of /metrics begins so
metric_is() {
	on slave1 curl -sS --fail --max-time 5 http://127.0.0.1:9180/metrics | grep -E "^${1//\{/\\\{}" || return 1
}

@test "clients on the host itself: the same, and connections that are balanced count" {
	local quiet out=$BATS_TEST_TMPDIR/held.out
	wait_for "a set is in force" set_in_force
	answered_by slave1 127.0.0.1 sluice
	answered_by slave1 "$SLAVE1" sluice
	mkfifo "$BATS_TEST_TMPDIR/go"
	"$TOOL" exec slave1 -- bash -c 'exec 3<>/dev/tcp/127.0.0.1/80; echo open; read -r <"$1"; printf "GET / HTTP/1.0\r\n\r\n" >&3; cat <&3' \
		bash "$BATS_TEST_TMPDIR/go" >"$out" 3>&- &
	quiet=$!
	wait_for "it is connected" grep -q '^open' "$out"
	detach_start --wait 120s
	wait_for "it leaves" leaving true
	answered_by slave1 127.0.0.1 haproxy
	answered_by slave1 "$SLAVE1" haproxy
	grep -q '1 balanced ones left' "$BATS_TEST_TMPDIR/detach.out" || wait_for "it says what is left" grep -q '1 balanced ones left' "$BATS_TEST_TMPDIR/detach.out"
	echo >"$BATS_TEST_TMPDIR/go"
	wait "$quiet" || true
	grep -q '^app=/web ' "$out" # it lived on
	wait "$DETACH"
	grep -q ': detached$' "$BATS_TEST_TMPDIR/detach.out"
}

@test "nothing attached, an attach meanwhile, another detach meanwhile" {
	local status=0
	run -0 ctl detach --wait 5s
	[[ $output == *"nothing was attached" ]]
	ctl attach
	wait_for "a set is in force" set_in_force
	load_start kept --url "http://$SLAVE1/" --connections 2 --rate 50
	detach_start --wait 120s
	wait_for "it leaves" leaving true
	ctl attach
	wait "$DETACH" || status=$?
	((status == 1))
	grep -q 'attached again meanwhile: it stays' "$BATS_TEST_TMPDIR/detach.err"
	ctl --json status | holds '.attached and .leaving == false'
	load_more kept 20
	load_stop kept >"$BATS_TEST_TMPDIR/end.json"
	none_failed "$BATS_TEST_TMPDIR/end.json"
	load_start kept --url "http://$SLAVE1/" --connections 2 --rate 50
	detach_start --wait 120s
	wait_for "it leaves" leaving true
	ctl detach # at once: what is balanced ends
	wait "$DETACH"
	load_stop kept >/dev/null
	ctl --json status | holds '.attached == false'
}

# document_step N there|back: the commands of MIGRATING.md's step, up to its way back or behind it
document_step() {
	awk -v step="## $1." -v want="$2" '
		/^## / { inside = index($0, step) == 1; part = "there" }
		inside && /^\*Way back\*/ { part = "back" }
		inside && part == want && /^    / { sub(/^    /, ""); print }' "$ROOT/deploy/MIGRATING.md"
}

# follow N there|back: runs them on slave1, with the lab's files, and the lab in systemd's place
follow() {
	local line count=0
	while read -r line; do
		echo "\$ $line"
		case $line in
		"systemctl start sluiced") [[ $(host_pid slave1 sluiced) != null ]] || lab start slave1 sluiced ;;
		"systemctl stop haproxy") kill "$(<"$BATS_FILE_TMPDIR/haproxy.pid")" ;;
		"systemctl "*) ;;
		*)
			line=${line//\/etc\/haproxy\/haproxy.cfg/$BATS_FILE_TMPDIR/haproxy.cfg}
			line=${line//\/etc\/sluice\/sluice.conf/$LAB_CONFIG}
			on slave1 bash -c "cd '$BATS_TEST_TMPDIR' && $line" </dev/null || return 1
			;;
		esac
		count=$((count + 1))
	done < <(document_step "$1" "$2")
	((count > 0))
}

@test "MIGRATING.md, every step as it stands there" {
	[[ $(host_pid slave1 sluiced) == null ]] || lab stop slave1 sluiced
	ctl detach
	load_start newcomers --url "http://$SLAVE1/" --connections 4 --rate 100 --close
	follow 1 there
	on slave1 sluiced --config "$BATS_TEST_TMPDIR/sluice.conf" --check
	cp "$LAB_CONFIG" "$BATS_TEST_TMPDIR/sluice.conf" # ids and addresses have been put in
	follow 3 there
	follow 4 there
	answered_by elb "$SLAVE1" haproxy
	follow 5 there
	wait_for "new ones are balanced" answered_by elb "$SLAVE1" sluice
	on slave1 bash -c "$(grep -oE 'sluicectl detach --wait 10m' "$ROOT/deploy/MIGRATING.md" | head -n 1)"
	answered_by elb "$SLAVE1" haproxy
	follow 4 there
	follow 5 there
	wait_for "new ones are balanced" answered_by elb "$SLAVE1" sluice
	follow 6 there
	follow 7 there
	grep -qE '^on_empty ?= ?reset' "$LAB_CONFIG"
	answered_by elb "$SLAVE1" sluice
	load_more newcomers 50
	load_stop newcomers >"$BATS_TEST_TMPDIR/end.json"
	figure "newcomers: $(none_failed "$BATS_TEST_TMPDIR/end.json")"
	none_failed "$BATS_TEST_TMPDIR/end.json"
}

@test "wrong words are refused" {
	run -2 ctl detach --wait
	run -2 ctl detach --wait soon
	run -2 ctl detach --force
	run -2 ctl detach now
}
