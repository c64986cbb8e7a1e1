# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the end-to-end tests share: a lab of their own, questions to it, load, and waiting for a state with a generous
# deadline. A test never waits for a time to pass.

# shellcheck disable=SC2034 # the tests use these
ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
TOOL=$ROOT/tools/lab/lab
CLIENT=10.80.0.1
SLAVE1=10.80.0.2
# shellcheck disable=SC2034
SLAVE2=10.80.0.3
DEADLINE=${DEADLINE:-60} # seconds until a wait is a failure

# lab_up ARGS...: a lab with a name of its own. Call it in setup_file.
lab_up() {
	export LAB=t$$
	if ! "$TOOL" up "$@" >"$BATS_FILE_TMPDIR/lab.log" 2>&1 3>&-; then
		cat "$BATS_FILE_TMPDIR/lab.log" >&2
		return 1
	fi
	# what does not change while the lab is up
	LAB_WORK=$(lab status --json | jq -r .work)
	LAB_CONFIG=$(lab status --json | jq -r '.hosts[] | select(.name == "slave1") | .config')
	LAB_PINS=$(sed -nE 's/^pin_dir *= *([^ ]+).*/\1/p' "$LAB_CONFIG")
	export LAB_WORK LAB_CONFIG LAB_PINS
}

# For teardown_file: also after a failure in setup_file.
lab_down() {
	[[ -z ${LAB-} ]] || "$TOOL" down >/dev/null 2>&1 3>&-
}

# end_pid FILE: ends the process whose pid the file holds, if there is one. For teardown_file.
end_pid() {
	[[ ! -s $1 ]] || kill "$(<"$1")" 2>/dev/null || true
}

lab() {
	"$TOOL" "$@" 3>&-
}

# on HOST COMMAND...: as `lab exec` does it, without waiting for Python each time
on() {
	local host=$1
	shift
	"$LAB_WORK/on/$host" "$@" 3>&-
}

ctl() {
	on slave1 sluicectl "$@"
}

# scale APP N, waiting until all are up
scale() {
	lab scale "$1" "$2" >/dev/null
}

# wait_for WHAT COMMAND...: until the command succeeds
wait_for() {
	local what=$1 end=$((SECONDS + DEADLINE))
	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS > end)); then
			echo "waited $DEADLINE s in vain until $what"
			"$@" || true
			return 1
		fi
		sleep 0.1
	done
}

# holds FILTER [JQ ARGS...]: does the JSON on stdin fulfil the filter? If not it is shown.
holds() {
	local filter=$1 json
	shift
	json=$(cat)
	jq -e "$@" "$filter" >/dev/null <<<"$json" || {
		printf 'does not hold: %s\nof: %.3000s\n' "$filter" "$json"
		return 1
	}
}

# backends_hold FILTER / flows_hold FILTER: for wait_for
backends_hold() {
	ctl --json backends | jq -e "$@"
}

flows_hold() {
	ctl --json flows | jq -e "$@"
}

# ask ARGS...: the load client in the elb host; prints its JSON. Its exit status says only whether requests failed.
ask() {
	on elb "$ROOT/build/lab/load" --json "$@"
}

# load_start NAME ARGS...: the same in the background until load_stop
load_start() {
	local name=$1
	shift
	rm -f "$BATS_TEST_TMPDIR/$name.status"
	"$LAB_WORK/on/elb" "$ROOT/build/lab/load" --json --status "$BATS_TEST_TMPDIR/$name.status" "$@" \
		>"$BATS_TEST_TMPDIR/$name.json" 2>"$BATS_TEST_TMPDIR/$name.err" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/$name.pid"
	wait_for "load $name runs" load_has "$name" 1
}

# load_has NAME N: has it had N answers?
load_has() {
	jq -e --argjson n "$2" '.answered >= $n' "$BATS_TEST_TMPDIR/$1.status"
}

# load_more NAME N: waits for N more answers
load_more() {
	local now
	now=$(jq .answered "$BATS_TEST_TMPDIR/$1.status")
	wait_for "load $1 has $2 more answers" load_has "$1" $((now + $2))
}

