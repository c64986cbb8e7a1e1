#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What Marathon and Consul say, and what becomes of the backends. How they fail is in registries.bats.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	lab config slave1 marathon.resync=1s service.none.port=82 service.none.marathon_app=/none \
		service.cmd.port=83 service.cmd.marathon_app=/cmd service.alone.port=84 service.alone.consul_service=alone \
		service.both.port=86 service.both.consul_service=both
	# no load is on while tasks end: none needs to be served for a second more
	lab scale /web 3 --on-term close >/dev/null
}

teardown_file() {
	lab_down
}

teardown() {
	lab marathon normal
}

up() {
	ctl ${SLUICE_CONFIG:+--config "$SLUICE_CONFIG"} --json backends | jq -c '[.[] | select(.state == "up") | [.task, .port, .generation]] | sort'
}

# same_set BEFORE
same_set() {
	local now
	now=$(up)
	[[ $now == "$1" ]] || {
		printf 'the set was %s\nand is now %s\n' "$1" "$now"
		return 1
	}
}

@test "Marathon's stream is silent: changes are still learned" {
	lab marathon silent
	scale /web 4
	scale /web 3
}

@test "a dry run beside the daemon says what it would do, follows, and changes nothing" {
	local before out=$BATS_TEST_TMPDIR/dry pid task
	before=$(up)
	task=$(ctl --json backends | jq -r '[.[] | select(.state == "up")][0].task')
	# as somebody who may open no map
	"$TOOL" exec slave1 -- setpriv --reuid=65534 --regid=65534 --clear-groups sluiced --dry-run >"$out" 2>"$out.err" 3>&- &
	pid=$!
	wait_for "it would publish all three" grep -qE '^would publish web:( [0-9]+){3}$' "$out"
	grep -q "^would change web/.* -> up task=$task .*reason=" "$out"
	same_set "$before"
	scale /web 2
	wait_for "it follows" grep -qE '^would change web/.* up -> (draining|down|gone) ' "$out"
	scale /web 3
	kill -TERM "$pid"
	wait "$pid"
}

@test "a check that goes critical in Consul takes the backend down, and back up" {
	local port task id
	read -r port task < <(ctl --json backends | jq -r '[.[] | select(.state == "up")][0] | "\(.port) \(.task)"')
	id="sluice:$task:0"
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/agent/services | holds 'has($id)' --arg id "$id"
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/check/register \
		--data "{\"ID\": \"flip\", \"Name\": \"flip\", \"ServiceID\": \"$id\", \"TTL\": \"1h\", \"Status\": \"passing\"}"
	# critical and with a result: a check that has none has not run yet, and does not count
	on slave1 curl -sS --fail --max-time 10 -X PUT 'http://127.0.0.1:8500/v1/agent/check/fail/flip?note=broken'
	wait_for "it is down" backends_hold --argjson p "$port" 'any(.[]; .port == $p and .state == "down")'
	ask --url "http://$SLAVE1/" --requests 60 --connections 3 --close |
		holds '.failed == 0 and (.tasks | length) == 2 and all(.tasks[]; .port != $p)' --argjson p "$port"
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/check/pass/flip
	wait_for "it is up" backends_hold --argjson p "$port" 'any(.[]; .port == $p and .state == "up")'
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/check/deregister/flip
}

@test "each task is registered with address, host-port, tag and marks, and nothing else is touched" {
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/service/register \
		--data '{"ID": "foreign", "Name": "web", "Port": 9, "Tags": ["theirs"]}'
	scale /web 2
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/agent/services >"$BATS_TEST_TMPDIR/services"
	holds 'has("foreign")' <"$BATS_TEST_TMPDIR/services"
	wait_for "two are in the catalog" in_catalog 2
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/health/service/web |
		holds '[.[] | select(.Service.ID | startswith("sluice:"))] | length == 2 and all(.[];
			.Service.Address == "10.80.0.2"
			and .Service.Port >= 31000 and (.Service.Tags | index("slave1-lab")) != null
			and .Service.Meta.sluice_app == "/web" and (.Service.Meta.sluice_task | length) > 0)'
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/service/deregister/foreign
	scale /web 3
	wait_for "three are registered" registered 3
}

