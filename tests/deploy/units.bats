#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# The systemd units at work: a real systemd is the first process of a box (tests/deploy/box) on this machine's own files with
# `make install` laid over them, in the network namespace of the lab's slave. Every directive of the units is therefore applied by
# systemd itself: users, capabilities, system call filters, read-only mounts, address families. Not applied, because the units do
# not have them: IPAddressDeny=, PrivateUsers=. A box has a cgroup namespace, so `cgroup = auto` finds no root there and the
# configuration names the folder.

load ../e2e/lab.bash
load box.bash

# What is missing skips the tests in setup(): bats 1.8 takes a skip in here for a failure.
setup_file() {
	local state
	local -a flags=()
	((EUID == 0)) || return 0
	[[ -x /lib/systemd/systemd ]] || return 0
	unshare --mount --propagation private -- sh -c 'mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/a &&
		mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w overlay /mnt/a' 2>/dev/null ||
		return 0
	lab_up --containers process
	take_over
	# with the flags that it was built with, or all would be built anew
	! grep -q -- -Werror "$ROOT/build/.flags" || flags=(WERROR=1)
	make -s -C "$ROOT" install "DESTDIR=$BATS_FILE_TMPDIR/files" PREFIX=/usr PROGRAMS= "${flags[@]}"
	"$ROOT/tests/deploy/box" up-here "$BOX" "$LAB-slave1" "$BATS_FILE_TMPDIR/files" 3>&-
	box systemd-tmpfiles --create sluice.conf
	box_config
	box systemctl start sluice-attach sluiced sluice-watch || {
		box journalctl --no-pager -n 50
		return 1
	}
	tasks 3
	state=$(box systemctl is-active sluice-attach sluiced sluice-watch | sort -u)
	[[ $state == active ]]
}

teardown_file() {
	box_down
	lab_down
}

setup() {
	[[ -n ${BOX-} ]] || skip "needs root, systemd, and a root that can be the lower layer of an overlay"
	# a test that failed must not fail the next one
	box systemctl start sluice-attach sluiced sluice-watch
	[[ $BATS_TEST_DESCRIPTION != "make uninstall"* ]] || box systemctl enable --quiet sluice-attach sluiced sluice-watch
}

# restarts UNIT: how often systemd has begun it anew
restarts() {
	box systemctl show --property NRestarts --value "$1"
}

main_pid() {
	box systemctl show --property MainPID --value sluiced
}

# another_pid PID: the daemon runs, as another process
another_pid() {
	[[ $(main_pid) != "$1" && $(main_pid) != 0 ]] && box systemctl --quiet is-active sluiced
}

@test "under the units' own filters and users: attached, ready, connections of every size are balanced, nothing is refused" {
	all_sizes
	ask --url "http://$SLAVE1/" --requests 90 --connections 3 --close | holds '.failed == 0 and (.tasks | length) == 3'
	[[ $(restarts sluiced) == 0 && $(restarts sluice-watch) == 0 ]]
	run box journalctl --no-pager -u sluiced -u sluice-attach -u sluice-watch
	[[ $output != *"not permitted"* && $output != *"ermission denied"* && $output != *"ead-only"* ]] || {
		echo "$output"
		false
	}
	run box journalctl --quiet --no-pager --priority err -u sluiced -u sluice-attach -u sluice-watch
	[[ -z $output ]] || {
		echo "$output"
		false
	}
	box sluicectl --json status | holds '.attached and .mode == "native" and ([.sources[] | select(.connected)] | length) == 3'
	box sluicectl verify
}