# load_stop NAME: ends it and prints its JSON
load_stop() {
	local pid
	pid=$(cat "$BATS_TEST_TMPDIR/$1.pid")
	kill -TERM "$pid"
	wait "$pid" || true
	cat "$BATS_TEST_TMPDIR/$1.json"
}

# csum_errors: TCP segments with a wrong checksum so far, on every host and in every container of the lab
csum_errors() {
	local pid host sum=0 n
	for host in elb slave1; do
		n=$(on "$host" nstat -asz TcpInCsumErrors | awk '/TcpInCsumErrors/ { print $2 }')
		sum=$((sum + n))
	done
	for pid in $(lab status --json | jq '.tasks[] | select(.container != null) | .pid // empty'); do
		n=$(nsenter --net="/proc/$pid/ns/net" nstat -asz TcpInCsumErrors | awk '/TcpInCsumErrors/ { print $2 }')
		sum=$((sum + n))
	done
	echo "$sum"
}

# all_sizes: small and large requests and answers, with and without keep-alive, none may fail or change its container
all_sizes() {
	ask --url "http://$SLAVE1/" --requests 200 --connections 8 --close | holds '.failed == 0 and .answered == 200'
	ask --url "http://$SLAVE1/" --requests 200 --connections 8 | holds '.failed == 0 and .moved == 0'
	ask --url "http://$SLAVE1/bytes/150000" --requests 40 --connections 4 --close | holds '.failed == 0'
	head -c 200000 /dev/urandom >"$BATS_TEST_TMPDIR/sent"
	on elb curl -sS --fail --max-time 60 --data-binary "@$BATS_TEST_TMPDIR/sent" -o "$BATS_TEST_TMPDIR/echoed" \
		"http://$SLAVE1/echo"
	cmp "$BATS_TEST_TMPDIR/sent" "$BATS_TEST_TMPDIR/echoed"
}

in_mode() {
	ctl --json status | jq -e --arg mode "$1" '.mode == $mode' >/dev/null
}

# checksums MODE: both states of the client's checksum offload in one mode
checksums() {
	local before offload
	in_mode "$1" || lab config slave1 "node.mode=$1"
	ctl --json status | holds '.mode == $mode and .attached' --arg mode "$1"
	for offload in on off; do
		on elb ethtool -K eth0 tx "$offload"
		before=$(csum_errors)
		all_sizes
		[[ $(csum_errors) == "$before" ]] || {
			echo "TcpInCsumErrors moved from $before to $(csum_errors), tx offload $offload, mode $1"
			return 1
		}
	done
	on elb ethtool -K eth0 tx on
}

# work: the lab's work folder
work() {
	printf '%s\n' "$LAB_WORK"
}

# leftovers WORK: everything on this machine that carries the lab's name or lies in its work folder
leftovers() {
	local work=$1 pid
	ip netns list | grep "^${LAB}-"
	ip -o link | grep -E ": ${LAB}-"
	grep -E "${LAB}[- /]|$work" /proc/self/mounts
	find /sys/fs/cgroup -maxdepth 4 -type d -name "*${LAB}*"
	ls -d "$work"
	for pid in /proc/[0-9]*; do
		tr '\0' '\n' <"$pid/environ" | grep -qE "^MARATHON_SIM_ID=${LAB}\$" && echo "task ${pid#/proc/}"
		tr '\0' ' ' <"$pid/cmdline" | grep -F "$work/"
	done
	true
} 2>/dev/null # processes come and go meanwhile

# conf_file slave1: the path of its sluice.conf
conf_file() {
	[[ $1 == slave1 ]] && printf '%s\n' "$LAB_CONFIG"
}

# pin_dir: where slave1's Sluice pins
pin_dir() {
	printf '%s\n' "$LAB_PINS"
}

# host_pid HOST PROCESS
host_pid() {
	lab status --json | jq -r --arg host "$1" --arg process "$2" '.hosts[] | select(.name == $host) | .pids[$process]'
}

# sim PATH [JSON]: marathon-sim's control endpoint
sim() {
	local socket
	socket=$(find "$(work)" -name 'marathon*.sock' -type s | head -n 1)
	curl -sS --fail --max-time 10 --unix-socket "$socket" ${2:+--data "$2"} "http://sim/sim/$1"
}