# cmd_is STATE
cmd_is() {
	backends_hold --arg s "$1" 'any(.[]; .service == "cmd" and .state == $s)'
}

@test "a check by command: Consul cannot run it, and that is told; what Marathon finds by it decides" {
	local port
	jq -n --arg flag "$BATS_TEST_TMPDIR/flag" '{id: "/cmd", instances: 1, cpus: 0.1, mem: 32, healthChecks: [{protocol: "COMMAND",
		command: {value: "test -e \($flag)"}, delaySeconds: 0, gracePeriodSeconds: 300, intervalSeconds: 1}]}' |
		on master curl -sS --fail --max-time 10 -H 'Content-Type: application/json' -o /dev/null -d @- http://10.80.0.250:8080/v2/apps
	wait_for "it is known, and waits" cmd_is waiting
	touch "$BATS_TEST_TMPDIR/flag"
	wait_for "it is up" cmd_is up
	port=$(ctl --json backends | jq '.[] | select(.service == "cmd") | .port')
	wait_for "it is registered" registered 4
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/agent/checks | holds 'all(.[]; .ServiceName != "cmd") and length >= 3'
	ctl --json status | holds '.unrun_checks == [{service: "cmd", tasks: 1, checks: 1}]'
	ctl why "$port" | grep "it cannot run 1 of Marathon's checks"
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:9180/metrics | grep '^sluice_unrun_checks{service="cmd"} 1$'
	on elb curl -sS --fail --max-time 10 "http://$SLAVE1:83/" | grep app=/cmd
	on master curl -sS --fail --max-time 10 -o /dev/null -X DELETE http://10.80.0.250:8080/v2/apps/cmd
	wait_for "it is gone" registered 3
}

in_catalog() {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/health/service/web |
		jq -e --argjson n "$1" '[.[] | select(.Service.ID | startswith("sluice:"))] | length == $n'
}

registered() {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/agent/services |
		jq -e --argjson n "$1" '[keys[] | select(startswith("sluice:"))] | length == $n'
}

# alone PORT: registers the id "one", of a service that Consul alone knows, on that port
alone() {
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/service/register \
		--data "{\"ID\": \"one\", \"Name\": \"alone\", \"Port\": $1, \"Check\": {\"TTL\": \"1h\", \"Status\": \"passing\"}}"
}

# alone_hold FILTER: of that service's backends
alone_hold() {
	backends_hold "[.[] | select(.service == \"alone\")] | $1"
}

@test "Consul alone: an id is registered again on another port; the old port's connections live on, and it drains" {
	local -a ports pids=()
	local port
	mapfile -t ports < <(ctl --json backends | jq '[range(31900; 31999)] - [.[].port] | .[:2][]')
	for port in "${ports[@]}"; do
		"$LAB_WORK/on/slave1" "$ROOT/build/lab/app" --app /alone --task one --host slave1 --port "$port" --hostport "$port" 3>&- &
		pids+=("$!")
	done
	alone "${ports[0]}"
	wait_for "it is up" alone_hold "length == 1 and .[0].port == ${ports[0]} and .[0].state == \"up\""
	load_start kept --url "http://$SLAVE1:84/" --connections 4 --rate 100
	alone "${ports[1]}"
	wait_for "the new port is up" alone_hold "any(.[]; .port == ${ports[1]} and .state == \"up\")"
	wait_for "the old one leaves" alone_hold "any(.[]; .port == ${ports[0]} and .state != \"up\" and .task == \"one\")"
	ask --url "http://$SLAVE1:84/" --requests 20 --connections 2 --close >"$BATS_TEST_TMPDIR/new"
	load_more kept 40
	load_stop kept | holds '.failed == 0 and .moved == 0 and .idle_closed == 0'
	holds '.failed == 0 and .answered == 20' <"$BATS_TEST_TMPDIR/new"
	wait_for "nobody is left on the old one, and it is forgotten" alone_hold 'length == 1'
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/service/deregister/one
	kill "${pids[@]}"
	wait_for "nobody is left" alone_hold 'length == 0'
}

