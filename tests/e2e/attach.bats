#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# attach and detach, their refusals, and what the daemon's user may not do.

source "${BATS_TEST_DIRNAME}/lab.bash"

DAEMON=(setpriv --reuid=64080 --regid=64080 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all)

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 3
	cat >"$BATS_FILE_TMPDIR/other.c" <<-'C'
		__attribute__((section("xdp"), used)) int other(void *ctx) { (void)ctx; return 2; }
		char _license[] __attribute__((section("license"), used)) = "GPL";
	C
	clang -O2 -g -target bpf -c "$BATS_FILE_TMPDIR/other.c" -o "$BATS_FILE_TMPDIR/other.o"
}

teardown_file() {
	lab_down
}

bpftool() {
	PATH=$PATH:/usr/sbin command bpftool "$@"
}

program_ids() {
	local link
	for link in "$(pin_dir)"/attach/*; do
		on slave1 env "PATH=$PATH:/usr/sbin" bpftool -j link show pinned "$link" 2>/dev/null | jq '.prog_id // empty'
	done | sort -n
}

held() {
	ctl --json flows | jq -c '[.[] | select(.state == "established") | [.client_port, .port, .generation]] | sort'
}

eight_held() {
	[[ $(held | jq length) == 8 ]]
}

# copy_config: a copy of slave1's configuration to spoil; prints its path
copy_config() {
	cp "$(conf_file slave1)" "$BATS_TEST_TMPDIR/sluice.conf"
	printf '%s\n' "$BATS_TEST_TMPDIR/sluice.conf"
}

# refused WORD COMMAND...: exit 1 and one message that has the word
refused() {
	local word=$1
	shift
	run "$@"
	echo "exit $status: $output"
	[[ $status == 1 && ${#lines[@]} == 1 && $output == *"$word"* ]]
}

# kept_maps: what no daemon may open: the ring of events, the rates' buckets, round robin's cursor
kept_maps() {
	local name
	for name in events rates cursor; do
		on slave1 env "PATH=$PATH:/usr/sbin" bpftool -j map show pinned "$(pin_dir)/root/sluice_$name" | jq .id
	done
}

# cursor: where round robin stands, of all services together
cursor() {
	on slave1 env "PATH=$PATH:/usr/sbin" bpftool -j map dump pinned "$(pin_dir)/root/sluice_cursor" | jq '[.[].formatted.value.cursor] | add'
}

@test "attach again replaces the programs and keeps flows and backends" {
	local ids flows maps at
	load_start hold --url "http://$SLAVE1/" --connections 8 --rate 80
	wait_for "eight connections are held" eight_held
	flows=$(held)
	ids=$(program_ids)
	[[ -n $ids ]]
	maps=$(kept_maps)
	at=$(cursor)
	((at >= 8))
	ctl attach
	[[ $(wc -w <<<"$maps") == 3 && $(kept_maps) == "$maps" ]]
	(($(cursor) >= at))
	[[ $(held) == "$flows" ]]
	[[ $(program_ids) != "$ids" ]]
	[[ $(program_ids | wc -w) == $(wc -w <<<"$ids") ]]
	load_more hold 50
	ask --url "http://$SLAVE1/" --requests 90 --connections 3 --close | holds '.failed == 0 and (.tasks | length) == 3'
	load_stop hold | holds '.failed == 0 and .moved == 0 and .connections == 8'
}

@test "a new service does not begin with the counters of the one whose place it takes; one that stays keeps its own" {
	on elb curl -sS --fail --max-time 5 "http://$SLAVE1/" >/dev/null
	ctl attach
	ctl --json services | holds '.[0].name == "web" and .[0].connections > 0'
	sed 's/^\[service web\]/[service shop]/' "$LAB_CONFIG" >"$BATS_TEST_TMPDIR/shop.conf"
	ctl --config "$BATS_TEST_TMPDIR/shop.conf" attach
	ctl --json services | holds 'length == 1 and .[0].name == "shop" and .[0].connections == 0 and .[0].packets_in == 0'
	ctl attach
	ctl --json services | holds '.[0].name == "web" and .[0].connections == 0'
	lab stop slave1 sluiced
	lab start slave1 sluiced
	wait_for "web is served again" on elb curl -sS --fail --max-time 5 "http://$SLAVE1/"
}

@test "time-outs: what is attached holds, status says that the file differs, attach puts it in force and keeps the flows" {
	local conf
	conf=$(conf_file slave1)
	ctl --json status | holds '.timeouts == {half_open_ms: 75000, idle_ms: 7200000, closing_ms: 300000, closed_ms: 60000}'
	sed -i '/^\[node\]/a idle_timeout = 1h\nhalf_open_timeout = 20s' "$conf"
	ctl --json status | holds '.timeouts.idle_ms == 7200000 and .needs_attach == "node.half_open_timeout"'
	ctl attach
	ctl --json status | holds '.needs_attach == null
		and .timeouts == {half_open_ms: 20000, idle_ms: 3600000, closing_ms: 300000, closed_ms: 60000}'
	sed -i '/^idle_timeout = 1h$/d; /^half_open_timeout = 20s$/d' "$conf"
	ctl --json status | holds '.needs_attach == "node.half_open_timeout"'
	ctl attach
	ctl --json status | holds '.needs_attach == null and .timeouts.half_open_ms == 75000'
}

@test "checksums in native mode, to a process on the host" {
	checksums native
}

@test "every mode can be attached, and attach goes from one to the other under load" {
	local mode
	load_start hold --url "http://$SLAVE1/" --connections 4 --rate 200
	load_start open --url "http://$SLAVE1/" --connections 2 --rate 200 --close
	for mode in tc native generic; do
		lab config slave1 "node.mode=$mode"
		ctl --json status | holds '.attached and .mode == $mode and .abi > 0' --arg mode "$mode"
		load_more open 100
	done
	load_stop open | holds '.failed == 0'
	load_stop hold | holds '.failed == 0 and .moved == 0 and .connections == 4'
}

@test "checksums in generic mode, to a process on the host" {
	checksums generic
}

@test "checksums in tc mode, to a process on the host" {
	checksums tc
	lab config slave1 node.mode=native
}

@test "detach leaves no program and no pin of its own behind; done twice it is still done" {
	ctl detach
	run on slave1 ip -d link show dev eth0
	[[ $status == 0 && $output != *prog/xdp* ]]
	[[ -z $(ls -A "$(pin_dir)/attach" 2>/dev/null) ]]
	run on elb curl -sS --max-time 10 "http://$SLAVE1/"
	[[ $status == 7 ]]
	ctl detach
}

@test "another XDP program on the interface: attach says so and leaves it alone" {
	ctl detach
	on slave1 ip link set dev eth0 xdpdrv obj "$BATS_FILE_TMPDIR/other.o" sec xdp
	refused eth0 ctl attach
	on slave1 ip -d link show dev eth0 | grep -q 'xdp.* id '
	on slave1 ip link set dev eth0 xdpdrv off
}

@test "pin_dir where no bpffs is mounted: refused with the place" {
	local config
	config=$(copy_config)
	ctl detach
	sed -i "s#^pin_dir.*#pin_dir = $BATS_TEST_TMPDIR/plain#" "$config"
	mkdir "$BATS_TEST_TMPDIR/plain"
	refused "$BATS_TEST_TMPDIR/plain" ctl --config "$config" attach
	[[ -z $(ls -A "$BATS_TEST_TMPDIR/plain") ]]
}

@test "attached again after a detach: the daemon takes up its work by itself" {
	ctl attach
	wait_for "three are up" backends_hold '[.[] | select(.state == "up")] | length == 3'
	ask --url "http://$SLAVE1/" --requests 90 --connections 3 --close | holds '.failed == 0 and (.tasks | length) == 3'
}

@test "unknown interface: refused with its name, what is attached stays" {
	local config
	config=$(copy_config)
	sed -i '/^interface/d; s/^\[node\]$/[node]\ninterface = nosuch0/' "$config"
	refused nosuch0 ctl --config "$config" attach
	ask --url "http://$SLAVE1/" --requests 20 --close | holds '.failed == 0'
}

@test "sluiced has no capability, new privileges or bpf(2) commands beyond its own" {
	local status_file
	status_file=/proc/$(host_pid slave1 sluiced)/status
	grep -qE '^Uid:\s+64080\s+64080\s+64080\s+64080$' "$status_file"
	grep -qE '^Gid:\s+64080\s+64080\s+64080\s+64080$' "$status_file"
	[[ $(grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' "$status_file" | awk '{ print $2 }' | sort -u) == 0000000000000000 ]]
	grep -qE '^NoNewPrivs:\s+1$' "$status_file"
	grep -qE '^Seccomp:\s+2$' "$status_file"
}

# as_daemon COMMAND...: as sluiced's user, on slave1
as_daemon() {
	on slave1 "${DAEMON[@]}" env "PATH=$PATH:/usr/sbin" "$@"
}

@test "what sluiced needs is open to its user" {
	as_daemon test -r "$(pin_dir)/sluice_backends" -a -w "$(pin_dir)/sluice_backends"
	as_daemon test -r "$(pin_dir)/sluice_est4"
}

@test "sluiced's user is refused the folder of links and programs" {
	run as_daemon ls "$(pin_dir)/attach"
	[[ $status != 0 && $output == *"Permission denied"* ]]
	[[ $(stat -c '%u %a' "$(pin_dir)/attach") == "0 700" ]]
}

@test "sluiced's user cannot detach a link, nor point it at another program" {
	local link
	for link in "$(pin_dir)"/attach/*; do
		run as_daemon bpftool link detach pinned "$link"
		[[ $status != 0 && $output == *"Permission denied"* ]]
	done
	run as_daemon ip link set dev eth0 xdp off
	[[ $status != 0 ]]
	ctl --json status | holds .attached
}

@test "sluiced's user cannot write service ports, services, flows or counters" {
	local map
	cd "$(pin_dir)"
	ls sluice_ports sluice_services sluice_meta sluice_est4 sluice_half4 sluice_bstats sluice_sstats sluice_reasons
	# shellcheck disable=SC2016 # the other shell's
	run as_daemon sh -c 'for map; do test -r "$map" && ! test -w "$map" || echo "$map"; done; echo looked' sh \
		sluice_ports sluice_services sluice_meta sluice_est4 sluice_half4 sluice_bstats sluice_sstats sluice_reasons
	[[ $output == looked ]]
	for map in sluice_ports sluice_est4; do
		run as_daemon bpftool map dump pinned "$(pin_dir)/$map" # opens for writing
		[[ $status != 0 && $output == *"Permission denied"* ]]
	done
}

@test "sluiced's user cannot create a map, load a program, pin or remove a pin" {
	run as_daemon bpftool map create "$(pin_dir)/mine" type array key 4 value 4 entries 1 name mine
	[[ $status != 0 ]]
	run as_daemon bpftool prog load "$BATS_FILE_TMPDIR/other.o" "$(pin_dir)/mine"
	[[ $status != 0 ]]
	[[ ! -e $(pin_dir)/mine ]]
	run as_daemon rm -f "$(pin_dir)/sluice_backends"
	[[ $status != 0 && -e $(pin_dir)/sluice_backends ]]
}

@test "another user is refused all of it" {
	# shellcheck disable=SC2016 # the other shell's
	run on slave1 setpriv --reuid=64081 --regid=64081 --clear-groups --no-new-privs \
		sh -c 'for map; do test -r "$map" && echo "$map"; done; echo looked' sh "$(pin_dir)"/*
	[[ $output == looked ]]
	[[ $(find "$(pin_dir)" -maxdepth 1 -name 'sluice_*' | wc -l) -ge 10 ]]
}
