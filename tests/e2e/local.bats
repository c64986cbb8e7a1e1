#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Clients on the slave itself and in its containers: balanced at connect(2), counted until the socket is closed.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers docker
	scale /web 3
	CGROUP=$(sed -nE 's/^cgroup *= *//p' "$(conf_file slave1)")
	export CGROUP
	cat >"$BATS_FILE_TMPDIR/client.py" <<-'PY'
		"""connect ADDRESS...: one line each, the peer as getpeername says it and the answer's port, or the error's name.
		hold N ADDRESS: N connections that have been answered, until stdin ends; then the ports that getpeername says they have.
		many N ADDRESS: N connections, one after the other; host-port and how many it got."""
		import collections, errno, re, socket, sys

		def connect(address):
		    client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
		    client.settimeout(20)
		    client.connect((address, 80))
		    return client

		def ask(client):
		    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		    answer = b""
		    while not (found := re.search(rb"port=(\d+)", answer)):
		        answer += client.recv(4096) or sys.exit("no answer")
		    return found[1].decode()

		verb, *rest = sys.argv[1:]
		if verb == "connect":
		    for address in rest:
		        try:
		            with connect(address) as client:
		                print(address, client.getpeername()[1], ask(client))
		        except OSError as error:
		            print(address, errno.errorcode[error.errno])
		else:
		    got = [connect(rest[1]) for _ in range(int(rest[0]))] if verb == "hold" else []
		    print(*(ask(client) for client in got), flush=True)
		    if verb == "hold":
		        sys.stdin.read()
		        print(*sorted({client.getpeername()[1] for client in got}), flush=True)
		    else:
		        counts = collections.Counter()
		        for _ in range(int(rest[0])):
		            with connect(rest[1]) as client:
		                counts[ask(client)] += 1
		        print(*(f"{port}:{count}" for port, count in sorted(counts.items())))
	PY
}

teardown_file() {
	lab_down
}

client() {
	on slave1 python3 "$BATS_FILE_TMPDIR/client.py" "$@"
}

# in_container COMMAND...: in a container of its own, which has the host's programs and the test's folder
in_container() {
	on slave1 docker run --rm -i -v /usr:/usr:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro \
		-v "$BATS_FILE_TMPDIR:/client:ro" --entrypoint /usr/bin/env sluice-lab-app "$@"
}

# even TEXT: "31000:30 31001:31 31002:29" of 90 connections
even() {
	[[ $1 =~ ^31[0-9]+:(29|30|31)\ 31[0-9]+:(29|30|31)\ 31[0-9]+:(29|30|31)$ ]] || {
		echo "uneven: $1"
		return 1
	}
}

counted() {
	ctl --json counters | jq --arg name "$1" '.[$name]'
}

# remembered N: so many stand in the table
remembered() {
	[[ $(PATH=$PATH:/usr/sbin bpftool -j map dump pinned "$(pin_dir)/sluice_local" | jq length) == "$1" ]]
}

# active N: so many connections, by the scan and by the sum that leastconn and maxconn go by
active() {
	[[ $(ctl --json backends | jq '[.[].active] | add // 0') == "$1" ]] && remembered "$1"
}

# hold NAME N ADDRESS / let_go NAME
hold() {
	mkfifo "$BATS_TEST_TMPDIR/$1"
	client hold "$2" "$3" <"$BATS_TEST_TMPDIR/$1" >"$BATS_TEST_TMPDIR/$1.out" &
	exec {held}>"$BATS_TEST_TMPDIR/$1"
	wait_for "$2 connections are held" grep -q . "$BATS_TEST_TMPDIR/$1.out"
}

let_go() {
	exec {held}>&-
	wait
}

@test "from the host: every address of its own and loopback, evenly, and getpeername tells port 80" {
	local addresses=(127.0.0.1 127.3.2.1 "$SLAVE1" 0.0.0.0 172.17.0.1 ::1 :: fd00:80::2 ::ffff:127.0.0.1 "::ffff:$SLAVE1")
	run client connect "${addresses[@]}"
	echo "$output"
	[[ $(awk '$2 == 80 && $3 ~ /^31/ { print $1 }' <<<"$output") == "$(printf '%s\n' "${addresses[@]}")" ]]
	even "$(client many 90 127.0.0.1 | tail -n 1)"
	even "$(client many 90 ::1 | tail -n 1)"
	active 0
}

