#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The names of a host whose configuration leaves them to the host: Marathon calls it by the full one, which only the resolver knows. The daemon
# gets a host name, a resolver and a hosts file of its own, in namespaces of its own.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	lab config slave1 marathon.resync=1s service.web.drain_timeout=1s
	export WORLD=$BATS_FILE_TMPDIR/world
	mkdir "$WORLD"
	printf 'nameserver 127.0.0.1\nsearch lab\noptions timeout:1 attempts:1\n' >"$WORLD/resolv.conf"
	echo 'hosts: files dns' >"$WORLD/nsswitch.conf"
	echo '127.0.0.1 localhost' >"$WORLD/hosts"
	chmod 0644 "$WORLD"/*
	resolver speaks
	"$LAB_WORK/on/slave1" "$BATS_TEST_DIRNAME/resolver.py" slave1.lab "$SLAVE1" "$WORLD/mode" >"$WORLD/resolver.log" 2>&1 3>&- &
	lab stop slave1 sluiced
	sed -i '/^name = /d' "$LAB_CONFIG"
	daemon
	lab scale /web 3 --on-term close >/dev/null
}

teardown_file() {
	end_pid "$WORLD/pid"
	lab_down # ends the resolver, which is in its namespace
}

# resolver MODE: from the next question on
resolver() {
	echo "$1" >"$WORLD/mode.new"
	mv "$WORLD/mode.new" "$WORLD/mode"
}

# daemon: sluiced, on a host that is called slave1. Its pid is in WORLD/pid, what it says in WORLD/log.
daemon() {
	: >"$WORLD/log"
	# shellcheck disable=SC2016 # expands there
	"$LAB_WORK/on/slave1" unshare --mount --uts --propagation private -- sh -ec '
		hostname slave1
		for file in resolv.conf nsswitch.conf hosts; do
			mount --bind "$1/$file" "/etc/$file"
		done
		exec setpriv --reuid=64080 --regid=64080 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all sluiced --config "$2"
		' sh "$WORLD" "$LAB_CONFIG" >"$WORLD/log" 2>&1 3>&- &
	echo $! >"$WORLD/pid"
	wait_for "the daemon answers" daemon_answers || {
		cat "$WORLD/log"
		false
	}
}

# ended PID: or nobody has asked yet how it did
ended() {
	[[ ! -e /proc/$1 ]] || grep -q '^State:.Z' "/proc/$1/status"
}

daemon_answers() {
	[[ $(ctl --json status | jq .daemon.pid) == "$(<"$WORLD/pid")" ]]
}

up() {
	ctl --json backends | jq -c '[.[] | select(.state == "up") | [.task, .port, .generation]] | sort'
}

# said N TEXT: has the daemon said so N times?
said() {
	(($(grep -c -- "$2" "$WORLD/log") >= $1))
}

# answered: how many times Marathon has told slave1 of all apps
answered() {
	sim requests | jq --arg client "$SLAVE1" '[.requests[] | select(.client == $client and .path == "/v2/apps") | .count] | add'
}

# more_answers N: Marathon has told slave1 so many times more
more_answers() {
	local before
	before=$(answered)
	wait_for "$1 more answers of Marathon's" eval "((\$(answered) >= before + $1))"
}

# tagged N: so many are registered, all with the host's full name
tagged() {
	on slave1 curl -sS --fail --max-time 10 http://127.0.0.1:8500/v1/agent/services |
		jq -e --argjson n "$1" '[.[] | select(.ID | startswith("sluice:")) | .Tags] |
			length == $n and all(.[]; index("slave1-lab") != null)'
}

balance() {
	ctl --json services | jq -r '.[] | select(.name == "web") | .balance'
}

in_force() {
	[[ $(balance) == "$1" ]]
}

@test "a reload while the resolver is silent, or knows nobody, takes no name away" {
	local mode before reloads=0
	before=$(up)
	for mode in silent none; do
		resolver "$mode"
		kill -HUP "$(<"$WORLD/pid")"
		wait_for "it has reloaded, the resolver $mode" said $((++reloads)) 'reloaded config='
		more_answers 2
		[[ $(up) == "$before" ]]
	done
	scale /web 4 # a new task is still this host's
	resolver speaks
	scale /web 3
}

@test "started while the resolver is silent: the set stays, and the name is learnt when it speaks" {
	local before
	before=$(up)
	kill -TERM "$(<"$WORLD/pid")"
	wait_for "it has ended" ended "$(<"$WORLD/pid")"
	resolver silent
	daemon
	more_answers 4 # in which no task seems to be this host's
	[[ $(up) == "$before" ]]
	resolver speaks
	wait_for "it has learnt its name" said 1 'names-learned names=slave1.lab,slave1,10.80.0.2'
	scale /web 4
	scale /web 3
	wait_for "all are registered under that name" tagged 3
}

@test "a file that was edited waits for its reload, whatever names the host learns meanwhile" {
	local before reloads
	before=$(up)
	reloads=$(grep -c 'reloaded config=' "$WORLD/log") || true
	[[ $(balance) == roundrobin ]]
	cp "$LAB_CONFIG" "$WORLD/kept.conf"
	sed -i 's/^balance = .*/balance = leastconn/' "$LAB_CONFIG"
	grep -q '^balance = leastconn' "$LAB_CONFIG"
	on slave1 ip address add 10.80.7.8/32 dev eth0
	wait_for "it has seen the edit" said 1 'names-kept .*changed, and waits for a reload'
	more_answers 2
	[[ $(balance) == roundrobin && $(up) == "$before" ]]
	said $((reloads + 1)) 'reloaded config=' && false
	kill -HUP "$(<"$WORLD/pid")"
	wait_for "it is in force" in_force leastconn
	on slave1 ip address del 10.80.7.8/32 dev eth0
	cat "$WORLD/kept.conf" >"$LAB_CONFIG"
	kill -HUP "$(<"$WORLD/pid")"
	wait_for "the old one is in force" in_force roundrobin
	[[ $(up) == "$before" ]]
}

@test "an address that the host gets is one of its names at once; one that it has lost is none, since Marathon uses another (LONG=1)" {
	local before times
	before=$(up)
	on slave1 ip address add 10.80.7.7/32 dev eth0
	wait_for "it is a name" said 1 'names-learned names=slave1.lab,slave1,10.80.0.2,10.80.7.7'
	more_answers 2
	[[ $(up) == "$before" ]]
	times=$(grep -c 'names=slave1.lab,slave1,10.80.0.2$' "$WORLD/log") || true
	on slave1 ip address del 10.80.7.7/32 dev eth0
	[[ ${LONG-} == 1 ]] || return 0
	DEADLINE=150 wait_for "it is none any more" said $((times + 1)) 'names=slave1.lab,slave1,10.80.0.2$'
	[[ $(up) == "$before" ]]
}
