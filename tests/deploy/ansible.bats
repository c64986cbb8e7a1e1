#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# deploy/ansible, run for real by Debian's Ansible. The target is a root of its own (private_root): what the role makes, user,
# files and programs, is seen there alone. No systemd runs in it, so units are neither started nor stopped; that the handlers
# are told is seen. LONG=1 also runs a dry run, bad settings, a change, and a second removal.

# What is missing skips the tests in setup(): bats 1.8 takes a skip in here for a failure.
setup_file() {
	local i
	cd "$BATS_TEST_DIRNAME/../.." || return
	((EUID == 0)) || return 0
	[[ -x /usr/bin/ansible-playbook ]] || return 0
	[[ -x build/bin/sluiced ]] || return 0
	export dir=$BATS_FILE_TMPDIR target
	unshare --mount --net --propagation private -- tests/deploy/private_root "$dir" "$PWD" >"$dir/log" 2>&1 3>&- &
	echo $! >"$dir/pid"
	for ((i = 0; i < 300; i++)); do
		[[ -e $dir/ready ]] && break
		kill -0 "$(cat "$dir/pid")" 2>/dev/null || { cat "$dir/log"; return 1; }
		sleep 0.1
	done
	target=$(cat "$dir/pid")
	inside tee /tmp/inventory >/dev/null <<-END
		[mesos_masters]
		10.80.0.250
		[mesos_slaves]
		slave1 ansible_connection=local ansible_python_interpreter=/usr/bin/python3
	END
	inside tee /tmp/vars.json >/dev/null <<-END
		{"sluice_install": "make", "sluice_source": "/tree", "sluice_marathon_user": "sluice:secret",
		 "sluice_node": {"name": ["slave-1.example.com", "10.80.0.2"], "interface": "lo"},
		 "sluice_consul_token": "00000000-1111-2222-3333-444444444444"}
	END
}

teardown_file() {
	[[ ! -e $BATS_FILE_TMPDIR/pid ]] || kill "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || true
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	[[ -n ${target-} ]] || skip "needs root, Ansible and what make builds"
}

# inside COMMAND...: in the target. Built with warnings as errors or not: as the tree was, or the role would build it anew.
inside() {
	local -a flags=()
	! grep -q -- -Werror build/.flags || flags=(WERROR=1)
	nsenter --mount="/proc/$target/ns/mnt" --net="/proc/$target/ns/net" chroot "$dir/layers/root" \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 ANSIBLE_NOCOLOR=1 \
		ANSIBLE_LOCAL_TEMP=/tmp/a ANSIBLE_REMOTE_TEMP=/tmp/b ANSIBLE_PIPELINING=1 \
		"${flags[@]}" "$@"
}

play() {
	run inside ansible-playbook -i /tmp/inventory -e @/tmp/vars.json "$@" /tree/deploy/ansible/site.yml
	echo "$output"
}

# traces: of Sluice on the target
traces() {
	inside sh -c 'getent passwd sluice; getent group sluice; ls -d /etc/sluice /etc/sysctl.d/60-sluice* /usr/share/doc/sluice 2>/dev/null
		find /usr/sbin /usr/share/man /lib/systemd /etc/systemd /usr/lib/tmpfiles.d -iname "*sluice*"' || true
}

@test "a dry run on a bare host says what it would do and does nothing" {
	[[ ${LONG-} == 1 ]] || skip "LONG=1 runs it"
	[ "$(traces)" = "" ]
	play --check
	[ "$status" -eq 0 ]
	[[ $output == *"unreachable=0"*"failed=0"* ]]
	[ "$(traces)" = "" ]
}

@test "the role installs programs, user, secrets, ports to keep free and a configuration that sluiced accepts" {
	play
	[ "$status" -eq 0 ]
	[[ $output == *"RUNNING HANDLER [sluice : Attach]"* ]]
	[[ $output == *"RUNNING HANDLER [sluice : Reload]"* ]]
	[[ $output == *"RUNNING HANDLER [sluice : Sysctl]"* ]]
	inside getent passwd sluice
	inside cmp /usr/sbin/sluiced /tree/build/bin/sluiced
	inside cmp /usr/sbin/sluicectl /tree/build/bin/sluicectl
	inside /usr/sbin/sluiced --config /etc/sluice/sluice.conf --check
	inside grep -qx 'url = http://10.80.0.250:8080' /etc/sluice/sluice.conf
	inside grep -qx 'name = slave-1.example.com, 10.80.0.2' /etc/sluice/sluice.conf
	inside grep -qx 'token_file = /etc/sluice/consul.token' /etc/sluice/sluice.conf
	inside grep -qx 'net.ipv4.ip_local_port_range = 32768 60999' /etc/sysctl.d/60-sluice-ports.conf
	inside grep -qx 'net.ipv4.ip_local_reserved_ports = 31000-32000' /etc/sysctl.d/60-sluice-ports.conf
	[ "$(inside stat -c '%a %U:%G' /etc/sluice/consul.token)" = "640 root:sluice" ]
	# and the user that the daemon runs as can read it all
	inside setpriv --reuid=sluice --regid=sluice --clear-groups /usr/sbin/sluiced --check
	# nothing of it is on the machine itself
	[ ! -e /tree ]
	[ ! -e "$dir/layers/root" ]
}

@test "a second run changes nothing" {
	play
	[ "$status" -eq 0 ]
	[[ $output == *"changed=0 "* ]]
	[[ $output != *"RUNNING HANDLER"* ]]
}

@test "settings that sluiced refuses leave the file as it was" {
	[[ ${LONG-} == 1 ]] || skip "LONG=1 runs it"
	before=$(inside cat /etc/sluice/sluice.conf)
	play -e '{"sluice_services": [{"name": "web", "port": 80, "marathon_app": "/rails", "balance": "fastest"}]}'
	[ "$status" -ne 0 ]
	[[ $output == *balance* ]]
	[ "$(inside cat /etc/sluice/sluice.conf)" = "$before" ]
	play -e sluice_install=gem
	[ "$status" -ne 0 ]
	[[ $output == *"sluice_install is deb"* ]]
}

@test "a changed setting is written, the daemon is told to reload, and nobody attaches anew; a dry run tells the same" {
	[[ ${LONG-} == 1 ]] || skip "LONG=1 runs it"
	before=$(inside cat /etc/sluice/sluice.conf)
	change='{"sluice_services": [{"name": "web", "port": 80, "marathon_app": "/rails", "balance": "source"}]}'
	play --check --diff -e "$change"
	[ "$status" -eq 0 ]
	[[ $output == *"+balance = source"* ]]
	[ "$(inside cat /etc/sluice/sluice.conf)" = "$before" ]
	play -e "$change"
	[ "$status" -eq 0 ]
	[[ $output == *"changed=1 "* ]]
	[[ $output == *"RUNNING HANDLER [sluice : Reload]"* ]]
	[[ $output != *"RUNNING HANDLER [sluice : Attach]"* ]]
	inside grep -qx 'balance = source' /etc/sluice/sluice.conf
}

@test "state absent leaves nothing, and has nothing to do after that" {
	play -e sluice_state=absent
	[ "$status" -eq 0 ]
	[ "$(traces)" = "" ]
	[[ ${LONG-} == 1 ]] || return 0
	play -e sluice_state=absent
	[ "$status" -eq 0 ]
	[[ $output == *"changed=0 "* ]]
}
