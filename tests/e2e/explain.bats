#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# sluicectl explain tells where a connection will go, and then it goes there; asking changes nothing. The daemon is up.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 4
	lab config slave1 service.web.balance=source
}

teardown_file() {
	lab_down
}

# explain ARGS...: the answer as JSON
explain() {
	ctl --json explain "$@"
}

# every map that the programs write, but for the reasons, which move in a lab that nobody asks, too (the packet cases
# compare those)
dump_maps() {
	local pins
	pins=$(pin_dir)
	# shellcheck disable=SC2016 # the inner shell expands it
	on slave1 bash -ec 'for map in sluice_{backends,half4,half6,est4,est6,bstats,sstats} root/sluice_{cursor,rates}; do
		echo "$map $(bpftool map dump pinned "$1/$map" | sha256sum)"; done' bash "$pins"
}

@test "24 connections under source are told beforehand, and made" {
	local told got
	# shellcheck disable=SC2016 # the inner shell expands it
	told=$(on slave1 bash -ec 'for i in $(seq 24); do
		sluicectl --json explain "10.80.0.$((100 + i)):$((20000 + i))" 10.80.0.2:80 | jq .syn.port; done')
	# shellcheck disable=SC2016
	got=$(on elb bash -ec 'for i in $(seq 24); do ip address add "10.80.0.$((100 + i))/24" dev eth0; done
		for i in $(seq 24); do
			curl -sS --interface "10.80.0.$((100 + i))" --local-port "$((20000 + i))" http://10.80.0.2/ |
				sed -nE "s/.*port=([0-9]+).*/\\1/p"; done')
	[[ $(wc -l <<<"$told") == 24 && $told == "$got" ]]
	(($(sort -u <<<"$told" | wc -l) >= 2))
}

@test "asking changes no map" {
	local before after
	lab stop slave1 sluiced
	before=$(dump_maps)
	explain 10.80.0.1:30001 >/dev/null
	explain 10.80.0.1:30002 "$SLAVE1:80" >/dev/null
	after=$(dump_maps)
	[[ $(wc -l <<<"$before") == 9 ]]
	diff <(echo "$before") <(echo "$after")
	lab start slave1 sluiced
}

@test "a known connection: the flow, its backend, and why not the others" {
	on elb bash -c 'exec 3<>/dev/tcp/10.80.0.2/80; sleep 20' 3>&- &
	wait_for "the connection is there" flows_hold 'any(.state == "established")'
	local port
	port=$(ctl --json flows | jq 'first(.[] | select(.state == "established") | .client_port)')
	explain "10.80.0.1:$port" "$SLAVE1:80" | holds '.service == "web" and .mode == "native" and .same_program
		and .flow.state == "established" and .segment.verdict == "backend" and .segment.port == .flow.port
		and .syn.reasons == ["syn_other"] and .syn.port == .flow.port
		and (.backends | length == 4 and map(select(.chosen)) == [.[] | select(.why == "has the connection")]
			and (map(select(.why == "another has the connection")) | length) == 3)'
	run ctl explain "10.80.0.1:$port"
	[[ $status == 0 && $output == *"flow        established, web/"* && $output == *"segment     goes to web/"* ]]
	kill $!
}

@test "draining: the others are told, with why this one is not" {
	local port
	port=$(explain 10.80.0.1:30003 | jq .syn.port)
	ctl drain "web/$port"
	explain 10.80.0.1:30003 | holds '.syn.verdict == "backend" and .syn.port != $port
		and any(.backends[]; .port == $port and .state == "draining" and .why == "not up" and (.eligible | not))' --argjson port "$port"
	[[ $(on elb curl -s "http://$SLAVE1/" | sed -n 's/.*port=\([0-9]*\).*/\1/p') == "$(explain 10.80.0.1:30003 | jq .syn.port)" ]]
	ctl undrain "web/$port"
}

@test "refused by on_empty: told, and so it happens" {
	ctl drain --all
	explain 10.80.0.1:30004 | holds '.syn.verdict == "reset" and .syn.reasons == ["empty_reset"] and .syn.port == null
		and all(.backends[]; .chosen | not)'
	run on elb curl -sS --max-time 3 "http://$SLAVE1/"
	[[ $status == 7 ]]
	ctl undrain --all
}

@test "refused by allow: told, and so it happens" {
	lab config slave1 service.web.allow=192.0.2.0/24
	explain 10.80.0.1:30005 | holds '.syn.verdict == "drop" and .syn.reasons == ["denied"]
		and .admission == {address: "accepted", allow: "refused", rate: "not asked"}'
	run on elb curl -sS --max-time 0.3 "http://$SLAVE1/"
	[[ $status == 28 ]]
}

@test "what is no service, no address of this host, no endpoint" {
	explain 10.80.0.1:30006 "$SLAVE1:81" | holds '.service == null and .syn.verdict == "pass" and .backends == []'
	explain 10.80.0.1:30006 203.0.113.1:80 | holds '.admission.address == "refused" and .syn.reasons == ["not_local"]'
	run ctl explain 10.80.0.1
	[[ $status == 2 && $output == *"10.80.0.1: not ADDRESS:PORT"* ]]
	run ctl explain 10.80.0.1:1 "[fd00::2]:80"
	[[ $status == 2 && $output == *"not of the client's address family"* ]]
	run on slave1 setpriv --reuid=64080 --regid=64080 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
		sluicectl explain 10.80.0.1:1
	[[ $status == 1 && $output == *"explain is for root"* ]]
}
