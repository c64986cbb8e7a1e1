#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# LONG=1: the life of the Debian package on a clean Debian 12 with systemd (tests/deploy/box) in the network namespace of a lab's
# slave: installed on a bare host, configured, upgraded and rolled back under load, upgraded to another ABI, removed, purged. The
# tests build on each other.

load ../e2e/lab.bash
load box.bash

setup_file() {
	local out=0
	[[ ${LONG-} == 1 ]] || return 0
	"$ROOT/tests/deploy/box" root 3>&- || out=$?
	((out != 3)) || return 0
	((out == 0))
	export PACKAGES=$BATS_FILE_TMPDIR/deb OLD NEXT OTHER
	OLD=$(package)
	NEXT=$(package --version 99.1)
	# another ABI, by nothing but its number
	make -s -C "$ROOT" -j2 "B=build/deploy/abi" EXTRA_CFLAGS=-DSLUICE_ABI=99 programs
	OTHER=$(package --version 99.2 --programs "$ROOT/build/deploy/abi/bin")
	lab_up --containers process
	take_over
	"$ROOT/tests/deploy/box" up "$BOX" "$LAB-slave1" "$PACKAGES" 3>&-
	# a bare host: a default route, and a server of its own on port 80
	on slave1 ip route replace default via 10.80.0.1
	on slave1 python3 -m http.server --directory "$PACKAGES" 80 >/dev/null 2>&1 &
	echo $! >"$BATS_FILE_TMPDIR/server"
	wait_for "the host's own server answers" host_answers
	traces >"$BATS_FILE_TMPDIR/before"
}

# Not in setup_file: bats 1.8 takes a skip there for a failure.
setup() {
	[[ ${LONG-} == 1 ]] || skip "LONG=1 runs it"
	[[ -e $BATS_FILE_TMPDIR/before ]] || skip "no Debian 12 to be had: see build/deploy/root.log"
}

teardown_file() {
	end_pid "$BATS_FILE_TMPDIR/server"
	[[ ${LONG-} != 1 ]] || box_down
	lab_down
}

# package ARGS OF deploy/debian/build: prints the path of what it builds, from this tree's programs unless told otherwise
package() {
	(cd "$ROOT" && deploy/debian/build --programs build/bin --out "$PACKAGES" "$@")
}

host_answers() {
	on elb curl -sS --fail --max-time 5 -o /dev/null "http://$SLAVE1/"
}

# traces: all that a package could leave: files, users, units, what sits on hooks, pins, the kernel's settings
traces() {
	box find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/log -o -path /var/lib/dpkg -o \
		-path /var/cache -o -path /var/lib/systemd \) -prune -o \( -name '*-' -path '/etc/*' \) -o -printf '%y %m %u %p\n' | sort
	box cat /etc/passwd /etc/group
	box ls /etc/systemd/system /run /sys/fs/bpf
	box stat -c '%a' /sys/fs/bpf
	box sysctl -a 2>/dev/null | grep -E '^net\.(core\.bpf|ipv4\.(ip_local|tcp_|conf\.(all|eth0)))|^kernel\.unpriv' | sort
	hooked
	box systemctl list-units --all --no-legend 'sluice*'
}

daemon_pid() {
	box systemctl show --property MainPID --value sluiced
}

# install DEB: what it says goes to $BATS_TEST_TMPDIR/said too
install_deb() {
	box dpkg --install "$1" 2>&1 | tee "$BATS_TEST_TMPDIR/said"
	[[ $(box dpkg-query --show --showformat '${db:Status-Status}' sluice) == installed ]]
}

# under_load DEB: installed over what is there; not one request fails, kept connections keep their task
under_load() {
	load_start open --url "http://$SLAVE1/" --connections 2 --rate 200 --close
	load_start hold --url "http://$SLAVE1/" --connections 8 --rate 400
	load_more hold 100
	install_deb "$1"
	load_more open 200
	load_more hold 200
	load_stop open | holds '.failed == 0 and .answered > 300'
	load_stop hold | holds '.failed == 0 and .moved == 0 and .connections == 8'
}

all_active() {
	[[ $(box systemctl is-active sluice-attach sluiced sluice-watch | sort -u) == active ]]
}

@test "installed on a bare host: attached, and what the host serves on port 80 goes on; no service, no balancing" {
	load_start open --url "http://$SLAVE1/" --connections 1 --rate 20 --close
	install_deb "$OLD"
	load_more open 20
	load_stop open | holds '.failed == 0'
	wait_for "all three units are active" all_active
	[[ $(box systemctl is-enabled sluice-attach sluiced sluice-watch | sort -u) == enabled ]]
	box sluicectl --json status | holds '.attached and .services == []'
	box sluicectl --json backends | holds '. == []'
	host_answers
}

@test "configured and begun anew by the units: the lab's smoke test" {
	box_config
	box sluiced --check
	box systemctl restart sluice-attach sluiced sluice-watch || {
		box journalctl --no-pager -n 30
		return 1
	}
	tasks 3
	kill "$(cat "$BATS_FILE_TMPDIR/server")"
	rm "$BATS_FILE_TMPDIR/server"
	all_sizes
	ask --url "http://$SLAVE1/" --requests 90 --connections 3 --close | holds '.failed == 0 and (.tasks | length) == 3'
}