@test "from a container: the host's addresses, evenly; its own loopback and addresses stay its own" {
	even "$(in_container python3 /client/client.py many 90 "$SLAVE1" | tail -n 1)"
	run in_container python3 /client/client.py connect 172.17.0.1 127.0.0.1 0.0.0.0 ::1
	[[ ${lines[0]} =~ ^"172.17.0.1 80 31"[0-9]+$ ]]
	[[ ${lines[1]} == "127.0.0.1 ECONNREFUSED" && ${lines[2]} == "0.0.0.0 ECONNREFUSED" && ${lines[3]} == "::1 E"* ]]
	in_container python3 - <<-'PY'
		import socket
		with socket.create_server(("127.0.0.1", 80)), socket.create_connection(("127.0.0.1", 80), 10) as client:
		    assert client.getpeername() == ("127.0.0.1", 80)
	PY
	active 0
}

@test "another port, another host and UDP are left alone" {
	local before
	before=$(counted local_new)
	on slave1 curl -sS --fail --max-time 10 "http://127.0.0.1:8500/v1/status/leader" >/dev/null
	run on slave1 curl -sS --max-time 10 http://10.80.0.1/
	[[ $status == 7 ]]
	on slave1 python3 - <<-'PY'
		import socket
		with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
		    client.connect(("127.0.0.1", 80))
		    assert client.getpeername()[1] == 80
	PY
	[[ $(counted local_new) == "$before" ]]
}

@test "counted from connect until the socket is closed, over a repeated attach, and when the client is killed" {
	hold one 5 127.0.0.1
	active 5
	ctl --json flows | holds '[.[] | select(.origin == "host" and .local == "127.0.0.1" and .service_port == 80
		and .state == "established")] | length == 5'
	ctl attach
	active 5
	let_go
	wait_for "none is left" active 0

	hold two 4 ::1
	active 4
	ctl --json flows | holds '[.[] | select(.origin == "host" and .local == "::1")] | length == 4'
	kill -KILL "$(pgrep -f "$BATS_FILE_TMPDIR/client.py hold 4 ::1" | tail -n 1)"
	let_go
	wait_for "none is left" active 0
}

@test "held while other host-ports come into force: known as what they are, and forgotten when closed" {
	hold one 3 127.0.0.1
	active 3
	lab config slave1 node.ports=33000-33100
	remembered 3
	let_go
	[[ $(tail -n 1 "$BATS_TEST_TMPDIR/one.out") == 80 ]]
	wait_for "none is remembered" remembered 0
	lab config slave1 node.ports=31000-32000
	wait_for "its containers are back" backends_hold '[.[] | select(.state == "up")] | length == 3'
	[[ $(client connect 127.0.0.1) =~ ^"127.0.0.1 80 31" ]]
}

