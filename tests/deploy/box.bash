# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests with a booted systemd share: the box (tests/deploy/box) in the network namespace of the lab's slave, which then
# is served by the box's Sluice instead of the lab's own. On top of tests/e2e/lab.bash.

# take_over: the lab's own Sluice goes from the slave
take_over() {
	lab stop slave1 sluiced
	on slave1 sluicectl detach
	BOX=$BATS_FILE_TMPDIR/box
	export BOX
}

# For teardown_file, before lab_down.
box_down() {
	[[ -z ${BOX-} ]] || "$ROOT/tests/deploy/box" down "$BOX" 3>&-
}

box() {
	"$ROOT/tests/deploy/box" exec "$BOX" "$@"
}

# box_config [LINE...]: a configuration for the lab's registries; lines go to [node]
box_config() {
	{
		printf '[node]\nname = slave1.lab, %s\ninterface = eth0\nmode = native\ncgroup = /sys/fs/cgroup\n' "$SLAVE1"
		(($# == 0)) || printf '%s\n' "$@"
		printf '[service web]\nport = 80\nmarathon_app = /web\n'
		printf '[marathon]\nurl = http://10.80.0.250:8080\nresync = 10s\n'
		printf '[consul]\nurl = http://127.0.0.1:8500\n'
	} | box tee /etc/sluice/sluice.conf >/dev/null
}

# tasks N: the app has N tasks, and the box's Sluice balances over them
tasks() {
	lab scale /web "$1" --no-wait >/dev/null
	wait_for "$1 are up in the box" box_backends "[.[] | select(.state == \"up\")] | length == $1"
}

box_backends() {
	box sluicectl --json backends | jq -e "$@"
}

# What sits on the slave's interface, whoever put it there: HOOK PROGRAM-ID, in the order in which it runs.
hooked() {
	on slave1 "$ROOT/tests/deploy/hooked.py" eth0
}
