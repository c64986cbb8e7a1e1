#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# What deploy/aws gives to its machines for Consul, read by a real Consul: servers and one slave, each with a root, a network and a
# host name of its own (private_root), get the very user data and secrets that the scripts make, and the machines' own scripts
# run on them. sluiced runs on the slave with the token that it would have there.
# LONG=1: three masters instead of one, and a stranger who speaks without TLS.

# What is missing skips the tests in setup(): bats 1.8 takes a skip in here for a failure.
setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	((EUID == 0)) || return 0
	[[ -x build/bin/sluiced && -x build/lab/app ]] || return 0
	[[ -x /usr/bin/ruby ]] || return 0
	export dir=$BATS_FILE_TMPDIR masters=1 consul
	consul=$(tools/deps --consul-path) || return 0
	[[ ${LONG-} != 1 ]] || masters=3
	CLUSTER=test MASTERS=$masters SUBNET_CIDRS="10.80.0.0/24 10.80.0.0/24" tests/deploy/cluster_files "$dir"
	unshare --net sleep infinity 3>&- &
	echo $! >"$dir/pids"
	: >"$dir/consul.pids"
	switch=$!
	until [[ $(readlink "/proc/$switch/ns/net") != "$(readlink /proc/self/ns/net)" ]]; do sleep 0.05; done
	nsenter --net="/proc/$switch/ns/net" sh -c 'ip link add br0 type bridge && ip link set br0 up'
	machine master1 master 10.80.0.11
	((masters == 1)) || { machine master2 master 10.80.0.12; machine master3 master 10.80.0.13; }
	machine slave1 slave 10.80.0.21
	((masters == 1)) || machine stranger slave 10.80.0.99
}

# machine NAME ROLE ADDRESS: a root, a network and a host name of its own; user data as cloud-init writes it; user consul
machine() {
	local name=$1 pid i
	mkdir "$dir/$name"
	unshare --mount --net --uts --propagation private -- tests/deploy/private_root "$dir/$name" "$PWD" \
		>"$dir/$name/log" 2>&1 3>&- &
	pid=$!
	echo $pid >>"$dir/pids"
	echo $pid >"$dir/$name/pid"
	for ((i = 0; i < 300; i++)); do
		[[ -e $dir/$name/ready ]] && break
		kill -0 $pid 2>/dev/null || { cat "$dir/$name/log"; return 1; }
		sleep 0.1
	done
	nsenter --net="/proc/$switch/ns/net" sh -c "ip link add $name type veth peer name eth0 netns $pid &&
		ip link set $name master br0 up"
	nsenter --net="/proc/$pid/ns/net" --uts="/proc/$pid/ns/uts" sh -c "hostname ip-${3//./-} && ip link set lo up &&
		ip address add $3/24 dev eth0 && ip link set eth0 up"
	tar -C "$dir" -c secrets | on "$name" tar -C / -x
	on "$name" sh -c 'cat >/usr/bin/consul && chmod 0755 /usr/bin/consul' <"$consul"
	on "$name" useradd --system --home-dir /var/lib/consul --create-home --shell /usr/sbin/nologin consul
	on "$name" /usr/bin/ruby /tree/tests/deploy/write_files.rb <"$dir/$2.yaml"
	# the parameter store
	# shellcheck disable=SC2016 # for the shell over there
	on "$name" sh -c 'printf "#!/bin/sh\ncat \"/secrets/\$1\"\n" >/usr/local/sbin/sluice-secret'
}

# on NAME COMMAND...: on that machine
on() {
	(exec_on "$@")
}

# exec_on NAME COMMAND...: the same, in this process's place; so that what runs in the background ends by its own process id
exec_on() {
	local pid
	pid=$(cat "$dir/$1/pid")
	exec nsenter --mount="/proc/$pid/ns/mnt" --net="/proc/$pid/ns/net" --uts="/proc/$pid/ns/uts" chroot "$dir/$1/layers/root" \
		env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 "${@:2}"
}

