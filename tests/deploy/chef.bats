#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# deploy/chef, as far as Debian's Ruby allows: every file is Ruby, the recipes run against a stand-in for Chef that knows
# what they use (chef_recipe.rb), and the template gives a configuration that sluiced accepts.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	[[ -x /usr/bin/ruby ]] || skip "no Ruby (Debian: ruby)"
	conf=$BATS_TEST_TMPDIR/sluice.conf
}

# accepted: by sluiced, which wants to see the files with secrets too
accepted() {
	echo user:password >"$BATS_TEST_TMPDIR/marathon.user"
	echo token >"$BATS_TEST_TMPDIR/consul.token"
	chmod 0600 "$BATS_TEST_TMPDIR"/consul.token "$BATS_TEST_TMPDIR"/marathon.user
	sed "s#/etc/sluice/#$BATS_TEST_TMPDIR/#" "$conf" >"$conf.here"
	build/bin/sluiced --config "$conf.here" --check
}

@test "every file of the cookbook is good Ruby" {
	local file n=0
	while IFS= read -r file; do
		/usr/bin/ruby -wc "$file"
		n=$((n + 1))
	done < <(find deploy/chef -name '*.rb')
	[ "$n" -ge 6 ]
}

@test "the recipes find the masters by role and make a configuration that sluiced accepts" {
	[[ -x build/bin/sluiced ]] || skip "nothing is built"
	run /usr/bin/ruby tests/deploy/chef_recipe.rb "$conf" '{"secrets_bag": "mesos", "conf": {"node": {"interface": "lo"}, "marathon": {}, "consul": {}, "guards": {}, "admin": {}}}'
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"net.ipv4.ip_local_port_range = 32768 60999"*"net.ipv4.ip_local_reserved_ports = 31000-32000"* ]]
	[[ $output == *"package[sluice]"*"template[/etc/sluice/sluice.conf]"*"service[sluice-attach]"*"service[sluiced]"* ]]
	grep -qx 'url = http://10.80.0.250:8080, http://10.80.0.251:8080' "$conf"
	grep -qx 'token_file = /etc/sluice/consul.token' "$conf"
	accepted
}

@test "all three ways to install, callbacks, and a wrong way" {
	local how sum
	sum=$(printf '%064d' 1)
	[[ -x build/bin/sluiced ]] || skip "nothing is built"
	for how in '{"install": "make", "source": "/tree"}' \
		'{"install": "deb", "deb_url": "https://packages.example.com/sluice.deb", "deb_sha256": "'"$sum"'"}' '{"install": "apt", "events": "callback"}'; do
		/usr/bin/ruby tests/deploy/chef_recipe.rb "$conf" "$how"
		accepted
	done
	grep -qx 'callback_from = 10.80.0.250/32, 10.80.0.251/32' "$conf"
	run /usr/bin/ruby tests/deploy/chef_recipe.rb "$conf" '{"install": "gem"}'
	[ "$status" -ne 0 ]
	[[ $output == *'"gem": deb, apt or make'* ]]
}
