#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What Marathon and Consul say, and what becomes of the backends. How they fail is in registries.bats.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	lab config slave1 marathon.resync=1s
	scale /web 3
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

in_catalog() {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/health/service/web |
		jq -e --argjson n "$1" '[.[] | select(.Service.ID | startswith("sluice:"))] | length == $n'
}

registered() {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/agent/services |
		jq -e --argjson n "$1" '[keys[] | select(startswith("sluice:"))] | length == $n'
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
	scale /web 4
	scale /web 3
}

# as_user COMMAND...: as the daemon's user, who may not write a service's ports and networks
as_user() {
	on slave1 setpriv --reuid=64080 --regid=64080 --clear-groups "$@"
}

# needs SECTION KEY=VALUE EXPECTED: with that in the file both programs say that this needs attach ("": nothing does)
needs() {
	cp "$BATS_TEST_TMPDIR/good.conf" "$LAB_CONFIG"
	sed -i -e "/^\[$1\]/,/^\[/ { /^${2%%=*} *=/d }" -e "/^\[$1\]/a ${2%%=*} = ${2#*=}" "$LAB_CONFIG"
	as_user sluicectl --json reload | holds '.ok and .needs_attach == $key and .message == "needs attach: " + $key' --arg key "$3"
	ctl --json status | holds '.needs_attach == $key' --arg key "$3"
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
	ask --url "http://$SLAVE1/" --requests 60 --connections 3 --close | holds '.failed == 0 and (.tasks | length) == 3'
}

@test "a second sluiced on the same pin folder is refused, the first goes on" {
	local first
	first=$(host_pid slave1 sluiced)
	run on slave1 setpriv --reuid=64080 --regid=64080 --clear-groups timeout 30 sluiced --config "$(conf_file slave1)"
	[[ $status == 1 && $output == *"$(pin_dir): another sluiced is running on it"* ]]
	[[ $(host_pid slave1 sluiced) == "$first" ]]
	scale /web 4
	scale /web 3
}

@test "metrics follow Prometheus' text format" {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:9180/metrics >"$BATS_TEST_TMPDIR/metrics"
	grep -q '^sluice_' "$BATS_TEST_TMPDIR/metrics"
	"$BATS_TEST_DIRNAME/exposition.py" <"$BATS_TEST_TMPDIR/metrics"
	# the judge sees offences
	run "$BATS_TEST_DIRNAME/exposition.py" < <(cat "$BATS_TEST_TMPDIR/metrics" "$BATS_TEST_TMPDIR/metrics")
	[[ $status == 1 && $output == *"comes twice"* ]]
}