teardown_file() {
	local pid i
	[[ -e $BATS_FILE_TMPDIR/pids ]] || return 0
	# an agent that is asked to end takes leave of the others first, for seconds; there is nothing of it to clean up
	while read -r pid; do
		kill -KILL "$pid" 2>/dev/null || true
	done <"$BATS_FILE_TMPDIR/consul.pids"
	while read -r pid; do
		kill "$pid" 2>/dev/null || continue
		# marathon-sim ends its tasks before it ends, in namespaces that must still be there
		for ((i = 0; i < 100; i++)); do
			kill -0 "$pid" 2>/dev/null || continue 2
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null || true
	done < <(tac "$BATS_FILE_TMPDIR/pids")
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	[[ -e $BATS_FILE_TMPDIR/pids ]] || skip "needs root, Consul and what make builds"
	PATH=$BATS_TEST_TMPDIR:$PATH
}

# start NAME: Consul, as the unit says and as the unit's user
start() {
	local -a command
	read -r -a command < <(on "$1" sed -n 's/^ExecStart=//p' /etc/systemd/system/consul.service)
	exec_on "$1" setpriv --reuid=consul --regid=consul --clear-groups "${command[@]}" >"$dir/$1/consul.log" 2>&1 3>&- &
	echo $! >>"$dir/consul.pids"
}

