#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# verify: a healthy host is ok, also under load; each kind of damage that can be made is found, and mended by what the finding advises.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	# a second service, that nobody has: it never has a set
	lab config slave1 service.none.port=82 service.none.marathon_app=/none
	scale /web 3
}

teardown_file() {
	lab_down
}

# bytes N SIZE: a number as that many bytes, the lowest first
bytes() {
	local i
	for ((i = 0; i < $2; i++)); do
		echo $(($1 >> 8 * i & 255))
	done
}

# poke MAP INDEX OFFSET BYTES...: changes bytes of one value, as a stray write would
poke() {
	local pin offset=$3
	local -a key value
	pin=$(pin_dir)/$1
	mapfile -t key < <(bytes "$2" 4)
	mapfile -t value < <(bpftool -j map lookup pinned "$pin" key "${key[@]}" | jq -r '.value[]')
	for byte in "${@:4}"; do
		value[offset++]=$byte
	done
	bpftool map update pinned "$pin" key "${key[@]}" value "${value[@]}"
}

# set_index: of the version in force of the service that has one
set_index() {
	bpftool -j map lookup pinned "$(pin_dir)/sluice_active" key 1 0 0 0 | jq -r '.value[0]' | { read -r v && echo $((4 + v % 4)); }
}

# finds CHECK...: verify exits with 1, says each of them in a line of its own, and its JSON has them
finds() {
	local check
	run ctl --config "${CONFIG:-$LAB_CONFIG}" verify
	[[ $status == 1 ]]
	for check; do
		printf '%s\n' "${lines[@]}" | grep -q "^$check: " || {
			printf 'not found: %s\n%s\n' "$check" "$output"
			return 1
		}
	done
}

verify_is_ok() {
	ctl verify
}

@test "a healthy host is ok 20 times in a row, under load" {
	local i
	load_start opening --url "http://$SLAVE1/" --connections 8 --rate 500 --close
	load_start holding --url "http://$SLAVE1/" --connections 30 --rate 300
	for i in {1..20}; do
		run ctl --json verify
		[[ $status == 0 ]] || {
			echo "$i: $output"
			false
		}
		holds '.ok and .findings == [] and .unseen == [] and .note == null' <<<"$output"
	done
	load_stop opening | holds '.failed == 0'
	load_stop holding | holds '.failed == 0'
	run ctl verify
	[[ $status == 0 && $output == ok ]]
}

# says FILTER: sluiced's answer to what it wants, changed by the filter, stands on a socket of its own; finds() asks that one
says() {
	jq "$1" "$BATS_TEST_TMPDIR/wanted" >"$BATS_TEST_TMPDIR/said"
}

@test "what sluiced wants and the maps do not say is found, each kind by name" {
	local socket fake=$BATS_TEST_TMPDIR/admin.sock answering
	socket=$(sed -nE 's/^socket *= *([^ ]+).*/\1/p' "$LAB_CONFIG")
	"$BATS_TEST_DIRNAME/admin.py" ask "$socket" wanted >"$BATS_TEST_TMPDIR/wanted"
	holds '(.backends | length) == 3 and (.services | length) == 2' <"$BATS_TEST_TMPDIR/wanted"
	sed -E "s|^socket *=.*|socket = $fake|" "$LAB_CONFIG" >"$BATS_TEST_TMPDIR/fake.conf"
	"$BATS_TEST_DIRNAME/admin.py" answer "$fake" "$BATS_TEST_TMPDIR/said" 3>&- &
	answering=$!
	wait_for "somebody answers in its place" test -S "$fake"
	stop_daemon # so that nothing is put right meanwhile
	says .
	run ctl --config "$BATS_TEST_TMPDIR/fake.conf" verify
	echo "$output"
	[[ $status == 0 && $output == ok ]]
	says '.backends[0].state += 1 | .backends[1].weight = 7 | .backends[2].task = "another" |
		(.services[] | select(.name == "none") | .synced) = true'
	CONFIG=$BATS_TEST_TMPDIR/fake.conf finds wanted.state wanted.weight wanted.missing wanted.unknown wanted.set
	start_daemon
	kill "$answering"
	wait_for "verify is ok" verify_is_ok
}

