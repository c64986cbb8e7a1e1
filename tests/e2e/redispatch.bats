#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# A backend that turns a SYN away: the kernel's own firewall and TCP say so, and the client never learns of it.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	lab scale /web 3 --health none >/dev/null # a check that a busy machine fails would change the set
}

teardown_file() {
	on slave1 iptables -F 3>&- || true
	on slave1 ip6tables -F 3>&- || true
	lab_down
}

counter() {
	ctl --json counters | jq ".$1"
}

# host-ports that are up, one a line
up_ports() {
	ctl --json backends | jq -r '.[] | select(.state == "up") | .port'
}

# rejects TOOL REJECT_WITH ADDRESS FROM: new connections of that client's to one host-port are rejected; nobody else's
rejects() {
	local tool=$1 with=$2 url="http://$3/" from=$4 port before
	[[ $(up_ports | wc -l) == 3 ]]
	port=$(up_ports | head -n 1)
	before=$(counter redispatch)
	on slave1 "$tool" -A INPUT -s "$from" -p tcp --syn --dport "$port" -j REJECT --reject-with "$with"
	SECONDS=0
	# one that the test before has made a suspect is not asked for a second
	while (($(counter redispatch) == before)); do
		((SECONDS < DEADLINE))
		ask --url "$url" --requests 60 --connections 2 --close |
			holds '.failed == 0 and .answered == 60 and (.tasks | length) == 2 and all(.tasks[]; .port != $port)' \
				--argjson port "$port"
	done
	on slave1 "$tool" -F
}

@test "a firewall rejects one host-port by ICMP: the others serve, none fails" {
	rejects iptables icmp-port-unreachable "$SLAVE1" "$CLIENT"
}

@test "so it does by another code, and by a reset" {
	rejects iptables icmp-admin-prohibited "$SLAVE1" "$CLIENT"
	rejects iptables tcp-reset "$SLAVE1" "$CLIENT"
}

@test "so it does in IPv6" {
	rejects ip6tables icmp6-port-unreachable "[fd00:80::2]" fd00:80::1
}

@test "all host-ports are rejected: the client is told at once, of the port that it knows" {
	on slave1 iptables -A INPUT -s "$CLIENT" -p tcp --syn --dport 31000:32000 -j REJECT
	run on elb python3 - <<-END
		import socket
		s = socket.socket()
		s.settimeout(30)
		s.connect(("$SLAVE1", 80))
	END
	[[ $status != 0 && $output == *ConnectionRefusedError* ]]
	on slave1 iptables -F
}

# beside_direct_ones FIRST PORT...: connections from a dozen ports, from FIRST on, that are taken at the first two backends
beside_direct_ones() {
	on elb python3 - "$SLAVE1" "$@" <<-'END'
		import socket, sys

		def connect(address, mine):
		    s = socket.socket()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		    s.settimeout(60)
		    s.bind(("", mine))
		    s.connect(address)
		    return s

		def task(s):
		    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		    return [w for w in s.recv(65536).decode().split() if w.startswith("port=")][0]

		host, first, ports = sys.argv[1], int(sys.argv[2]), [int(p) for p in sys.argv[3:]]
		assert len(ports) == 3, ports
		for mine in range(first, first + 12):
		    direct = [connect((host, port), mine) for port in ports[:2]]
		    balanced = connect((host, 80), mine)
		    assert task(balanced) == f"port={ports[2]}", mine
		    for s, port in zip(direct, ports):
		        assert task(s) == f"port={port}", mine
		    for s in direct + [balanced]:
		        s.close()
	END
}

@test "a direct connection holds the client's port at two of three backends: the third serves" {
	local before ports first=20000
	before=$(counter conflict_moved)
	mapfile -t ports < <(up_ports)
	SECONDS=0
	# a dozen may find the free one at once, while the two are suspects after the test before
	while (($(counter conflict_moved) == before)); do
		((SECONDS < DEADLINE))
		beside_direct_ones "$first" "${ports[@]}"
		((first += 12))
	done
}