@test "a second connect of a socket, TCP Fast Open and Multipath TCP are counted once or not at all" {
	on slave1 python3 - <<-'PY'
		import ctypes, json, socket, subprocess

		def active():
		    return sum(backend["active"] for backend in json.loads(subprocess.check_output(["sluicectl", "--json", "backends"])))

		def disconnect(client):
		    assert ctypes.CDLL(None).connect(client.fileno(), bytes(16), 16) == 0

		client = socket.socket()
		client.connect(("127.0.0.1", 80))
		assert active() == 1
		disconnect(client)
		client.connect(("127.0.0.1", 80))
		assert active() == 1 and client.getpeername()[1] == 80
		disconnect(client)
		client.connect(("127.0.0.1", 8500))
		assert active() == 0 and client.getpeername()[1] == 8500
		client.close()

		with socket.socket() as client:
		    client.sendto(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", socket.MSG_FASTOPEN, ("127.0.0.1", 80))
		    assert b"app=/web" in client.recv(4096) and active() == 1
		assert active() == 0
		try:
		    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
		except OSError:
		    client = None
		if client:
		    client.connect(("127.0.0.1", 80))
		    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		    assert b"app=/web" in client.recv(4096)
		    client.close()
		    assert active() == 0, active()
	PY
	wait_for "none is left" active 0
}

@test "maxconn and leastconn count them: three held, the fourth is refused" {
	lab config slave1 service.web.balance=leastconn service.web.maxconn=1
	hold one 3 "$SLAVE1"
	[[ $(tr ' ' '\n' <"$BATS_TEST_TMPDIR/one.out" | sort -u | wc -l) == 3 ]]
	run client connect 127.0.0.1 ::1
	[[ $output == "127.0.0.1 ECONNREFUSED"$'\n'"::1 ECONNREFUSED" ]]
	let_go
	lab config slave1 service.web.balance=roundrobin service.web.maxconn=0
}

@test "the operator drains one: held connections stay and are waited for, new ones go to the others" {
	local port
	hold one 3 127.0.0.1
	port=$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/one.out")
	run ctl drain "web/$port" --wait 500ms
	[[ $status == 1 ]]
	run client many 20 127.0.0.1
	[[ $status == 0 && ${lines[-1]} =~ ^31[0-9]+:10\ 31[0-9]+:10$ && ${lines[-1]} != *"$port"* ]]
	ctl --json backends | holds '.[] | select(.port == $port) | .state == "draining" and .active == 1' --argjson port "$port"
	let_go
	ctl drain "web/$port" --wait 30s
	ctl undrain "web/$port"
	wait_for "it is up again" backends_hold '[.[] | select(.state == "up")] | length == 3'
}

@test "the daemon is dead and a container too: still balanced, over those that listen" {
	local victim
	lab kill slave1 sluiced
	victim=$(lab status --json | jq -r '.tasks[0].container')
	on slave1 docker kill "$victim" >/dev/null
	run client many 60 127.0.0.1
	[[ $status == 0 && ${lines[-1]} =~ ^31[0-9]+:[0-9]+\ 31[0-9]+:[0-9]+$ ]]
	(($(counted local_moved) > 0))
	lab start slave1 sluiced
	wait_for "the killed one has a successor" backends_hold '[.[] | select(.state == "up")] | length == 3'
}

@test "a container that goes while local clients connect: none fails" {
	"$TOOL" exec slave1 -- "$ROOT/build/lab/load" --json --url http://127.0.0.1/ --connections 2 --rate 100 --close \
		>"$BATS_TEST_TMPDIR/load" 2>/dev/null 3>&- &
	wait_for "the load runs" backends_hold '[.[].active] | add > 0'
	scale /web 1
	kill -TERM %1
	wait
	holds '.failed == 0 and .answered > 20' <"$BATS_TEST_TMPDIR/load"
}

@test "no container left: refused, or with on_empty = pass the host's own listener" {
	scale /web 0
	[[ $(client connect 127.0.0.1) == "127.0.0.1 ECONNREFUSED" ]]
	[[ $(in_container python3 /client/client.py connect "$SLAVE1") == "$SLAVE1 ECONNREFUSED" ]]
	lab config slave1 service.web.on_empty=pass
	on slave1 python3 - <<-'PY'
		import socket
		with socket.create_server(("127.0.0.1", 80)), socket.create_connection(("127.0.0.1", 80), 10) as client:
		    assert client.getpeername()[1] == 80
	PY
	scale /web 1
}

@test "off and back; detach leaves no program on the cgroup" {
	lab config slave1 node.cgroup=off
	ctl --json status | holds '.attached and (.local | not)'
	[[ $(client connect 127.0.0.1) == "127.0.0.1 ECONNREFUSED" ]]
	sed -i "s#^cgroup *=.*#cgroup = $CGROUP#" "$(conf_file slave1)"
	ctl --json status | holds '.needs_attach == "node.cgroup"'
	ctl attach
	ctl --json status | holds '.attached and .local and .needs_attach == null'
	[[ $(client connect 127.0.0.1) =~ ^"127.0.0.1 80 31" ]]
	[[ $(PATH=$PATH:/usr/sbin bpftool cgroup show "$CGROUP" | grep -c ' sluice_') == 5 ]]
	ctl detach
	run env "PATH=$PATH:/usr/sbin" bpftool cgroup show "$CGROUP"
	[[ $status == 0 && $output != *sluice_* ]]
	[[ ! -e $(pin_dir) ]]
	[[ $(client connect 127.0.0.1) == "127.0.0.1 ECONNREFUSED" ]]
}