# both_is SEAT TASK STATE: the one backend of that service
both_is() {
	backends_hold --argjson g "$1" --arg t "$2" --arg s "$3" \
		'[.[] | select(.service == "both")] | length == 1 and [.[0].slot, .[0].generation] == $g and .[0].task == $t and .[0].state == $s'
}

@test "a service that Consul alone told gets marathon_app, and loses it again: its backend and its connections go on" {
	local task port seat before after
	jq -n '{id: "/both", instances: 1, cpus: 0.1, mem: 32}' |
		on master curl -sS --fail --max-time 10 -H 'Content-Type: application/json' -o /dev/null -d @- http://10.80.0.250:8080/v2/apps
	wait_for "its task runs" eval "lab status --json | jq -e 'any(.tasks[]; .app == \"/both\" and .pid != null)'"
	read -r task port < <(lab status --json | jq -r '.tasks[] | select(.app == "/both") | "\(.id) \(.port)"')
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/service/register \
		--data "{\"ID\": \"two\", \"Name\": \"both\", \"Port\": $port, \"Check\": {\"TTL\": \"1h\", \"Status\": \"passing\"}}"
	wait_for "it is up" backends_hold 'any(.[]; .service == "both" and .state == "up" and .task == "two")'
	seat=$(ctl --json backends | jq -c '.[] | select(.service == "both") | [.slot, .generation]')
	cp "$LAB_CONFIG" "$BATS_TEST_TMPDIR/consul.conf"
	load_start kept --url "http://$SLAVE1:86/" --connections 4 --rate 100
	before=$(ctl --json counters | jq '.retired')
	set_in_file 'service both' marathon_app /both
	ctl reload
	wait_for "Marathon tells it" both_is "$seat" "$task" up
	load_more kept 40
	cp "$BATS_TEST_TMPDIR/consul.conf" "$LAB_CONFIG"
	ctl reload
	wait_for "Consul tells it" backends_hold --arg t "$task" 'any(.[]; .service == "both" and .task != $t)'
	both_is "$seat" "$(ctl --json backends | jq -r '.[] | select(.service == "both") | .task')" up
	load_more kept 40
	after=$(ctl --json counters | jq '.retired')
	load_stop kept | holds '.failed == 0 and .moved == 0 and .idle_closed == 0'
	[[ $before =~ ^[0-9]+$ && $before == "$after" ]]
	on master curl -sS --fail --max-time 10 -o /dev/null -X DELETE http://10.80.0.250:8080/v2/apps/both
	on slave1 curl -sS --fail --max-time 10 -X PUT http://127.0.0.1:8500/v1/agent/service/deregister/two
	on slave1 curl -sS --fail --max-time 10 -X PUT "http://127.0.0.1:8500/v1/agent/service/deregister/sluice:$task:0" || true
	wait_for "nobody is left" backends_hold 'all(.[]; .service != "both")'
}

@test "a reload that is refused changes nothing" {
	local before
	before=$(up)
	cp "$(conf_file slave1)" "$BATS_TEST_TMPDIR/good.conf"
	echo 'no such line' >>"$(conf_file slave1)"
	kill -HUP "$(host_pid slave1 sluiced)"
	wait_for "the log names the place" grep -q "sluice.conf:$(wc -l <"$(conf_file slave1)")" "$(work)"/log/slave1-sluiced*
	SLUICE_CONFIG=$BATS_TEST_TMPDIR/good.conf same_set "$before"
	cp "$BATS_TEST_TMPDIR/good.conf" "$(conf_file slave1)"
	kill -HUP "$(host_pid slave1 sluiced)"
	scale /web 4 # it goes on
}

# as_user COMMAND...: as the daemon's user, who may not write a service's ports and networks
as_user() {
	on slave1 setpriv --reuid=64080 --regid=64080 --clear-groups "$@"
}

# set_in_file SECTION KEY VALUE: in the lab's configuration, which nobody is told to read
set_in_file() {
	sed -i -e "/^\[$1\]/,/^\[/ { /^$2 *=/d }" -e "/^\[$1\]/a $2 = $3" "$LAB_CONFIG"
}

