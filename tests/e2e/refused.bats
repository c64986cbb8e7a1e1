#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A backend stops taking connections and the daemon cannot know: it closes its listener, or hangs with a full accept queue.
# Clients get in all the same. And whoever gets a port after it gets nothing of the connections that lived there.

source "${BATS_TEST_DIRNAME}/lab.bash"

# 100 connections that are asked once, and after a line on stdin again; prints how many bytes that brings
HUNDRED_OLD='
import socket, sys
held = [socket.create_connection((sys.argv[1], 80), timeout=30) for _ in range(100)]
for one in held:
    one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert one.recv(4096).startswith(b"HTTP/1.1 200")
print("open", flush=True)
sys.stdin.readline()
answers = 0
for one in held:
    one.settimeout(10)
    try:
        for _ in range(3):
            one.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while chunk := one.recv(4096):
            answers += len(chunk)
    except OSError:
        pass
print("answered", answers, flush=True)
'

setup_file() {
	lab_up --slaves 1 --containers process
	lab scale /web 4 --health none --arg=--backlog --arg=16 >/dev/null
}

teardown_file() {
	lab_down
}

teardown() {
	[[ -z ${HOLDER-} ]] || kill "$HOLDER" 2>/dev/null || true
	start_daemon
}

# up_pair: a task that is up, and its port
up_pair() {
	ctl --json backends | jq -r '[.[] | select(.state == "up")][0] | "\(.task) \(.port)"'
}

queue_is_full() {
	on slave1 ss -Hltn sport = ":$1" | awk '{ full = $2 > $3 } END { exit !full }'
}

@test "a backend hangs with a full accept queue: clients get in within two SYN time-outs" {
	local task port moved
	read -r task port < <(up_pair)
	stop_daemon
	lab kill "$task" --signal STOP
	on elb python3 - "$SLAVE1" "$port" <<-'PY' &
		import socket, sys, time
		held = []
		for _ in range(40):
		    held.append(socket.socket())
		    held[-1].setblocking(False)
		    held[-1].connect_ex((sys.argv[1], int(sys.argv[2])))
		time.sleep(120)
	PY
	HOLDER=$!
	wait_for "its accept queue is full" queue_is_full "$port"
	moved=$(ctl --json counters | jq .syn_moved)
	ask --url "http://$SLAVE1/" --requests 200 --connections 50 --close --timeout 10000 >"$BATS_TEST_TMPDIR/hung"
	kill "$HOLDER"
	lab kill "$task" --signal CONT
	start_daemon
	figure "connect, one of four hangs: $(jq -c .connect_us "$BATS_TEST_TMPDIR/hung")"
	# two time-outs are 3 s, or 2 s where the first ones grow by nothing (Linux 6.5, tcp_syn_linear_timeouts)
	holds '.failed == 0 and .answered == 200 and .connect_us.max < 4000000 and ([.tasks[] | select(.port == $port)] | length) == 0' \
		--argjson port "$port" <"$BATS_TEST_TMPDIR/hung"
	ctl --json counters | holds '.syn_moved > $moved' --argjson moved "$moved"
}

@test "two of four backends close their listeners unheard: every client gets in" {
	refused_by_two
}

# packets_counted PORT: that have come from the client for the port since the table was made
packets_counted() {
	on slave1 nft -j list table ip watch | jq '[.nftables[].rule?.expr[]?.counter?.packets | values] | add'
}

@test "a port is given to another app while 100 connections of the old one live: it gets nothing of them" {
	local task port
	scale /web 0
	lab scale /web 1 --health none >/dev/null
	read -r task port < <(up_pair)
	lab config slave1 service.two.port=81 service.two.marathon_app=/two
	mkfifo "$BATS_TEST_TMPDIR/go"
	on elb python3 -c "$HUNDRED_OLD" "$SLAVE1" <"$BATS_TEST_TMPDIR/go" >"$BATS_TEST_TMPDIR/old" &
	HOLDER=$!
	exec 9>"$BATS_TEST_TMPDIR/go"
	wait_for "100 connections are open" grep -q open "$BATS_TEST_TMPDIR/old"
	flows_hold '[.[] | select(.state == "established")] | length == 100' >/dev/null
	lab kill "$task" --signal KILL
	jq -n --argjson port "$port" '{cpus: 0.1, mem: 32, args: [], ports: [$port], requirePorts: true, healthChecks:
		[{protocol: "HTTP", path: "/healthz", portIndex: 0, gracePeriodSeconds: 10, intervalSeconds: 1, timeoutSeconds: 2,
		  maxConsecutiveFailures: 3}]}' >"$BATS_TEST_TMPDIR/two.json"
	lab scale /two 1 --json "$BATS_TEST_TMPDIR/two.json" >/dev/null
	backends_hold --argjson port "$port" 'any(.[]; .service == "two" and .port == $port and .state == "up")' >/dev/null
	on slave1 nft -f - <<-NFT
		table ip watch {
			chain in {
				type filter hook prerouting priority -300;
				ip saddr 10.80.0.1 tcp dport $port counter
			}
		}
	NFT
	echo >&9
	exec 9>&-
	wait "$HOLDER"
	HOLDER=
	cat "$BATS_TEST_TMPDIR/old"
	grep -q '^answered 0$' "$BATS_TEST_TMPDIR/old"
	[[ $(packets_counted) == 0 ]]
	# and its own clients reach it, by the way that was watched
	ask --url "http://$SLAVE1:81/" --requests 10 --connections 1 --close |
		holds '.failed == 0 and (.tasks | length) == 1 and .tasks[0].port == $port' --argjson port "$port"
	(($(packets_counted) >= 30))
}

@test "a forged SYN that the host's firewall rejects breaks no connection" {
	forged_syns_rejected input 'tcp dport 31000-32000'
}

# A client that vanishes, without a word, with the one connection that maxconn allows; then another one that waits for its turn.
VANISHING='
import socket, subprocess, sys
def firewall(*rule):
    subprocess.run(["iptables", *rule], check=True)
old = socket.create_connection((sys.argv[1], 80), timeout=10)
old.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
assert old.recv(4096).startswith(b"HTTP/1.1 200")
mine = str(old.getsockname()[1])
firewall("-A", "OUTPUT", "-p", "tcp", "--sport", mine, "-j", "DROP")
old.close()
new = socket.create_connection((sys.argv[1], 80), timeout=60)
firewall("-F")
assert str(new.getsockname()[1]) != mine
new.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
print(new.recv(4096).split(b"\r\n")[0].decode())
'

@test "a client that has vanished holds maxconn no longer than idle_timeout, with a dead daemon too" {
	[[ ${LONG-} == 1 ]] || skip "LONG=1 runs it: it waits for an idle time-out"
	local full
	scale /web 0
	lab scale /web 1 --health none >/dev/null
	lab config slave1 node.idle_timeout=10s service.web.maxconn=1
	lab kill slave1 sluiced
	full=$(ctl --json counters | jq .full_drop)
	run on elb python3 -c "$VANISHING" "$SLAVE1"
	lab start slave1 sluiced
	echo "$output"
	[[ $status == 0 && $output == "HTTP/1.1 200 OK" ]]
	ctl --json counters | holds '.full_drop > $full' --argjson full "$full"
}