@test "a daemon that does not answer, a mode that is another one, a program before ours are found" {
	local mode status=0
	mode=$(ctl --json status | jq -r .mode)
	[[ $mode == native ]]
	cat >"$BATS_TEST_TMPDIR/other.c" <<-'C'
		__attribute__((section("tc"), used)) int other(void *ctx) { (void)ctx; return -1; }
		char _license[] __attribute__((section("license"), used)) = "GPL";
	C
	clang -O2 -g -target bpf -c "$BATS_TEST_TMPDIR/other.c" -o "$BATS_TEST_TMPDIR/other.o"
	bpftool prog load "$BATS_TEST_TMPDIR/other.o" "$(pin_dir)/attach/other" type classifier
	on slave1 "$BATS_TEST_DIRNAME/tcx.py" "$(pin_dir)/attach/other" eth0 "$(pin_dir)/attach/other-link" || status=$?
	((status == 0 || status == 77))
	stop_daemon
	poke sluice_meta 0 12 2                      # the mode generic
	finds daemon.silent hook.mode
	((status == 77)) || grep -q '^hook.order: ' <<<"$output"
	poke sluice_meta 0 12 1
	rm -f "$(pin_dir)/attach/other-link" "$(pin_dir)/attach/other"
	start_daemon
	wait_for "verify is ok" verify_is_ok
}

@test "damage is found: backends, labels, host-ports, ports, addresses, counts, sets" {
	local -a slots ports
	mapfile -t slots < <(ctl --json backends | jq '.[].slot')
	mapfile -t ports < <(ctl --json backends | jq '.[].port')
	lab kill slave1 sluiced
	run ctl verify
	[[ $status == 0 && $output == *"note: sluiced is not running"*ok ]]
	ask --url "http://$SLAVE1/" --requests 12 --connections 3 --close >/dev/null # each has the present period's count
	poke sluice_backends "${slots[0]}" 12 44 1 0 0        # weight 300
	poke sluice_backends "${slots[0]}" 32 99 0 0 0        # the last generation
	poke sluice_backends "${slots[0]}" 64 0 4 0 0         # 1,024 connections
	poke sluice_backends "${slots[1]}" 84 0 4 0 0 0 4 0 0 0 4 0 0 0 4 0 0 # 1,024 half-open ones in each period
	poke sluice_labels "${slots[0]}" 0 99 0 0 0           # its generation
	poke sluice_backends "${slots[1]}" 4 0 22             # port 22
	poke sluice_hports "${ports[2]}" 2 "${slots[0]}" 0    # another's replies
	poke sluice_hports 31999 0 0 80 "${slots[0]}" 0       # and nobody's
	poke sluice_sets "$(set_index)" 24 77 0               # the schedule begins with a free slot
	poke sluice_sets "$(set_index)" 32792 1 0 0 0         # one member
	poke sluice_ports 80 0 0 0                            # the service's own port
	poke sluice_ports 81 0 1 0                            # and another one
	bpftool map delete pinned "$(pin_dir)/sluice_addrs4" key 10 80 0 2
	bpftool map update pinned "$(pin_dir)/sluice_addrs4" key 10 9 9 9 value 1 0 0 0
	finds backend.values backend.generation count.active count.half-open label.generation backend.port hport.owner hport.stale set.slot \
		set.members service.port port.service address.missing address.stale
	ctl --json verify | holds '(.ok | not) and all(.findings[]; (.check | length) > 0 and (.where | length) > 0 and
		(.text | length) > 0 and (.advice | length) > 0) and any(.findings[]; .check == "address.stale" and .where == "10.9.9.9")'
}

@test "damage is found: a torn set, a hook that is off, a program that is another one, nobody who listens" {
	local task
	task=$(lab status --json | jq -r '.tasks[0].id')
	poke sluice_active 1 0 200
	poke sluice_meta 0 64 1 2 3 4
	bpftool link detach pinned "$(pin_dir)/attach/tc_out-eth0"
	lab kill "$task" --signal KILL
	finds set.version hook.attached program.tag listener.missing
}

@test "sluiced and attach put it right" {
	poke sluice_ports 81 0 0 0 # attach takes only those that it gave
	ctl attach >/dev/null
	lab start slave1 sluiced
	wait_for "verify is ok" verify_is_ok
	ask --url "http://$SLAVE1/" --requests 60 --connections 3 --close | holds '.failed == 0 and (.tasks | length) == 3'
}

@test "who may not look says so, with 2" {
	on slave1 sluicectl detach >/dev/null
	run ctl verify
	[[ $status == 2 && $output == *"nothing is attached"* ]]
}