# eventually COMMAND...: within a minute
eventually() {
	local i
	for ((i = 0; i < 300; i++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.2
	done
	echo "not within a minute: $*" >&2
	return 1
}

# secret NAME
secret() {
	cat "$dir/secrets/$1"
}

# api NAME TOKEN METHOD PATH [BODY]: the status, and below it the answer, of that machine's agent
api() {
	on "$1" curl -sS --max-time 20 -o /tmp/answer -w '%{http_code}\n' -X "$3" ${2:+-H "X-Consul-Token: $2"} ${5:+-d "$5"} \
		"http://127.0.0.1:8500$4"
	on "$1" cat /tmp/answer
}

# allowed and refused: one call each of sluiced's token at its own agent
allowed() {
	run api slave1 "$(secret slave/consul-sluice-token)" "$@"
	echo "$* -> $output"
	[ "${lines[0]}" = 200 ]
}

refused() {
	run api slave1 "$(secret slave/consul-sluice-token)" "$@"
	echo "$* -> $output"
	[ "${lines[0]}" = 403 ]
}

leader() {
	[[ $(on "$1" curl -sS http://127.0.0.1:8500/v1/status/leader) == \"10.80.* ]]
}

# listed ID SERVICE: sluiced's token sees it
listed() {
	api slave1 "$(secret slave/consul-sluice-token)" GET "/v1/health/service/$2" | grep -q "$1"
}

joined() {
	api "$1" "$(secret master/consul-management-token)" GET /v1/catalog/nodes | grep -q "\"$2\""
}

@test "Consul finds every configuration file valid" {
	local name
	for name in $(cd "$dir" && ls -d master? slave1); do
		if [[ $name == master* ]]; then
			on "$name" sluice-consul-secrets master
		else
			on "$name" sluice-consul-secrets
		fi
		run on "$name" consul validate /etc/consul.d
		echo "$output"
		[ "$status" -eq 0 ]
		# Consul runs as a user of its own, who alone may read the secrets
		[ "$(on "$name" stat -c '%a %U:%G' /etc/consul.d/secrets.json)" = "640 root:consul" ]
	done
}

@test "one of three servers never elects itself; all together have one leader" {
	start master1
	if ((masters == 3)); then
		eventually grep -q 'Consul agent running' "$dir/master1/consul.log"
		# it says so by itself each time it looks for the others
		eventually grep -qi 'no cluster leader' "$dir/master1/consul.log"
		run leader master1
		[ "$status" -ne 0 ]
		run grep -q 'cluster leadership acquired' "$dir/master1/consul.log"
		[ "$status" -eq 1 ]
		start master2
		start master3
	fi
	eventually leader master1
	on master1 sluice-consul-acl
	# run again it changes nothing, and any other server may
	on "master$masters" sluice-consul-acl
}

@test "an agent joins over TLS, with a certificate that it got from the servers" {
	start slave1
	eventually joined slave1 ip-10-80-0-21
	run api slave1 "$(secret slave/consul-sluice-token)" GET /v1/agent/self
	[ "$(tail -n +2 <<<"$output" | jq -r '.DebugConfig | [.AutoEncryptTLS, .VerifyOutgoing, .VerifyServerHostname, .ACLDefaultPolicy, .EncryptVerifyOutgoing] | map(tostring) | join(" ")')" = "true true true deny true" ]
	# what it shows to others is signed by the servers' own authority, made for it
	run on slave1 curl -sSv --max-time 10 --cacert /etc/consul.d/ca.pem --resolve server.dc1.consul:8300:10.80.0.11 \
		-o /dev/null https://server.dc1.consul:8300/
	[[ $output == *"SSL certificate verify ok"* ]]
}

@test "who knows the gossip key and the agents' token, but speaks plainly, is not heard" {
	[[ ${LONG-} == 1 ]] || skip "LONG=1 runs it"
	on stranger sluice-consul-secrets
	on stranger sh -c 'jq "del(.ca_file, .auto_encrypt) + {verify_incoming: false, verify_outgoing: false, verify_server_hostname: false}" \
		/etc/consul.d/agent.json >/tmp/agent.json && mv /tmp/agent.json /etc/consul.d/agent.json && chmod 0644 /etc/consul.d/agent.json'
	start stranger
	# gossip alone makes it a name in the catalog; every question that it asks is refused
	eventually grep -q 'Non-TLS connection attempted' "$dir"/master?/consul.log
	run api stranger "$(secret master/consul-management-token)" GET /v1/catalog/nodes
	echo "$output"
	[ "${lines[0]}" = 500 ]
}

@test "without a token nothing is to be had" {
	run api slave1 '' GET /v1/catalog/services
	[ "${lines[1]}" = "{}" ]
	run api slave1 '' PUT /v1/agent/service/register '{"Name": "rails", "Port": 31000}'
	[ "${lines[0]}" = 403 ]
	run api slave1 '' GET /v1/agent/self
	[ "${lines[0]}" = 403 ]
}

@test "sluiced's token does what it must: its own service, its agent's name, its node's health" {
	allowed PUT /v1/agent/service/register '{"ID": "sluice:t:0", "Name": "rails", "Port": 31000, "Check": {"TTL": "60s"}}'
	allowed PUT /v1/agent/check/pass/service:sluice:t:0
	allowed GET /v1/agent/self
	[[ $output == *'"NodeName":"ip-10-80-0-21"'* ]]
	allowed GET /v1/health/node/ip-10-80-0-21
	eventually listed sluice:t:0 rails
	# how sluiced itself reads: needs a right of its own in Consul 1.8, which asks for the id there
	allowed GET /v1/catalog/node/ip-10-80-0-21
	[[ $output == *'"sluice:t:0"'* ]]
	allowed PUT /v1/agent/service/deregister/sluice:t:0
}

@test "and nothing more: no other service, no other node, no keys, no sessions, no rights" {
	local manager
	manager=$(secret master/consul-management-token)
	# somebody else's service on the same agent, and a key
	[ "$(api slave1 "$manager" PUT /v1/agent/service/register '{"Name": "billing", "Port": 9000}' | head -n 1)" = 200 ]
	[ "$(api slave1 "$manager" PUT /v1/kv/shop/price '1' | head -n 1)" = 200 ]
	refused PUT /v1/agent/service/register '{"Name": "other", "Port": 9001}'
	refused PUT /v1/agent/service/deregister/billing
	refused PUT "/v1/agent/service/maintenance/billing?enable=true"
	refused PUT "/v1/agent/maintenance?enable=true"
	refused PUT /v1/catalog/register '{"Node": "ip-10-80-0-11", "Address": "10.80.0.11", "Service": {"Service": "rails", "Port": 22}}'
	refused PUT /v1/catalog/deregister '{"Node": "ip-10-80-0-11"}'
	refused PUT /v1/agent/force-leave/ip-10-80-0-11
	refused PUT /v1/kv/shop/price '2'
	refused GET /v1/kv/shop/price
	refused PUT /v1/session/create '{"Node": "ip-10-80-0-21"}'
	refused PUT /v1/event/fire/deploy ''
	refused GET /v1/acl/tokens
	refused PUT /v1/acl/policy '{"Name": "mine", "Rules": "acl = \"write\""}'
	refused GET /v1/operator/raft/configuration
	# what it may not read is not even listed
	eventually grep -q billing <(api slave1 "$manager" GET /v1/catalog/services)
	allowed GET /v1/catalog/services
	[[ $output != *billing* ]]
	allowed GET /v1/health/service/billing
	[ "${lines[1]}" = "[]" ]
}

@test "a real sluiced, with the file and the token that a slave gets, registers its own task and takes it away again" {
	local token i
	token=$(secret slave/consul-sluice-token)
	on slave1 useradd --system --no-create-home --shell /usr/sbin/nologin sluice
	on slave1 install -d -o sluice -g sluice /run/sluice
	on slave1 sh -c 'sed -i "s/__ADDRESS__/10.80.0.21/; s/^mode = .*/mode = tc\ncgroup = off\ninterface = eth0/" /etc/sluice/sluice.conf
		umask 027; sluice-secret slave/consul-sluice-token >/etc/sluice/consul.token
		sluice-secret all/marathon-user >/etc/sluice/marathon.user; chgrp sluice /etc/sluice/*.*'
	printf '{"id": "consul-bats", "agents": [{"name": "slave1", "host": "ip-10-80-0-21", "address": "10.80.0.21", "type": "process",
		"netns": "/proc/%s/ns/net", "entrypoint": ["%s/build/lab/app", "--port", "$LISTEN_PORT"], "command": []}]}' \
		"$(cat "$dir/slave1/pid")" "$PWD" >"$dir/agents.json"
	nsenter --net="/proc/$(cat "$dir/master1/pid")/ns/net" tools/marathon-sim/marathon-sim --version 1.4.13 \
		--listen 10.80.0.11:8080 --agents "$dir/agents.json" --state-dir "$dir" --control "unix:$dir/control" \
		--credentials "$(secret all/marathon-user)" --event-subscriber http_callback --enable-features task_killing \
		>"$dir/marathon.log" 2>&1 3>&- &
	echo $! >>"$dir/pids"
	eventually grep -q ready "$dir/marathon.log"
	on slave1 /tree/build/bin/sluicectl attach
	exec_on slave1 setpriv --reuid=sluice --regid=sluice --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
		/tree/build/bin/sluiced >"$dir/sluiced.log" 2>&1 3>&- &
	echo $! >>"$dir/pids"
	on master1 curl -sS --fail -u "$(secret all/marathon-user)" -H 'Content-Type: application/json' -o /dev/null -d '{"id": "/rails",
		"instances": 2, "healthChecks": [{"protocol": "HTTP", "path": "/healthz", "intervalSeconds": 1, "gracePeriodSeconds": 30}]}' \
		http://10.80.0.11:8080/v2/apps
	eventually registered 2 || { cat "$dir/sluiced.log"; false; }
	api slave1 "$token" GET "/v1/health/service/rails?passing" | tail -n +2 |
		jq -e 'all(.[]; .Service.ID | startswith("sluice:")) and all(.[]; .Service.Tags | index("ip-10-80-0-21"))'
	on slave1 /tree/build/bin/sluicectl --json backends | jq -e 'map(select(.state == "up")) | length == 2'
	# and connections from outside go to these two
	run on master1 curl -sS --fail http://10.80.0.21/
	[[ $output == *"app=/rails"* ]]
	on master1 curl -sS --fail -u "$(secret all/marathon-user)" -H 'Content-Type: application/json' -o /dev/null -X PUT \
		-d '{"instances": 1}' http://10.80.0.11:8080/v2/apps/rails
	# it sees what it has registered, or it would never take it away
	eventually registered 1 || { cat "$dir/sluiced.log"; false; }
	run grep -iE 'permission denied|403' "$dir/sluiced.log"
	[ "$status" -eq 1 ]
}

# registered N: so many of Sluice's are healthy, and no others of it are registered
registered() {
	[ "$(api slave1 "$(secret slave/consul-sluice-token)" GET "/v1/health/service/rails?passing" | tail -n +2 | jq length)" = "$1" ] &&
		[ "$(api slave1 "$(secret slave/consul-sluice-token)" GET /v1/agent/services | tail -n +2 | jq length)" = "$1" ]
}
