#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Registries fail, clocks jump, daemons die, strangers lie: under load, over kept connections and new ones, no request may fail.
# Short forms over processes in `make test`; LONG=1 (`make soak`) runs them as long as the product promises, over containers, and counts.

source "${BATS_TEST_DIRNAME}/lab.bash"
source "${BATS_TEST_DIRNAME}/traffic.bash"

FAKETIME=/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1

setup_file() {
	CONTAINERS=${CONTAINERS:-$(long process docker)}
	lab_up --slaves 1 --containers "$CONTAINERS" --consul-acl
	lab config slave1 marathon.resync=1s service.other.port=81 service.other.marathon_app=/other
	scale /web 4
	scale /other 2
	export CONTAINERS
}

teardown_file() {
	lab_down
	all_figures
}

teardown() {
	lab marathon normal
}

agent() {
	on slave1 sh -c "curl -sS --fail --max-time 10 -H \"X-Consul-Token: \$CONSUL_HTTP_TOKEN\" \"\$@\"" sh "$@"
}

registered() {
	agent http://127.0.0.1:8500/v1/agent/services |
		jq -e --argjson n "$1" '[keys[] | select(startswith("sluice:"))] | length == $n'
}

source_is() {
	ctl --json status | jq -e --arg name "$1" --argjson is "$2" 'any(.sources[]; .name == $name and .connected == $is)'
}

polled() {
	[[ $(sim requests | jq '[.requests[] | select(.path | startswith("/v2/")) | .count] | add // 0') -ge $1 ]]
}

# marathon_lies MODE...: under load Marathon is asked in one mode after another, and is good in the end
marathon_lies() {
	local before mode
	before=$(backends_of web)
	for mode; do
		# shellcheck disable=SC2086 # a mode and its argument
		lab marathon $mode
		sim requests/reset '{}' >/dev/null
		wait_for "Marathon has been asked" polled 1
		lasts 1 20
		same_web "$before"
	done
	lab marathon normal
	wait_for "Marathon is good again" sources_connected
	same_web "$before"
}

@test "Marathon killed, for two minutes: no request fails, the set stays" {
	local before
	before=$(backends_of web)
	load
	lab kill master marathon
	wait_for "sluiced has noticed" source_is marathon false
	lasts 5 120
	same_web "$before"
	lab start master marathon
	wait_for "sluiced has found it again" sources_connected
	no_failure
	same_web "$before"
}

@test "Marathon without a leader, then one without health: no request fails, the set stays" {
	load
	marathon_lies noleader unhealthy-unknown leader-change
	no_failure
}

@test "Marathon answers 500, [], half a document: no request fails, the set stays" {
	load
	marathon_lies "error 500" empty half
	no_failure
}

