#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# deploy/rails. Here: what can be told without Rails, the graceful end above all. LONG=1 runs the whole demo, which fetches
# Rails from Debian, builds the image and counts failed requests.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
	[[ -x /usr/bin/ruby ]] || skip "no Ruby (Debian: ruby)"
	dir=$BATS_TEST_TMPDIR
}

@test "every file of the app is good Ruby" {
	local file n=0
	while IFS= read -r file; do
		/usr/bin/ruby -wc "$file"
		n=$((n + 1))
	done < <(find deploy/rails/app -name '*.rb' -o -name '*.ru')
	[ "$n" -ge 7 ]
}

@test "lame duck: goes on after SIGTERM, closes kept connections, fails its health check, and only then ends" {
	run timeout 60 /usr/bin/ruby tests/deploy/lame_duck.rb
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "before: 200 keep-alive, health 200" ]
	[ "${lines[1]}" = "after SIGTERM: 200 close, health 503, server goes on" ]
	[ "${lines[2]}" = "in the end: the server was told once" ]
}

@test "Marathon takes the document in both versions, and its times fit each other" {
	local version pid i grace lame
	for version in 1.4.13 1.8.222; do
		printf '{"id": "bats", "agents": [{"name": "slave1", "type": "dry"}]}' >"$dir/agents.json"
		mkdir -p "$dir/$version"
		python3 tools/marathon-sim/marathon-sim --version "$version" --listen 127.0.0.1:0 --agents "$dir/agents.json" \
			--state-dir "$dir/$version" --control "unix:$dir/$version/control" >"$dir/$version/out" 2>&1 3>&- &
		pid=$!
		for ((i = 0; i < 300; i++)); do
			grep -q ready "$dir/$version/out" && break
			sleep 0.1
		done
		run curl -sS -w '%{http_code}\n' -H 'Content-Type: application/json' -d @deploy/rails/marathon.json \
			"$(sed -n 's/.*ready on //p' "$dir/$version/out")/v2/apps"
		# its tasks are no processes, so nobody need end them
		kill -KILL "$pid"
		wait "$pid" || true
		echo "$output"
		[[ $output == *201 ]]
	done
	grace=$(jq .taskKillGracePeriodSeconds deploy/rails/marathon.json)
	lame=$(jq -r .env.LAME_DUCK_SECONDS deploy/rails/marathon.json)
	[ "$grace" -gt $((lame + 10)) ]
	[ "$(jq '.container.docker.portMappings[0].containerPort' deploy/rails/marathon.json)" = \
		"$(sed -n 's/^EXPOSE //p' deploy/rails/Dockerfile)" ]
	grep -q "get '$(jq -r '.healthChecks[0].path[1:]' deploy/rails/marathon.json)'" deploy/rails/app/config/routes.rb
}

@test "the whole demo: 2 -> 6 -> 3 containers and a new version under load, no request of 20,000 fails" {
	[[ ${LONG-} == 1 ]] || skip "LONG=1 runs it"
	((EUID == 0)) || skip "needs root"
	run make demo APP=rails
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output != *BROKEN* ]]
	[[ $output =~ \ ([0-9]+)\ claims\ hold,\ 0\ are\ broken ]]
	[ "${BASH_REMATCH[1]}" -ge 25 ]
}
