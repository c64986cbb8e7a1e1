#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Port 80 of a slave reaches that slave's containers, evenly, and what sluicectl shows is what the kernel and the
# containers say.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 2 --containers process
	scale /web 8
}

teardown_file() {
	lab_down
}

@test "2,000 connections over four containers: 25 % +- 2 % each, none fails, none goes to the other slave" {
	ask --url "http://$SLAVE1/" --requests 2000 --connections 8 --close >"$BATS_TEST_TMPDIR/out"
	holds '.failed == 0 and .answered == 2000 and .connections == 2000' <"$BATS_TEST_TMPDIR/out"
	holds '(.tasks | length) == 4 and all(.tasks[]; .host == "slave1")' <"$BATS_TEST_TMPDIR/out"
	holds 'all(.tasks[]; .requests >= 460 and .requests <= 540)' <"$BATS_TEST_TMPDIR/out"
}

@test "the second slave serves its own four" {
	ask --url "http://$SLAVE2/" --requests 400 --connections 4 --close |
		holds '.failed == 0 and (.tasks | length) == 4 and all(.tasks[]; .host == "slave2" and .requests >= 90)'
}

@test "the containers see the client's own address" {
	load_start hold --url "http://$SLAVE1/" --connections 4 --rate 20
	# an app that listens on both families sees it as [::ffff:10.80.0.1]
	on slave1 ss -Htn state established '( sport >= :31000 and sport <= :32000 )' | grep -qE '10\.80\.0\.1\]?:'
	load_stop hold | holds '.failed == 0 and .moved == 0'
}

# client port and host-port of each open connection of the client, as the kernel has them
pairs_of_ss() {
	on slave1 ss -Htn state established dst 10.80.0.1 | awk '{ print $3, $4 }' |
		sed -nE 's/^[^ ]*:(3[12][0-9]{3}) .*:([0-9]+)$/\2 \1/p' | sort
}

pairs_of_flows() {
	ctl --json flows | jq -r '.[] | select(.state == "established") | "\(.client_port) \(.port)"' | sort
}

# same_pairs N: both have the same N
same_pairs() {
	[[ $(pairs_of_ss | wc -l) == "$1" && $(pairs_of_ss) == "$(pairs_of_flows)" ]]
}

@test "flows --json has the connections that ss has" {
	load_start hold --url "http://$SLAVE1/" --connections 12 --rate 60
	wait_for "flows and ss agree" same_pairs 12
	load_stop hold | holds '.failed == 0'
}

# connections a backend has had, as the containers count them, against sluicectl's
same_counts() {
	local port counted shown
	while read -r port shown; do
		counted=$(on master curl -sS --max-time 10 "http://$SLAVE1:$port/count" | grep -oE 'clients=[0-9]+')
		[[ ${counted#clients=} == "$shown" ]] || {
			echo "port $port: the container counts ${counted#clients=}, sluicectl $shown"
			return 1
		}
	done < <(ctl --json backends | jq -r '.[] | select(.state == "up") | "\(.port) \(.connections)"')
}

@test "backends --json counts the connections that the containers count" {
	ask --url "http://$SLAVE1/" --requests 100 --connections 5 --close | holds '.failed == 0'
	wait_for "the counts agree" same_counts
	ctl --json backends | holds '[.[] | select(.state == "up")] | length == 4 and all(.[];
		.service == "web" and .weight > 0 and .connections > 0 and .packets_in > 0 and .bytes_in > 0
		and .packets_out > 0 and .bytes_out > 0 and (.task | length) > 0 and .generation > 0 and (.reason | length) > 0)'
}

@test "leastconn: held connections spread evenly" {
	lab config slave1 service.web.balance=leastconn
	load_start hold --url "http://$SLAVE1/" --connections 20 --rate 200
	load_more hold 40
	ctl --json flows | holds '[.[] | select(.state == "established") | .port] | group_by(.) | map(length)
		| length == 4 and min >= 4 and max <= 6'
	load_stop hold | holds '.failed == 0'
	lab config slave1 service.web.balance=roundrobin
}

@test "a process that asks a host-port directly is left alone" {
	on elb curl -sS --fail --max-time 10 "http://$SLAVE1:$(ctl --json backends | jq '[.[] | select(.state == "up")][0].port')/" |
		grep -q '^app=/web .* host=slave1 '
}

@test "a direct connection from the port of a balanced one that has ended is left alone" {
	local port
	for port in $(ctl --json backends | jq '.[] | select(.state == "up") | .port'); do
		# the client closes first on the balanced connection, so that the container's side may take the port again
		on elb python3 - "$SLAVE1" "$port" <<-'PY'
			import socket, sys
			for number in (80, int(sys.argv[2])) * 2:
			    with socket.socket() as client:
			        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
			        client.bind(("", 9000 + int(sys.argv[2]) % 100))
			        client.settimeout(10)
			        client.connect((sys.argv[1], number))
			        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			        answer = b""
			        while chunk := client.recv(4096):
			            answer += chunk
			        assert answer.startswith(b"HTTP/1.1 200"), answer
		PY
	done
}

@test "no container left: the client is told at once" {
	scale /web 0
	run on elb curl -sS --max-time 10 "http://$SLAVE1/"
	[[ $status == 7 ]] # curl: could not connect, and not 28, a time-out
	scale /web 8
	ask --url "http://$SLAVE1/" --requests 40 --connections 4 --close | holds '.failed == 0 and (.tasks | length) == 4'
}