@test "bash completes the backends that are there" {
	run box bash -c 'source /usr/share/bash-completion/bash_completion; _completion_loader sluicectl
		COMP_WORDS=(sluicectl drain web/) COMP_CWORD=2; _sluicectl; printf "%s\n" "${COMPREPLY[@]}"'
	[[ $(wc -l <<<"$output") == 3 && $output == *web/31* ]]
}

@test "upgraded under load: programs and daemon are new, the configuration is kept, not one request fails" {
	local before pid
	before=$(hooked)
	pid=$(daemon_pid)
	under_load "$NEXT"
	[[ $(hooked) != "$before" && $(hooked | wc -l) == $(wc -l <<<"$before") ]]
	[[ $(daemon_pid) != "$pid" ]]
	[[ $(box dpkg-query --show --showformat '${Version}' sluice) == 99.1 ]]
	box grep -qx 'marathon_app = /web' /etc/sluice/sluice.conf
}

@test "rolled back under load: not one request fails" {
	local before
	before=$(hooked)
	under_load "$OLD"
	[[ $(hooked) != "$before" && $(hooked | wc -l) == $(wc -l <<<"$before") ]]
	wait_for "three are up" box_backends '[.[] | select(.state == "up")] | length == 3'
}

@test "detached by hand: an upgrade leaves it so" {
	box sluicectl detach
	install_deb "$NEXT"
	grep -q 'detached by hand' "$BATS_TEST_TMPDIR/said"
	[[ -z $(hooked) ]]
	box systemctl restart sluice-attach sluiced sluice-watch
	wait_for "three are up" box_backends '[.[] | select(.state == "up")] | length == 3'
}

@test "another ABI, under load: one message, the old programs and the old daemon go on, not one request fails" {
	local before pid
	before=$(hooked)
	pid=$(daemon_pid)
	under_load "$OTHER"
	[[ $(grep -c '^sluice: .*has ABI 99' "$BATS_TEST_TMPDIR/said") == 1 ]]
	[[ $(hooked) == "$before" && $(daemon_pid) == "$pid" ]]
	box sluicectl --json version | holds '.abi == 99 and .attached_abi != 99 and .attached_abi > 0'
	# the old daemon still follows what comes and goes
	lab scale /web 4 --no-wait >/dev/null
	wait_for "a fourth task answers" four_answer
	# attach refuses and changes nothing
	run box sluicectl attach
	[[ $status == 1 && $output == *"ABI 99"* && $(wc -l <<<"$output") == 1 ]]
	[[ $(hooked) == "$before" ]]
	ask --url "http://$SLAVE1/" --requests 30 --close | holds '.failed == 0'
}

four_answer() {
	ask --url "http://$SLAVE1/" --requests 40 --close | jq -e '.failed == 0 and (.tasks | length) == 4'
}

# pin_unknown PATH: a map of its own, pinned in the box by this machine's bpftool
pin_unknown() {
	local first
	first=$(pgrep -P "$(cat "$BOX/pid")" | head -n 1)
	ln -sfn "/proc/$first/root" "$BATS_TEST_TMPDIR/root"
	PATH=$PATH:/usr/sbin bpftool map create "$BATS_TEST_TMPDIR/root$1" type array key 4 value 4 entries 1 name gone
}

@test "the operator's moment: what the message says brings the new ABI, and the way back is the same" {
	# what a version had that the next one does not know
	pin_unknown /sys/fs/bpf/sluice/sluice_gone
	pin_unknown /sys/fs/bpf/sluice/root/sluice_gone
	box sluicectl detach
	[[ -z $(hooked) ]]
	box test ! -e /sys/fs/bpf/sluice
	box systemctl restart sluice-attach sluiced sluice-watch
	wait_for "four are up" box_backends '[.[] | select(.state == "up")] | length == 4'
	four_answer
	box sluicectl --json version | holds '.attached_abi == 99'
	install_deb "$OLD"
	[[ $(grep -c '^sluice: .*has ABI 99' "$BATS_TEST_TMPDIR/said") == 1 ]]
	box sluicectl detach
	box systemctl restart sluice-attach sluiced sluice-watch
	wait_for "four are up" box_backends '[.[] | select(.state == "up")] | length == 4'
	four_answer
}

@test "removed: nothing on a hook, no pin; the configuration stays. Installed again: as it was" {
	box dpkg --remove sluice
	[[ -z $(hooked) ]]
	box test ! -e /sys/fs/bpf/sluice
	box test -e /etc/sluice/sluice.conf
	run box pgrep -a sluice
	[[ $status == 1 ]]
	install_deb "$OLD"
	wait_for "four are up" box_backends '[.[] | select(.state == "up")] | length == 4'
	four_answer
}

@test "purged: no program, pin, user, file, unit or setting is left" {
	# what an operator may have put beside it
	box mkdir -p /etc/systemd/system/sluiced.service.d
	box cp /usr/share/doc/sluice/examples/before-5.19.conf /etc/systemd/system/sluiced.service.d/
	box dpkg --purge sluice
	traces >"$BATS_FILE_TMPDIR/after"
	diff "$BATS_FILE_TMPDIR/before" "$BATS_FILE_TMPDIR/after"
}