@test "the daemon's user, capabilities, privileges and filter are those of its unit" {
	local status
	status=$(box cat "/proc/$(main_pid)/status")
	[[ $(grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):' <<<"$status" | awk '{ print $2 }' | sort -u) == 0000000000000000 ]]
	grep -qE "^Uid:\s+$(box id -u sluice)\s" <<<"$status"
	grep -qE '^NoNewPrivs:\s+1$' <<<"$status"
	grep -qE '^Seccomp:\s+2$' <<<"$status"
	# the service manager's filters and its own
	[[ $(awk '/^Seccomp_filters:/ { print $2 }' <<<"$status") -ge 3 ]]
	# what it must not reach: another folder to write to, its own binary, the kernel's settings
	run box nsenter --target "$(main_pid)" --mount sh -c 'touch /etc/sluice/x /usr/sbin/x /sys/fs/bpf/x /proc/sys/x 2>&1'
	[[ $status != 0 && $output != *"cannot touch '/run"* && $(grep -c 'cannot touch' <<<"$output") == 4 ]]
}

@test "attach and watch have just three capabilities, and no way to the files of others" {
	local pid status
	pid=$(box systemctl show --property MainPID --value sluice-watch)
	status=$(box cat "/proc/$pid/status")
	# CAP_NET_ADMIN 12, CAP_PERFMON 38, CAP_BPF 39
	[[ $(awk '/^CapBnd:/ { print $2 }' <<<"$status") == 000000c000001000 ]]
	[[ $(awk '/^CapEff:/ { print $2 }' <<<"$status") == 000000c000001000 ]]
	grep -qE '^NoNewPrivs:\s+1$' <<<"$status"
	run box nsenter --target "$pid" --mount sh -c 'touch /usr/sbin/x /proc/sys/x /sys/x 2>&1; touch /sys/fs/bpf/x 2>&1'
	[[ $(grep -c 'Read-only' <<<"$output") -ge 2 ]]
}

@test "daemon, watch and attach stopped, the daemon killed: not one request fails" {
	local pid
	load_start open --url "http://$SLAVE1/" --connections 2 --rate 200 --close
	load_start hold --url "http://$SLAVE1/" --connections 4 --rate 200
	box systemctl stop sluiced sluice-watch sluice-attach
	[[ $(hooked | cut -d' ' -f1 | tr '\n' ' ') == 'xdp tc_in tc_out ' ]]
	load_more open 50
	box systemctl start sluice-attach sluiced sluice-watch
	pid=$(main_pid)
	box kill -KILL "$pid"
	wait_for "systemd has begun it anew" another_pid "$pid"
	load_more open 50
	load_stop open | holds '.failed == 0'
	load_stop hold | holds '.failed == 0 and .moved == 0'
}

@test "a daemon that hangs is killed and begun anew by the watchdog" {
	local pid
	box mkdir -p /run/systemd/system/sluiced.service.d
	printf '[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n' | box tee /run/systemd/system/sluiced.service.d/test.conf >/dev/null
	box systemctl daemon-reload
	box systemctl restart sluiced
	pid=$(main_pid)
	# fed all the time while it runs: two times the limit pass by what it says of itself, not by our clock
	wait_for "the watchdog has been fed" fed_past 4500000
	[[ $(main_pid) == "$pid" ]]
	box kill -STOP "$pid"
	wait_for "it has been begun anew" another_pid "$pid"
	box journalctl --no-pager -u sluiced | grep -q 'Watchdog timeout'
	box rm /run/systemd/system/sluiced.service.d/test.conf
	box systemctl daemon-reload
	box systemctl restart sluiced
}

# fed_past USEC: the watchdog was fed that long after the daemon had started
fed_past() {
	local fed started
	fed=$(box systemctl show --property WatchdogTimestampMonotonic --value sluiced)
	started=$(box systemctl show --property ExecMainStartTimestampMonotonic --value sluiced)
	((fed - started >= $1))
}

@test "reload takes a changed file over, a bad one changes nothing" {
	local pid
	pid=$(main_pid)
	box sed -i 's/^marathon_app = .*/&\nmaxconn = 77/' /etc/sluice/sluice.conf
	box systemctl reload sluiced
	wait_for "it was read again" journal_has ' reloaded config='
	box systemctl reload sluice-attach
	[[ $(main_pid) == "$pid" ]]
	ask --url "http://$SLAVE1/" --requests 30 --close | holds '.failed == 0'
	box sed -i 's/^maxconn = 77/maxconn = many/' /etc/sluice/sluice.conf
	box systemctl reload sluiced
	wait_for "the bad line is named" journal_has 'reload-refused.*maxconn'
	[[ $(main_pid) == "$pid" ]]
	ask --url "http://$SLAVE1/" --requests 30 --close | holds '.failed == 0'
	box_config
	box systemctl reload sluiced
}

journal_has() {
	box journalctl --no-pager -u sluiced | grep -q "$1"
}

@test "the drop-in for old kernels: accepted, and the capability is dropped where it is not needed" {
	box mkdir -p /etc/systemd/system/sluiced.service.d
	box cp /usr/share/doc/sluice/examples/before-5.19.conf /etc/systemd/system/sluiced.service.d/
	box systemctl daemon-reload
	box systemctl restart sluiced
	[[ $(box systemctl show --property AmbientCapabilities --value sluiced) == cap_bpf ]]
	[[ $(box awk '/^CapEff:/ { print $2 }' "/proc/$(main_pid)/status") == 0000000000000000 ]]
	ask --url "http://$SLAVE1/" --requests 30 --close | holds '.failed == 0'
	box rm -r /etc/systemd/system/sluiced.service.d
	box systemctl daemon-reload
	box systemctl restart sluiced
}

@test "detach by hand holds against watch and daemon; a restart of the units puts all back" {
	box sluicectl detach
	[[ -z $(hooked) ]]
	on slave1 ip link add other0 type veth peer name other1
	on slave1 ip link del other0
	[[ $(box systemctl is-active sluice-attach) == active ]]
	[[ -z $(hooked) ]]
	box systemctl restart sluice-attach sluiced sluice-watch
	wait_for "three are up again" box_backends '[.[] | select(.state == "up")] | length == 3'
	ask --url "http://$SLAVE1/" --requests 30 --close | holds '.failed == 0'
}

@test "make uninstall on the host itself: no program on a hook, no pin, user, unit or file is left" {
	box test -e "$ROOT/Makefile" || skip "the tree lies on another file system than /, which the box does not see"
	box make -s -C "$ROOT" uninstall PREFIX=/usr
	[[ -z $(hooked) ]]
	run box sh -c 'ls -d /sys/fs/bpf/sluice /run/sluice /etc/sluice /usr/sbin/sluice* /usr/share/doc/sluice \
		/usr/share/man/man8/sluice* /usr/lib/systemd/system/sluice* /etc/systemd/system/*/sluice* /usr/lib/*.d/sluice.conf \
		/usr/share/bash-completion/completions/sluice* 2>/dev/null; getent passwd sluice; getent group sluice; pgrep -x sluiced'
	[[ -z $output ]] || {
		echo "$output"
		return 1
	}
	[[ $(box stat -c %a /sys/fs/bpf) == 1700 ]]
}