# used_again PORT: a connection from that port, whose end is hidden from the path, its client's and its backend's; then another
# one from it, while a firewall stands for the backend that is gone. Says what becomes of that one.
used_again() {
	on elb python3 - "$SLAVE1" "$CLIENT" "$ROOT/tools/lab/lab" "$1" <<-'END'
		import socket, subprocess, sys

		host, client, tool = sys.argv[1:4]
		mine = int(sys.argv[4])
		TCP_REPAIR = 19

		def connect(mine):
		    s = socket.socket()
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		    s.settimeout(60)
		    s.bind(("", mine))
		    s.connect((host, 80))
		    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		    return s, [w for w in s.recv(65536).decode().split() if w.startswith("port=")][0][5:]

		def on_slave(*command):
		    subprocess.run([tool, "exec", "slave1", "--", *command], check=True, stdout=subprocess.DEVNULL)

		old, port = connect(mine)
		on_slave("iptables", "-A", "OUTPUT", "-p", "tcp", "--sport", port, "-d", client, "-j", "DROP")
		on_slave("ss", "-K", "-t", "sport", "=", f":{port}", "dport", "=", f":{mine}")
		on_slave("iptables", "-F")
		on_slave("iptables", "-A", "INPUT", "-s", client, "-p", "tcp", "--syn", "--dport", port, "-j", "REJECT",
		         "--reject-with", "tcp-reset")
		old.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
		old.close()
		try:
		    new, other = connect(mine)
		    print("the same" if other == port else "another")
		except ConnectionRefusedError:
		    print("refused")
	END
	on slave1 iptables -F
}

@test "a client's port is used again where the backend is gone: the newer SYN goes to another one" {
	local before
	before=$(counter redispatch)
	[[ $(used_again 21000) == another ]]
	(($(counter redispatch) > before))
}

@test "the same behind a firewall that hides the challenge: the client is told, and waits for no time-out" {
	local unproved
	unproved=$(counter rst_unproved)
	# conntrack calls the challenge invalid once more has been sent than a window; this needs no such download
	on elb nft -f - <<-NFT
		table ip shy {
			chain in {
				type filter hook input priority 0;
				tcp sport 80 tcp dport 21001 tcp flags == ack counter drop
			}
		}
	NFT
	[[ $(used_again 21001) == refused ]]
	on elb nft -j list table ip shy | holds '[.nftables[].rule?.expr[]?.counter?.packets | values][0] >= 2'
	on elb nft delete table ip shy
	(($(counter rst_unproved) > unproved))
}

# reuses PORT FIRST: at that port of the slave, with source ports from FIRST on; TIME_WAIT would last twice as long as a connect may
reuses() {
	on elb "$BATS_TEST_DIRNAME/reuse.py" "$SLAVE1" "$1" "$(up_ports)" "/run/netns/$LAB-slave1" "$2" 30
}

@test "a client's port is used again while its only backend's kernel holds the old connection: after as many SYNs as without Sluice" {
	local mode first=22000
	scale /web 1
	reuses "$(up_ports)" "$first" >"$BATS_TEST_TMPDIR/direct"
	figure "direct: $(paste -sd ',' "$BATS_TEST_TMPDIR/direct")"
	# a firewall between the two lets clients and the service's port alone speak
	on elb nft -f - <<-NFT
		table ip between {
			chain in {
				type filter hook input priority 0;
				tcp sport 31000-32000 counter drop
			}
		}
	NFT
	for mode in native tc; do
		((first += 100))
		in_mode "$mode" || lab config slave1 "node.mode=$mode"
		reuses 80 "$first" >"$BATS_TEST_TMPDIR/$mode"
		figure "$mode: $(paste -sd ',' "$BATS_TEST_TMPDIR/$mode")"
		diff <(cut -d' ' -f1-4 "$BATS_TEST_TMPDIR/direct") <(cut -d' ' -f1-4 "$BATS_TEST_TMPDIR/$mode")
	done
	on elb nft -j list table ip between | holds '[.nftables[].rule?.expr[]?.counter?.packets | values] == [0]'
	on elb nft delete table ip between
}

@test "seven of eight backends are killed at once and nobody tells: no connect is refused" {
	local task
	scale /web 8
	stop_daemon
	for task in $(ctl --json backends | jq -r '[.[] | select(.state == "up") | .task][:7][]'); do
		lab kill "$task" --signal KILL
	done
	ask --url "http://$SLAVE1/" --requests 200 --connections 2 --close >"$BATS_TEST_TMPDIR/asked" || true
	start_daemon
	holds '.failed == 0 and .answered == 200 and (.tasks | length) == 1' <"$BATS_TEST_TMPDIR/asked"
}