# needs SECTION KEY=VALUE EXPECTED: with that in the file both programs say that this needs attach ("": nothing does)
needs() {
	cp "$BATS_TEST_TMPDIR/good.conf" "$LAB_CONFIG"
	sed -i -e "/^\[$1\]/,/^\[/ { /^${2%%=*} *=/d }" -e "/^\[$1\]/a ${2%%=*} = ${2#*=}" "$LAB_CONFIG"
	as_user sluicectl --json reload | holds '.ok and .needs_attach == $key and .message == "needs attach: " + $key' --arg key "$3"
	ctl --json status | holds '.needs_attach == $key' --arg key "$3"
}

# without_out: the file has [service out] no longer, and is read again
without_out() {
	cp "$BATS_TEST_TMPDIR/without.conf" "$LAB_CONFIG"
	ctl reload
}

with_out() {
	printf '\n[service out]\nport = 85\nmarathon_app = /out\n' >>"$LAB_CONFIG"
	ctl reload
}

@test "a service that is taken out of the file takes its registrations along, and no others, over a restart too" {
	local n # what is registered without it
	n=$(up | jq length)
	wait_for "all are registered" registered "$n"
	cp "$LAB_CONFIG" "$BATS_TEST_TMPDIR/without.conf"
	with_out
	lab scale /out 1 --on-term close >/dev/null
	wait_for "its task is registered" registered $((n + 1))
	without_out
	wait_for "its registration is gone" registered "$n"
	with_out
	wait_for "it is registered again" registered $((n + 1))
	lab stop slave1 sluiced
	without_out || true # nobody hears it
	registered $((n + 1))
	lab start slave1 sluiced
	wait_for "its registration is gone" registered "$n"
	with_out
	wait_for "it is registered again" registered $((n + 1))
	lab scale /out 0 >/dev/null
	wait_for "it is gone" registered "$n"
	without_out
	registered "$n"
}

@test "what only attach can change is told by name, by the daemon and by sluicectl, and nothing is changed" {
	local before
	before=$(up)
	ctl --json status | holds '.needs_attach == null'
	cp "$LAB_CONFIG" "$BATS_TEST_TMPDIR/good.conf"
	needs node group=64081 node.group
	needs node flows=300000 node.flows
	needs node half_flows=300000 node.half_flows
	needs node ports=31000-31999 node.ports
	needs node mode=tc node.mode
	needs node cgroup=off node.cgroup
	needs 'service web' port=81 service.web.port
	needs 'service web' allow=10.80.0.0/24 service.web.allow
	# one list of networks for another, of which only the maps know
	ctl --json reload | holds '.ok and .needs_attach == null and .message == "reloaded"'
	needs 'service web' allow=10.80.0.0/24,10.81.0.0/16 service.web.allow
	cp "$BATS_TEST_TMPDIR/good.conf" "$LAB_CONFIG"
	ctl --json reload | holds '.ok and .needs_attach == null and .message == "reloaded"'
	same_set "$before"
	ask --url "http://$SLAVE1/" --requests 60 --connections 3 --close | holds '.failed == 0 and (.tasks | length) == 4'
}

@test "the admin socket moves with a reload; sluicectl reload does not call it done when nobody heard it" {
	local good=$BATS_TEST_TMPDIR/good.conf before socket
	before=$(up)
	socket=$(sed -n 's/^socket *= *//p' "$LAB_CONFIG").new
	cp "$LAB_CONFIG" "$good"
	set_in_file admin socket /no/such/folder/admin.sock
	kill -HUP "$(host_pid slave1 sluiced)"
	wait_for "a place that cannot be had is refused" grep -q 'reload-refused.*/no/such/folder/admin.sock' "$LAB_WORK/log/slave1-sluiced.log"
	ctl --config "$good" --json status | holds '.attached'
	set_in_file admin socket "$socket"
	run ctl reload
	[[ $status == 1 && $output == *"sluiced: running, but not listening at $socket"* ]]
	kill -HUP "$(host_pid slave1 sluiced)"
	wait_for "it listens there" test -S "$socket"
	ctl --json reload | holds '.ok and .message == "reloaded"'
	cp "$good" "$LAB_CONFIG"
	kill -HUP "$(host_pid slave1 sluiced)"
	wait_for "it is back" ctl --json reload
	[[ ! -e $socket ]]
	lab stop slave1 sluiced
	run ctl reload
	lab start slave1 sluiced
	[[ $status == 1 && $output == *"sluiced: not running, so nobody was told"* ]]
	same_set "$before"
}

