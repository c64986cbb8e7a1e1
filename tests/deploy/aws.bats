#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# deploy/aws: every call that the scripts make passes the installed AWS command line's own parser and parameter check,
# and goes to a local end point (endpoint/) that keeps state and refuses what AWS would refuse. So: the order is one that
# works, a second run finds everything and makes nothing, and stop.sh leaves nothing.
# LONG=1 runs the other load balancers and the removal of one slave too.

# What is missing skips the tests in setup(): bats 1.8 takes a skip in here for a failure.
setup_file() {
	local i
	cd "$BATS_TEST_DIRNAME/../.." || return
	[[ -x /usr/bin/aws && -d /usr/lib/python3/dist-packages/awscli ]] || return 0
	export dir=$BATS_FILE_TMPDIR
	export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true
	export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null HOME=$dir no_proxy=127.0.0.1
	mkdir "$dir/account"
	python3 tests/deploy/endpoint/endpoint.py "$dir/account" >"$dir/url" 2>"$dir/endpoint.log" 3>&- &
	echo $! >"$dir/pids"
	/usr/bin/python3 tests/deploy/endpoint/aws_server.py "$dir/server" >"$dir/server.log" 2>&1 3>&- &
	echo $! >>"$dir/pids"
	for ((i = 0; i < 600; i++)); do
		[[ -S $dir/server && -s $dir/url ]] && break
		sleep 0.1
	done
	export AWS_SERVER=$dir/server AWS_CLI=$PWD/tests/deploy/endpoint/aws_server.py
	AWS_ENDPOINT=$(cat "$dir/url")
	export AWS_ENDPOINT RETRY_SECONDS=0.1 CLUSTER=test1 MASTERS=1 SLAVES=2 ELB_TYPE=classic
	for i in SLUICE CONSUL MESOS MARATHON; do
		export "${i}_DEB_URL=https://packages.example.com/$i.deb" "${i}_DEB_SHA256=$(printf '%064d' 1)"
	done
}

teardown_file() {
	local pid
	[[ -e $BATS_FILE_TMPDIR/pids ]] || return 0
	while read -r pid; do
		kill "$pid" 2>/dev/null || true
	done <"$BATS_FILE_TMPDIR/pids"
}

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	[[ -n ${AWS_ENDPOINT-} ]] || skip "no AWS command line (Debian: awscli)"
	calls=$dir/account/calls
}

# writes: calls since `: >calls` that change something
writes() {
	grep -vE ' (Describe|Get|List)' "$calls" || true
}

# state FILTER: of all that exists in the account
state() {
	jq -r "$1" "$dir/account/state.json"
}

@test "a dry run on an empty account prints every step and makes no writing call" {
	run deploy/aws/start.sh --dry-run
	# create_slave needs what create_master would have made, and says so by printing that too
	[ "$status" -eq 0 ]
	[[ $output == *"would: aws ec2 create-vpc"* ]]
	[[ $output == *"would: aws ec2 run-instances"* ]]
	[[ $output == *"would: aws elb create-load-balancer"* ]]
	[ -z "$(writes)" ]
	[ "$(state '[.[][] | length] | add')" = 0 ]
}

@test "start.sh makes a master, slaves and a load balancer in front of them" {
	: >"$calls"
	run deploy/aws/start.sh
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(state '[.ec2.instances[] | .tags.Name] | sort | join(" ")')" = "test1-master-1 test1-slave-1 test1-slave-2" ]
	[ "$(state '.ec2.instances[] | select(.tags.Name == "test1-master-1") | .address')" = 10.80.0.11 ]
	[ "$(state '[.ec2.instances[] | select(.state != "running")] | length')" = 0 ]
	[ "$(state '.elb.balancers["test1-web"].instances | length')" = 2 ]
	[ "$(state '.elb.balancers["test1-web"].check.Target')" = HTTP:80/ ]
	[ "$(state '.elb.balancers["test1-web"].attributes | .ConnectionDraining.Timeout + " " + .ConnectionSettings.IdleTimeout')" = "60 60" ]
}

