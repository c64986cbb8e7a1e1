#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# What sluicectl monitor tells, how it ends, and how full the tables are. The daemon is down for most of it.

source "${BATS_TEST_DIRNAME}/lab.bash"

setup_file() {
	lab_up --slaves 1 --containers process
	scale /web 2
	lab config slave1 service.web.allow=192.0.2.0/24
	lab stop slave1 sluiced
}

teardown_file() {
	lab_down
}

# a_refused: one connection that allow forbids
a_refused() {
	run on elb curl -sS --max-time 0.3 "http://$SLAVE1/"
	[[ $status != 0 ]]
}

# monitor_start NAME ARGS...: sluicectl monitor in the background, once it reads
monitor_start() {
	local name=$1
	shift
	"$TOOL" exec slave1 -- sluicectl --json monitor "$@" >"$BATS_TEST_TMPDIR/$name.json" 2>"$BATS_TEST_TMPDIR/$name.err" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/$name.pid"
	wait_for "$name holds the ring" ring_is_held
}

# ring_is_held: asked of the kernel's list of locks. To try the lock here would take it from the monitor that is just starting.
ring_is_held() {
	local minor inode
	read -r minor inode < <(stat --format '%Ld %i' "$(pin_dir)/root")
	grep -q "FLOCK .*$(printf '00:%02x:%d' "$minor" "$inode") " /proc/locks
}

ring_is_free() {
	! ring_is_held
}

monitor_pid() {
	pgrep -f "sluicectl --json monitor" --parent "$(cat "$BATS_TEST_TMPDIR/$1.pid")" || cat "$BATS_TEST_TMPDIR/$1.pid"
}

# monitor_end NAME: its exit status becomes ours
monitor_end() {
	wait "$(cat "$BATS_TEST_TMPDIR/$1.pid")"
}

lines_hold() {
	jq -se "$2" "$BATS_TEST_TMPDIR/$1.json"
}

@test "a refused connection is told with service, client and reason, the daemon being dead" {
	monitor_start one --count 1 --for 1m
	a_refused
	monitor_end one
	lines_hold one 'length == 1 and .[0].reason == "denied" and .[0].service == "web" and .[0].client == "10.80.0.1"
		and .[0].client_port > 0 and .[0].local == "10.80.0.2" and .[0].service_port == 80
		and .[0].to_port == null and .[0].lost == 0 and (.[0].time | fromdateiso8601? // (sub("\\.[0-9]+Z"; "Z") | fromdateiso8601)) > 0'
}

@test "what was told before is shown with --past only; for people it is one line" {
	a_refused
	[[ -z $(ctl monitor --for 500ms) ]]
	a_refused
	run ctl monitor --past --count 1 --for 1m
	[[ $status == 0 && ${#lines[@]} == 1 && $output == *" web 10.80.0.1:"*" -> 10.80.0.2:80 denied ("* ]]
}

@test "one reader at a time: the second is told so and ends" {
	monitor_start first --for 1m
	run ctl monitor --for 1m
	[[ $status == 1 && ${#lines[@]} == 1 && $output == *"somebody else reads the events"* ]]
	kill "$(monitor_pid first)"
	wait_for "the ring is free" ring_is_free
}

@test "SIGTERM and a reader that goes away end it with 0" {
	monitor_start term --for 1m
	kill -TERM "$(monitor_pid term)"
	monitor_end term
	run on slave1 bash -c 'set -o pipefail; sluicectl monitor --for 1m | true'
	[[ $status == 0 ]]
}

# The next one that is told says how many were not; one that comes at once may itself be left out.
told_after_a_flood() {
	a_refused
	lines_hold flood 'map(.suppressed) | add > 0'
}

@test "a flood is sampled, and what was left out is counted in what follows" {
	local sent
	monitor_start flood --for 1m
	sent=$(ctl --json counters | jq .denied)
	for _ in 1 2 3; do
		on elb bash -c 'for i in $(seq 40); do curl -s --max-time 0.05 http://10.80.0.2/ & done; wait' || true
	done
	sent=$(($(ctl --json counters | jq .denied) - sent))
	((sent >= 100))
	wait_for "what was left out is told" told_after_a_flood
	kill -TERM "$(monitor_pid flood)"
	monitor_end flood
	jq -se --argjson sent "$sent" 'length < $sent and (map(select(.suppressed > 0)) | length) > 0' "$BATS_TEST_TMPDIR/flood.json"
}

@test "a refused SYN that another backend gets is told with both" {
	local victim
	lab config slave1 service.web.allow=10.80.0.0/24
	victim=$(lab status --json | jq 'first(.tasks[].pid | values)')
	monitor_start moved --count 1 --for 1m
	kill -KILL "$victim"
	on elb bash -c 'for i in $(seq 20); do curl -s --max-time 5 http://10.80.0.2/ >/dev/null; done' || true
	monitor_end moved
	lines_hold moved '.[0].reason == "redispatch" and .[0].from_port >= 31000 and .[0].to_port >= 31000
		and .[0].from_port != .[0].to_port'
}

@test "only root may read events" {
	[[ $(stat -c '%u %a' "$(pin_dir)/root") == "0 700" ]]
	run on slave1 setpriv --reuid=64080 --regid=64080 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
		sluicectl monitor --for 1s
	[[ $status == 1 && $output == *"Permission denied"* ]]
}

@test "how full the tables are" {
	ctl --json status | holds '.tables | length == 5 and all(.capacity >= 1024 and .entries >= 0 and .percent == 0)
		and map(.name) == ["half-open4", "half-open6", "established4", "established6", "local"]
		and (map(.entries) | add) > 0'
	ctl status | grep -q 'tables: half-open4 [0-9]* of 262144'
}

@test "a detach ends it with a message" {
	monitor_start gone --for 1m
	ctl detach
	local code=0
	monitor_end gone || code=$?
	[[ $code == 1 ]]
	grep -q 'has been detached' "$BATS_TEST_TMPDIR/gone.err"
}