sources_connected() {
	ctl --json status | jq -e '(.sources | length) >= 2 and all(.sources[]; .connected)'
}

# figure TEXT...: what was measured, into the log also of a test that passes
figure() {
	printf '# %s\n' "$*" >&3
}

# long SHORT LONG: a figure for `make test`, or with LONG=1 the stated one
long() {
	[[ ${LONG-} == 1 ]] && printf '%s\n' "$2" || printf '%s\n' "$1"
}

# mac HOST: of its eth0
mac() {
	on "$1" ip -j link show dev eth0 | jq -r '.[0].address'
}

# For setup_file of tests with floods: the sources lie in a network whose answers leave by the way of the clients', and end there.
flood_setup() {
	on slave1 ip route add 198.18.0.0/15 via 10.80.0.1
	FLOOD_MAC=$(mac slave1) FLOOD_FROM_MAC=$(mac elb)
	export FLOOD_MAC FLOOD_FROM_MAC
}

# flood KIND SECONDS [ARGS...]: segments from random sources for slave1's port 80, straight onto its eth0; prints what the tool says
flood() {
	local kind=$1 seconds=$2
	shift 2
	nsenter --net="/run/netns/$LAB-switch" "$ROOT/build/lab/flood" --interface slave1 --to "$SLAVE1:80" --to-mac "$FLOOD_MAC" \
		--from-mac "$FLOOD_FROM_MAC" --from 198.18.0.0/15 --kind "$kind" --seconds "$seconds" --json "$@" 3>&-
}

# survive_floods ROUND_PAUSE SECONDS KINDS...: 1,000 connections, quiet for a while and then used, and again, while one flood follows another
# as fast as it goes: all get every answer, over the connection that they have
survive_floods() {
	local pause=$1 seconds=$2 kind
	shift 2
	load_start quiet --url "http://$SLAVE1/" --connections 1000 --pause "$pause" --timeout 60000
	wait_for "1,000 connections are open" load_has quiet 1000
	for kind; do
		flood "$kind" "$seconds" >>"$BATS_TEST_TMPDIR/floods"
		figure "$kind flood: $(tail -n 1 "$BATS_TEST_TMPDIR/floods")"
	done
	holds '.sent >= 2000 and .taken >= 2000' <"$BATS_TEST_TMPDIR/floods"
	load_more quiet 1500
	load_stop quiet >"$BATS_TEST_TMPDIR/quiet"
	figure "quiet: $(jq -c '{connections, answered, failed, idle_closed, moved}' "$BATS_TEST_TMPDIR/quiet")"
	holds '.failed == 0 and .idle_closed == 0 and .moved == 0 and .connections == 1000 and .answered >= 2500' \
		<"$BATS_TEST_TMPDIR/quiet"
}

# arrives up|down ADDRESS N [MAX_GAP_MS]: so many bytes over one connection arrive as they were sent; the receiver waits for none
# longer than that
arrives() {
	local said
	said=$(on elb "$BATS_TEST_DIRNAME/bulk.py" "$1" "$2" "$3")
	figure "$1 $2: $said"
	[[ $said =~ ^bytes=$3\ wrong=0\ gap_ms=([0-9]+)$ ]] && ((BASH_REMATCH[1] <= ${4:-60000}))
}

# stop_daemon / start_daemon: it lives and does nothing
stop_daemon() {
	kill -STOP "$(host_pid slave1 sluiced)"
}

start_daemon() {
	kill -CONT "$(host_pid slave1 sluiced)"
}