@test "a second sluiced on the same pin folder is refused, the first goes on" {
	local first
	first=$(host_pid slave1 sluiced)
	run on slave1 setpriv --reuid=64080 --regid=64080 --clear-groups timeout 30 sluiced --config "$(conf_file slave1)"
	[[ $status == 1 && $output == *"$(pin_dir): another sluiced is running on it"* ]]
	[[ $(host_pid slave1 sluiced) == "$first" ]]
	scale /web 3
}

# certificates: an authority, one that signed nothing, and a certificate of the first for all that serves https here
certificates() {
	local dir=$LAB_WORK/tls name
	mkdir "$dir"
	for name in ca wrong; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name" \
			-keyout "$dir/$name.key" -out "$dir/$name.pem"
	done
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout "$dir/server.key" -out "$dir/server.csr"
	openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 2 -out "$dir/server.pem" \
		-extfile <(echo subjectAltName=IP:127.0.0.1,IP:10.80.0.250)
	cat "$dir/server.pem" "$dir/server.key" >"$LAB_WORK/master/https.pem"
	chmod 755 "$dir"
	chmod 644 "$dir"/*
} 2>/dev/null

# for_daemon FILE TEXT: a file with a secret, for the daemon alone
for_daemon() {
	(umask 077 && echo "$2" >"$1")
	chown 64080:64080 "$1"
}

# source_is NAME CONNECTED [WORD...]: what the source's error has
source_is() {
	ctl --json status | jq -e --arg name "$1" --argjson is "$2" \
		'.sources[] | select(.name == $name) | .connected == $is and (.error as $e | all($ARGS.positional[]; . as $w | $e | contains($w)))' \
		--args "${@:3}"
}

# learns N: what Marathon says still arrives, and Consul is told
learns() {
	scale /web "$1"
	wait_for "$1 are registered" registered "$1"
}

@test "Marathon over https: its authority and user are right, then wrong, then right again; the set stays" {
	local before user=$LAB_WORK/marathon.user
	certificates
	echo 'sluice:Se5ame-0pen' >"$LAB_WORK/master/https.user"
	for_daemon "$user" 'sluice:Se5ame-0pen'
	lab kill master marathon
	lab start master marathon
	before=$(up)
	lab config slave1 marathon.url=https://10.80.0.250:8443 marathon.ca_file="$LAB_WORK/tls/ca.pem" marathon.user_file="$user"
	wait_for "sluiced is connected by https" source_is marathon true
	learns 4
	before=$(up)
	lab config slave1 marathon.ca_file="$LAB_WORK/tls/wrong.pem"
	wait_for "the wrong authority is told" source_is marathon false https://10.80.0.250:8443 certificate "$LAB_WORK/tls/wrong.pem"
	same_set "$before"
	lab config slave1 marathon.ca_file=
	wait_for "that the system's do not do is told" source_is marathon false https://10.80.0.250:8443 certificate "ca_file: the system's"
	for_daemon "$user" 'sluice:not-Se5ame'
	lab config slave1 marathon.ca_file="$LAB_WORK/tls/ca.pem"
	wait_for "the wrong password is told" source_is marathon false https://10.80.0.250:8443 401 user_file
	same_set "$before"
	for_daemon "$user" 'sluice:Se5ame-0pen' # nobody tells the daemon
	wait_for "sluiced is connected with the right password" source_is marathon true
	learns 3
	lab config slave1 marathon.url=http://10.80.0.250:8080 marathon.ca_file= marathon.user_file=
	wait_for "sluiced is connected" sources_connected
}

@test "Consul over https with the right and the wrong authority, and over a Unix socket; the set stays" {
	local before
	before=$(up)
	jq -n --arg dir "$LAB_WORK" '{ports: {https: 8501}, addresses: {http: "127.0.0.1 unix://\($dir)/slave1/consul.sock"},
		unix_sockets: {group: "64080", mode: "660"}, cert_file: "\($dir)/tls/server.pem", key_file: "\($dir)/tls/server.key"}' \
		>"$LAB_WORK/slave1/consul.d/tls.json"
	lab kill slave1 consul
	lab start slave1 consul
	lab config slave1 consul.url=https://127.0.0.1:8501 consul.ca_file="$LAB_WORK/tls/ca.pem"
	wait_for "sluiced is connected by https" source_is consul true
	learns 4
	before=$(up)
	lab config slave1 consul.ca_file="$LAB_WORK/tls/wrong.pem"
	wait_for "the wrong authority is told" source_is consul false https://127.0.0.1:8501 certificate "$LAB_WORK/tls/wrong.pem"
	same_set "$before"
	lab config slave1 "consul.url=unix://$LAB_WORK/slave1/consul.sock" consul.ca_file=
	wait_for "sluiced is connected by the Unix socket" source_is consul true
	learns 3
	lab config slave1 consul.url=http://127.0.0.1:8500
	wait_for "sluiced is connected" sources_connected
}

@test "a file that cannot be an authority's is refused by name, and nothing changes" {
	local before
	before=$(up)
	sed -e '/^\[consul\]/,/^\[/ { /^ca_file *=/d }' -e "/^\[consul\]/a ca_file = $LAB_WORK/no-such.pem" "$LAB_CONFIG" >"$BATS_TEST_TMPDIR/bad.conf"
	run ctl --config "$BATS_TEST_TMPDIR/bad.conf" reload
	echo "$output"
	[[ $status == 1 && ${#lines[@]} == 1 && $output == *"[consul] ca_file = $LAB_WORK/no-such.pem"* ]]
	same_set "$before"
}

echoes() {
	[[ $(grep -c "$2" "$LAB_WORK/log/slave1-sluiced.log") -gt $1 ]]
}

# All that was ever sent as a secret stands in nothing that the programs say, even if the server says it to them.
@test "no token, user or password in any log, error, status or metric, whatever fails" {
	local token=0e4d9a5f-31c7-4b86-9c0e-7d1f2a6b5c88 mode echo before
	before=$(up)
	echo '500 text' >"$BATS_TEST_TMPDIR/mode"
	"$TOOL" exec master -- "$BATS_TEST_DIRNAME/echo.py" 10.80.0.250 9999 "$BATS_TEST_TMPDIR/mode" 3>&- &
	echo=$!
	for_daemon "$LAB_WORK/echo.token" "$token"
	for_daemon "$LAB_WORK/marathon.user" 'sluice:Se5ame-0pen'
	lab config slave1 marathon.url=http://10.80.0.250:9999 marathon.user_file="$LAB_WORK/marathon.user" \
		consul.url=http://10.80.0.250:9999 consul.token_file="$LAB_WORK/echo.token"
	for mode in '500 text' '429 text' '403 json' '401 text' '404 json' '302 text' '200 text' '200 json' '200 sse' '200 cut'; do
		echo "$mode" >"$BATS_TEST_TMPDIR/mode"
		# a reload asks both at once
		kill -HUP "$(host_pid slave1 sluiced)"
		wait_for "Marathon's client has had it" grep -q "^$mode /v2/" "$BATS_TEST_TMPDIR/mode.served"
		wait_for "Consul's client has had it" grep -q "^$mode /v1/" "$BATS_TEST_TMPDIR/mode.served"
		wait_for "Marathon's answer is told" source_is marathon false http://10.80.0.250:9999
		wait_for "Consul's answer is told" source_is consul false http://10.80.0.250:9999
		{
			ctl --json status
			ctl status
			ctl --json changes
			ctl --json why "$(ctl --json backends | jq '.[0].port')"
			on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:9180/metrics
		} >>"$BATS_TEST_TMPDIR/said" 2>&1
	done
	ctl verify >>"$BATS_TEST_TMPDIR/said" 2>&1 || true
	# and what cannot be used of the files themselves
	for_daemon "$LAB_WORK/marathon.user" 'no-colon-Se5ame-0pen'
	kill -HUP "$(host_pid slave1 sluiced)"
	wait_for "that it is no user is told" grep -q 'reload-refused.*USER:PASSWORD' "$LAB_WORK/log/slave1-sluiced.log"
	ctl --json reload >>"$BATS_TEST_TMPDIR/said" 2>&1 || true
	on slave1 sluiced --check --config "$LAB_CONFIG" >>"$BATS_TEST_TMPDIR/said" 2>&1 || true
	kill "$echo"
	same_set "$before"
	cat "$LAB_WORK/log/slave1-sluiced.log" >>"$BATS_TEST_TMPDIR/said"
	grep -q 'HTTP 403' "$BATS_TEST_TMPDIR/said"
	run grep -F -e "$token" -e Se5ame -e "$(printf %s sluice:Se5ame-0pen | base64)" "$BATS_TEST_TMPDIR/said"
	[[ $status == 1 ]] || {
		echo "$output"
		false
	}
	lab config slave1 marathon.url=http://10.80.0.250:8080 marathon.user_file= consul.url=http://127.0.0.1:8500 consul.token_file=
	wait_for "sluiced is connected" sources_connected
}

@test "a service that no registry names waits for its first set: status and metric say so" {
	ctl --json status | holds '[.guards[] | select(.guard == "first-set" and .service == "none")] | length == 1 and .[0].port == 0
		and .[0].task == "" and (.[0].reason | contains("no registry has named it")) and .[0].age_ms > 0'
	ctl status | grep -E '^first-set +none +- '
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:9180/metrics |
		grep '^sluice_guard_active{guard="first-set",service="none",port="0",task=""} 1$'
}

@test "a registration that waits for the end of its maintenance is told" {
	local port task url=http://127.0.0.1:8500/v1/agent/service/maintenance
	read -r port task < <(ctl --json backends | jq -r '[.[] | select(.state == "up")][0] | "\(.port) \(.task)"')
	on slave1 curl -sS --fail --max-time 10 -X PUT "$url/sluice:$task:0?enable=true&reason=test"
	wait_for "it drains" backends_hold --argjson p "$port" 'any(.[]; .port == $p and .state == "draining")'
	lab config slave1 service.web.consul_service=www
	wait_for "the registration that waits is told" eval "ctl --json status |
		jq -e --argjson p $port 'any(.guards[]; .guard == \"registration-waits\" and .port == \$p)'"
	ctl why "$port" | grep 'guard: *registration-waits'
	on slave1 curl -sS --fail --max-time 10 -X PUT "$url/sluice:$task:0?enable=false"
	wait_for "it waits no longer" eval "ctl --json status | jq -e 'all(.guards[]; .guard != \"registration-waits\")'"
	lab config slave1 service.web.consul_service=web
	wait_for "all are up" backends_hold '[.[] | select(.state == "up")] | length == 3'
}

@test "metrics follow Prometheus' text format" {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:9180/metrics >"$BATS_TEST_TMPDIR/metrics"
	grep -q '^sluice_' "$BATS_TEST_TMPDIR/metrics"
	"$BATS_TEST_DIRNAME/exposition.py" <"$BATS_TEST_TMPDIR/metrics"
	# the judge sees offences
	run "$BATS_TEST_DIRNAME/exposition.py" < <(cat "$BATS_TEST_TMPDIR/metrics" "$BATS_TEST_TMPDIR/metrics")
	[[ $status == 1 && $output == *"comes twice"* ]]
}

@test "metrics are those that OPERATING.md, the alerts and the dashboard know" {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:9180/metrics >"$BATS_TEST_TMPDIR/metrics"
	"$ROOT/tests/deploy/documents.py" --metrics "$BATS_TEST_TMPDIR/metrics"
	# the judge sees one that is missing
	grep -v ' sluice_guard_active ' "$BATS_TEST_TMPDIR/metrics" >"$BATS_TEST_TMPDIR/less"
	run "$ROOT/tests/deploy/documents.py" --metrics "$BATS_TEST_TMPDIR/less"
	[[ $status == 1 && $output == *sluice_guard_active* ]]
}

@test "promtool finds nothing to say about the metrics, and knows offences" {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:9180/metrics >"$BATS_TEST_TMPDIR/metrics"
	run promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
	echo "$output"
	[[ $status == 0 && -z $output ]]
	run promtool check metrics < <(printf '# HELP sluice_x x\n# TYPE sluice_x counter\nsluice_x 1\n')
	[[ $status != 0 && $output == *_total* ]]
}