@test "the world reaches port 80 of the load balancer, and nothing else of anything" {
	[ "$(state '[.ec2.rules[] | select(.peer | contains("/"))] | length')" = 1 ]
	[ "$(state '.ec2.rules[] | select(.peer == "0.0.0.0/0") | .from + " " + .to')" = "80 80" ]
	[ "$(state '. as $a | .ec2.rules[] | select(.peer == "0.0.0.0/0") | $a.ec2.groups[.group].name')" = test1-elb ]
	# and the slaves' port 80 is the load balancer's alone
	[ "$(state '. as $a | [.ec2.rules[] | select($a.ec2.groups[.group].name == "test1-slave" and .from == "80") | $a.ec2.groups[.peer].name] | join(" ")')" = test1-elb ]
}

@test "containers cannot ask for the machine's role; disks are encrypted" {
	[ "$(state '[.ec2.instances[].metadata | .HttpTokens + .HttpPutResponseHopLimit] | unique | join(" ")')" = required1 ]
	[ "$(state '[.ec2.instances[].disk.Encrypted] | unique | join(" ")')" = true ]
}

@test "no secret stands in user data, and a role reads only its own" {
	local value
	[ "$(state '.ssm.parameters | length')" = 9 ]
	while IFS= read -r value; do
		[ "${#value}" -ge 16 ]
		run grep -rF -- "$value" "$dir"/account/user-data-*
		[ "$status" -eq 1 ]
	done < <(state '.ssm.parameters[] | split("\n")[1] // split("\n")[0]')
	[ "$(state '[.iam.roles["test1-slave"][].Statement[].Resource[]] | map(sub(".*parameter"; "")) | join(" ")')" = \
		"/sluice/test1/all/* /sluice/test1/slave/*" ]
	[ "$(state '[.iam.roles[][].Statement[].Resource[] | select(contains("operator"))] | length')" = 0 ]
}

@test "a second run of start.sh makes no writing call" {
	: >"$calls"
	run deploy/aws/start.sh
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(writes)" = "" ]
	[ "$(wc -l <"$calls")" -gt 20 ]
}

@test "stop.sh wants to be sure, and a dry run of it removes nothing" {
	: >"$calls"
	run deploy/aws/stop.sh </dev/null
	[ "$status" -eq 1 ]
	[[ $output == *"--yes"* ]]
	run deploy/aws/stop.sh --dry-run
	[ "$status" -eq 0 ]
	[[ $output == *"would: aws ec2 delete-vpc"* ]]
	[ -z "$(writes)" ]
}

@test "stop.sh removes all that was made, and has nothing to do after that" {
	run deploy/aws/stop.sh --yes
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(state '[.[][] | length] | add')" = 0 ]
	: >"$calls"
	run deploy/aws/stop.sh --yes
	[ "$status" -eq 0 ]
	[ "$(writes)" = "" ]
}

@test "bad settings and options are refused by name, with nothing called" {
	: >"$calls"
	MASTERS=2 run deploy/aws/create_master.sh
	[ "$status" -eq 1 ]
	[[ $output == *'MASTERS is "2": one or three'* ]]
	MESOS_DEB_URL='' run deploy/aws/create_slave.sh
	[ "$status" -eq 1 ]
	[[ $output == *"MESOS_DEB_URL is not set"* ]]
	run deploy/aws/create_elb.sh --type gateway
	[ "$status" -eq 2 ]
	run deploy/aws/create_slave.sh --count many
	[ "$status" -eq 2 ]
	[ ! -s "$calls" ]
}