@test "Consul's agent killed and restarted empty: no request fails, all are registered again" {
	local before
	before=$(backends_of web)
	load
	lab kill slave1 consul
	wait_for "sluiced has noticed" source_is consul false
	# a node keeps its id; of services and checks it knows nothing any more
	rm -rf "$(work)/slave1/consul"/{services,checks}/*
	lasts 1 30
	lab start slave1 consul
	wait_for "all are registered again" registered 6
	wait_for "sluiced is connected" sources_connected
	lasts 1 30
	no_failure
	same_web "$before"
}

@test "Consul's server is away, nobody leads: no request fails, the set stays" {
	local before
	before=$(backends_of web)
	load
	lab stop master consul
	wait_for "sluiced has noticed" source_is consul false
	lasts 1 60
	same_web "$before"
	lab start master consul
	wait_for "sluiced is connected" sources_connected
	no_failure
	same_web "$before"
}

@test "a wrong token, then one without rights, then the right one: no request fails" {
	local before file right none
	before=$(backends_of web)
	file=$(work)/consul.token
	right=$(cat "$file")
	none=$(agent -X PUT http://127.0.0.1:8500/v1/acl/token --data '{"Description": "without rights"}' | jq -r .SecretID)
	load
	for token in 11111111-2222-3333-4444-555555555555 "$none"; do
		echo "$token" >"$file"
		lab kill slave1 sluiced
		lab start slave1 sluiced
		wait_for "sluiced has been refused" source_is consul false
		lasts 1 20
		same_web "$before"
	done
	echo "$right" >"$file"
	wait_for "sluiced is connected with the right token" sources_connected
	no_failure
	same_web "$before"
}

@test "one service flaps each second: no request to another fails, its backends are untouched" {
	local before id i
	before=$(backends_of web)
	id=$(agent http://127.0.0.1:8500/v1/agent/services | jq -r '[.[] | select(.Service == "other")][0].ID')
	agent -X PUT http://127.0.0.1:8500/v1/agent/check/register \
		--data "{\"ID\": \"flap\", \"Name\": \"flap\", \"ServiceID\": \"$id\", \"TTL\": \"1h\", \"Status\": \"passing\"}"
	load
	for ((i = 0; i < $(long 3 60); i++)); do
		agent -X PUT 'http://127.0.0.1:8500/v1/agent/check/fail/flap?note=broken'
		((i)) || wait_for "it is down" backends_hold 'any(.[]; .service == "other" and .state == "down")'
		lasts 1 1
		agent -X PUT http://127.0.0.1:8500/v1/agent/check/pass/flap
		lasts 1 1
	done
	agent -X PUT http://127.0.0.1:8500/v1/agent/check/deregister/flap
	no_failure
	same_web "$before"
	ctl --json changes | holds 'any(.[]; .service == "other" and .to == "down")'
}

# sluiced starts again with a wall clock of its own, that is off by what a file says (libfaketime): a time namespace has no wall clock
@test "the wall clock jumps by an hour, forth and back: no request fails, the daemon goes on" {
	local before pid step
	before=$(backends_of web)
	echo +0 >"$(work)/clock"
	lab stop slave1 sluiced
	LAB_DAEMON_ENV="LD_PRELOAD=$FAKETIME FAKETIME_TIMESTAMP_FILE=$(work)/clock FAKETIME_NO_CACHE=1 \
		FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1" lab start slave1 sluiced
	pid=$(host_pid slave1 sluiced)
	grep -q libfaketime "/proc/$pid/maps"
	wait_for "sluiced is connected" sources_connected
	load
	for step in +3600 -3600; do
		echo "$step" >"$(work)/clock"
		wait_for "the daemon's clock is off by that" clock_is_off "$step"
		lasts 2 60
		ctl --json status | holds 'all(.sources[]; .connected and .last_good_ms < 30000)'
		same_web "$before"
		scale /other $((step > 0 ? 3 : 2)) # and it still learns
	done
	no_failure
	[[ $(host_pid slave1 sluiced) == "$pid" ]]
	lab stop slave1 sluiced
	lab start slave1 sluiced
	wait_for "sluiced is connected" sources_connected
}

# clock_is_off SECONDS: what the daemon takes for the time at which it was connected tells
clock_is_off() {
	local off
	off=$(ctl --json status | jq --argjson now "$(date +%s)" --argjson step "$1" '[.sources[] | select(.connected)][0] |
		(.since | if type == "string" then fromdateiso8601 else . end) - $now - $step')
	((off > -1800 && off < 1800))
}

@test "100 forged callbacks a second that say all tasks are killed: no request fails, all are up in the end" {
	local before forger
	before=$(backends_of web)
	lab config slave1 marathon.events=callback marathon.callback_listen=10.80.0.2:8081 \
		marathon.callback_url=http://10.80.0.2:8081/events marathon.callback_from=10.80.0.1/32
	ctl --json backends | jq -c '.[] | {eventType: "status_update_event", taskStatus: "TASK_KILLING", taskId: .task,
		appId: "/\(.service)", host: "slave1.lab", ports: [.port], slaveId: "s", version: "v",
		timestamp: "2026-01-01T00:00:00.000Z"}' >"$BATS_TEST_TMPDIR/lies"
	chmod 755 "$BATS_TEST_TMPDIR"
	load
	"$TOOL" exec elb -- "$BATS_TEST_DIRNAME/forge.py" http://10.80.0.2:8081/events 100 "$BATS_TEST_TMPDIR/lies" \
		>"$BATS_TEST_TMPDIR/forged" 3>&- &
	forger=$!
	wait_for "one is believed, for a while" backends_hold 'any(.[]; .state == "draining")'
	lasts 5 60
	kill -TERM "$forger"
	wait "$forger"
	cat "$BATS_TEST_TMPDIR/forged"
	grep -qE 'sent=[0-9]{3,} .*20[0-9]=' "$BATS_TEST_TMPDIR/forged"
	no_failure
	wait_for "all are up again" web_is "$before"
	lab config slave1 marathon.events=sse
	wait_for "sluiced is connected" sources_connected
}

@test "sluiced killed again and again while apps are scaled: no request fails" {
	local i n scaling
	load
	for ((i = 0; i < $(long 3 60); i++)); do
		n=$((3 + (i + 2) % 4))
		lab scale /web "$n" >/dev/null &
		scaling=$!
		lab kill slave1 sluiced
		lab start slave1 sluiced
		lasts 1 5
		wait "$scaling"
	done
	no_failure
	web_count "$n"
	scale /web 4
}

# limits JSON: of slave1's agent from here on
limits() {
	echo "{\"limits\": $1}" >"$LAB_WORK/slave1/consul.d/limits.json"
	kill -HUP "$(host_pid slave1 consul)"
}

# said_since LINE REGEX: sluiced has logged it
said_since() {
	tail -n "+$1" "$LAB_WORK/log/slave1-sluiced.log" | grep -qE "$2"
}

@test "Consul's agent limits its calls to the servers: no request fails, all are registered in the end" {
	local line
	line=$(wc -l <"$LAB_WORK/log/slave1-sluiced.log")
	load
	# its own synchronisation takes of that, too: there is never room for two lists at once
	limits '{"rpc_rate": 0.5, "rpc_max_burst": 1}'
	scale /web 6
	wait_for "sluiced has been refused a call" said_since "$line" "HTTP 429"
	lasts 1 60
	wait_for "all are registered" registered 8
	web_count 6
	DEADLINE=90 wait_for "sluiced has both lists all the same" source_is consul true
	limits '{}'
	wait_for "sluiced is connected" sources_connected
	no_failure
}

@test "Consul's agent limits its connections, and others hold them: no request fails, all are registered in the end" {
	local before holder line
	before=$(backends_of web)
	line=$(wc -l <"$LAB_WORK/log/slave1-sluiced.log")
	mkfifo "$BATS_TEST_TMPDIR/hold"
	load
	lab kill slave1 sluiced
	limits '{"http_max_conns_per_client": 3}'
	# as many as there may be: until one is closed, which says that the limit holds
	on slave1 python3 -c 'import socket, sys
held = []
while True:
    held.append(socket.create_connection(("127.0.0.1", 8500)))
    held[-1].settimeout(0.3)
    try:
        held[-1].recv(1) # closed, or a later Consul says 429
        break
    except TimeoutError:
        pass
    except ConnectionResetError:
        break
print("held", flush=True)
sys.stdin.read()' <"$BATS_TEST_TMPDIR/hold" >"$BATS_TEST_TMPDIR/held" &
	holder=$!
	exec 9>"$BATS_TEST_TMPDIR/hold"
	wait_for "all connections are held" grep -q held "$BATS_TEST_TMPDIR/held"
	lab start slave1 sluiced
	wait_for "sluiced has been turned away" said_since "$line" 'source=consul error=.*(reset by peer|Empty reply|HTTP 429)'
	lasts 1 60
	same_web "$before"
	scale /web 7
	exec 9>&-
	wait "$holder"
	limits '{}' # else what the killed daemon asked counts on until its wait is over
	wait_for "sluiced is connected" sources_connected
	wait_for "all are registered" registered 9
	no_failure
	scale /web 4
}

# version N: the app's definition with something that makes it another version
version() {
	jq -n --arg n "$1" '{cpus: 0.1, mem: 32, args: ["--on-term", "lameduck:1000"], env: {VERSION: $n}, taskKillGracePeriodSeconds: 5,
		backoffSeconds: 1, healthChecks: [{protocol: "HTTP", portIndex: 0, path: "/healthz", gracePeriodSeconds: 10, intervalSeconds: 1,
		timeoutSeconds: 2, maxConsecutiveFailures: 3}]} + (if env.CONTAINERS == "docker" then {container: {type: "DOCKER", docker:
		{image: "sluice-lab-app", network: "BRIDGE", portMappings: [{containerPort: 3000, hostPort: 0, protocol: "tcp"}]}}} else {} end)' \
		>"$BATS_TEST_TMPDIR/app.json"
	lab scale /web 6 --json "$BATS_TEST_TMPDIR/app.json" >/dev/null
}

enough() {
	[[ $(cat "$BATS_TEST_TMPDIR"/{keep,anew}.status | jq -s 'map(.answered) | add') -ge $1 ]]
}

@test "rolling deployment of a new version over six containers: no request fails, on kept connections and new ones" {
	local n=1 before
	version 1
	load
	until ((n > 1)) && enough "$(long 500 100000)"; do
		before=$(backends_of web)
		((++n))
		version "$n"
		# not one of the old ones is left
		wait_for "the old ones are gone" backends_hold --argjson old "$before" 'all(.[]; .state != "up" or (.task as $t | $old | all(.[]; .[0] != $t)))'
		lasts 1 5
	done
	figure "$((n - 1)) deployments"
	no_failure
}