# refused_by_two: two of four backends close their listeners, and the daemon cannot know: 1,000 of 1,000 connects succeed
refused_by_two() {
	local -a tasks
	local redispatched
	mapfile -t tasks < <(ctl --json backends | jq -r '.[] | select(.state == "up") | .task')
	((${#tasks[@]} == 4))
	redispatched=$(ctl --json counters | jq .redispatch)
	ask --url "http://$SLAVE1:$(ctl --json backends | jq '[.[] | select(.state == "up")][3].port')/" \
		--requests 500 --connections 4 --close >"$BATS_TEST_TMPDIR/direct"
	stop_daemon
	lab kill "${tasks[0]}" --signal USR1
	lab kill "${tasks[1]}" --signal USR1
	ask --url "http://$SLAVE1/" --requests 1000 --connections 4 --close --rate 500 >"$BATS_TEST_TMPDIR/balanced" || true
	start_daemon
	figure "connect, direct: $(jq -c .connect_us "$BATS_TEST_TMPDIR/direct"), balanced: $(jq -c .connect_us "$BATS_TEST_TMPDIR/balanced")"
	holds '.failed == 0 and .answered == 1000 and all(.tasks[]; .task != $a and .task != $b)' \
		--arg a "${tasks[0]}" --arg b "${tasks[1]}" <"$BATS_TEST_TMPDIR/balanced"
	ctl --json counters | holds '.redispatch >= $n + 2' --argjson n "$redispatched"
}

# one connection, and between its two requests what somebody might forge for it: a segment for each line on stdin, PORT FLAGS
FORGED='
import socket, struct, sys
live = socket.create_connection((sys.argv[1], 80), timeout=10)
def ask():
    live.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    print(live.recv(4096).split(b"\r\n")[0].decode(), flush=True)
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
ask()
here, mine = live.getsockname()
pseudo = socket.inet_aton(here) + socket.inet_aton(sys.argv[1]) + struct.pack("!BBH", 0, 6, 20)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
def far(queue):
    # far beyond what was sent: an older number conntrack takes for an old segment, and lets it through to the container
    live.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR; -1 below: off, without a probe
    live.setsockopt(socket.IPPROTO_TCP, 20, queue)  # TCP_REPAIR_QUEUE; 1: what we receive, 2: what we send
    number = live.getsockopt(socket.IPPROTO_TCP, 21)  # TCP_QUEUE_SEQ
    live.setsockopt(socket.IPPROTO_TCP, 19, -1)
    return (number + 0x40000000) & 0xffffffff
for line in sys.stdin:
    port, flags = map(int, line.split())
    segment = [mine, port, far(2), far(1) if flags & 16 else 0, 5 << 4, flags, 64240, 0, 0]
    segment[7] = checksum(pseudo + struct.pack("!HHIIBBHHH", *segment))
    raw.sendto(struct.pack("!HHIIBBHHH", *segment), (sys.argv[1], 0))
ask()
'

# turned_away: has the firewall rejected a SYN?
turned_away() {
	on slave1 nft -j list table ip fw | jq -e '[.nftables[].rule?.expr[]?.counter?.packets | values] | add >= 1'
}

# forged_syns_rejected HOOK MATCH...: a firewall of the host rejects, by a reset and by ICMP, the SYN that somebody forges for a
# connection that lives: it goes on
forged_syns_rejected() {
	local hook=$1 how round=0 holder
	shift
	for how in "tcp reset" "icmp port-unreachable"; do
		round=$((round + 1))
		mkfifo "$BATS_TEST_TMPDIR/go$round"
		on elb python3 -c "$FORGED" "$SLAVE1" <"$BATS_TEST_TMPDIR/go$round" >"$BATS_TEST_TMPDIR/live$round" &
		holder=$!
		exec 9>"$BATS_TEST_TMPDIR/go$round"
		wait_for "the connection is open" grep -q ' 200 ' "$BATS_TEST_TMPDIR/live$round"
		on slave1 nft add table ip fw
		on slave1 nft "add chain ip fw each { type filter hook $hook priority 0; }"
		# not what Marathon's checks send by the same interface: they would be taken for the forged one, and the task be replaced
		on slave1 nft add rule ip fw each ip saddr "$CLIENT" "$@" tcp flags syn counter reject with "$how"
		echo 80 2 >&9
		wait_for "the SYN is turned away" turned_away
		on slave1 nft delete table ip fw
		exec 9>&-
		wait "$holder"
		[[ $(grep -c ' 200 ' "$BATS_TEST_TMPDIR/live$round") == 2 ]]
	done
	ctl --json counters | holds '.challenged >= 2'
}