@test "three masters, application and network load balancer, one slave less, one slave stopped" {
	local type id
	[[ ${LONG-} == 1 ]] || skip "LONG=1 runs it"
	export MASTERS=3 ADMIN_CIDR=192.0.2.0/24 CLUSTER=test3
	for type in alb nlb; do
		ELB_TYPE=$type run deploy/aws/start.sh
		echo "$output"
		[ "$status" -eq 0 ]
		: >"$calls"
		ELB_TYPE=$type run deploy/aws/start.sh
		[ "$status" -eq 0 ]
		[ -z "$(writes)" ]
		[ "$(state '[.elbv2.target_groups[].targets | length] | add')" = 2 ]
		[ "$(state '.elbv2.listeners[].port')" = 80 ]
		run deploy/aws/create_elb.sh --type classic
		[ "$status" -eq 1 ]
		[[ $output == *"is of type $type"* ]]
		run deploy/aws/stop.sh --slave 2
		[ "$status" -eq 0 ]
		[ "$(state '[.ec2.instances[].tags.Name | select(contains("slave"))] | join(" ")')" = test3-slave-1 ]
		grep -q 'elbv2 DeregisterTargets' "$calls"
		run deploy/aws/stop.sh --elb
		[ "$status" -eq 0 ]
		[ "$(state '.elbv2 | [.[] | length] | add')" = 0 ]
	done
	[ "$(state '[.ec2.instances[] | select(.tags["sluice-role"] == "master") | .address] | sort | join(" ")')" = \
		"10.80.0.11 10.80.0.13 10.80.1.12" ]
	id=$(state '.ec2.instances | to_entries[] | select(.value.tags.Name == "test3-slave-1") | .key')
	"$AWS_CLI" --endpoint-url "$AWS_ENDPOINT" --region eu-central-1 ec2 stop-instances --instance-ids "$id"
	: >"$calls"
	run deploy/aws/create_slave.sh --count 1
	[ "$status" -eq 0 ]
	[ "$(writes)" = "ec2 StartInstances" ]
	run deploy/aws/stop.sh --yes
	[ "$status" -eq 0 ]
	[ "$(state '[.[][] | length] | add')" = 0 ]
}

@test "each version of Marathon gets its own flags, and sluiced takes the file that goes with them" {
	local version flags events
	[[ -x build/bin/sluiced ]] || skip "nothing is built"
	echo user:password >"$BATS_TEST_TMPDIR/marathon.user"
	echo token >"$BATS_TEST_TMPDIR/consul.token"
	chmod 0600 "$BATS_TEST_TMPDIR"/*.*
	while read -r version events flags; do
		mkdir "$BATS_TEST_TMPDIR/$version"
		MARATHON_VERSION=$version MASTERS=3 tests/deploy/cluster_files "$BATS_TEST_TMPDIR/$version"
		run grep -ohE 'MARATHON_(EVENT|ENABLE)[A-Z_]*=.*' "$BATS_TEST_TMPDIR/$version/master.yaml"
		[ "${lines[*]}" = "$flags" ]
		/usr/bin/ruby -ryaml -e 'puts YAML.safe_load($stdin.read)["write_files"].find { |file| file["path"] == "/etc/sluice/sluice.conf" }["content"]' \
			<"$BATS_TEST_TMPDIR/$version/slave.yaml" | sed "s/__ADDRESS__/10.80.0.21/; s#/etc/sluice/#$BATS_TEST_TMPDIR/#" \
			>"$BATS_TEST_TMPDIR/sluice.conf"
		grep -qx "events = $events" "$BATS_TEST_TMPDIR/sluice.conf"
		grep -qx 'callback_from = 10.80.0.11/32, 10.80.1.12/32, 10.80.0.13/32' "$BATS_TEST_TMPDIR/sluice.conf"
		build/bin/sluiced --config "$BATS_TEST_TMPDIR/sluice.conf" --check
	done <<-END
		0.15.3 callback MARATHON_EVENT_SUBSCRIBER=http_callback
		1.4.13 callback MARATHON_EVENT_SUBSCRIBER=http_callback MARATHON_ENABLE_FEATURES=task_killing
		1.8.222 sse MARATHON_ENABLE_FEATURES=task_killing
	END
}
