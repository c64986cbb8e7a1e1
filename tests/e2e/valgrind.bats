#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# The daemon as it ships, under valgrind's memcheck, through a life: start, whole answers, events, reload, callbacks,
# metrics, questions, end. No error, nothing lost. About a minute: LONG=1.
#
# Two suppressions (valgrind.supp) are for what it does not know of bpf(2). It does not know seccomp(2) at all and passes
# what libseccomp then does through prctl(2); the sandbox is tests/unit/test_sandbox's business. What a batch look-up
# writes it does not see either: no flow is there here.

source "${BATS_TEST_DIRNAME}/lab.bash"

export DEADLINE=300 # what takes a second takes memcheck half a minute, on a busy machine more

wanted() {
	[[ -n ${LONG-} ]] && command -v valgrind >/dev/null
}

setup() {
	wanted || skip "LONG=1 runs it, if valgrind is installed"
}

setup_file() {
	wanted || return 0
	lab_up --slaves 1 --containers process
	lab config slave1 marathon.resync=2s
	scale /web 3
	lab stop slave1 sluiced
}

teardown_file() {
	lab_down
}

# said TEXT...: has the daemon logged it?
said() {
	grep -q -- "$*" "$BATS_TEST_TMPDIR/log"
}

answers() {
	ctl --json status | jq -e '.sources | length == 3 and all(.connected)'
}

up_count() {
	[[ $(ctl --json backends | jq '[.[] | select(.state == "up")] | length') == "$1" ]]
}

# post EVENT: as an old Marathon would
post() {
	on master curl -sS --fail --max-time 20 -X POST -H 'Content-Type: application/json' -d "$1" http://10.80.0.2:8081/events
}

@test "memcheck finds no error and no leak" {
	local pid status=0 task
	"$TOOL" exec slave1 -- sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$BATS_TEST_TMPDIR/pid" \
		setpriv --reuid=64080 --regid=64080 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
		valgrind --leak-check=full --errors-for-leak-kinds=definite,indirect --error-exitcode=99 --num-callers=30 \
		--suppressions="$ROOT/tests/e2e/valgrind.supp" \
		--log-fd=9 "$ROOT/build/bin/sluiced" --config "$LAB_CONFIG" \
		>"$BATS_TEST_TMPDIR/log" 2>&1 9>"$BATS_TEST_TMPDIR/valgrind" 3>&- &
	wait_for "it follows its sources" answers
	wait_for "all are up" up_count 3
	pid=$(cat "$BATS_TEST_TMPDIR/pid")

	# events and whole answers
	task=$(ctl --json backends | jq -r '.[0].task')
	lab kill "$task"
	wait_for "another one has its place" backends_hold --arg t "$task" \
		'[.[] | select(.state == "up" and .task != $t)] | length == 3'
	# questions, the operator's word, the page of metrics
	ctl why "$(ctl --json backends | jq -r '[.[] | select(.state == "up")][0].port')" >/dev/null
	ctl verify >/dev/null || true
	ctl drain web/"$(ctl --json backends | jq -r '[.[] | select(.state == "up")][0].port')"
	on slave1 curl -sS --fail --max-time 20 http://127.0.0.1:9180/metrics >"$BATS_TEST_TMPDIR/metrics"
	grep -q ^sluice_ "$BATS_TEST_TMPDIR/metrics"

	# a reload to callbacks, one that is refused, and back
	sed -i -e 's/^events *=.*/events = callback/' \
		-e '/^\[marathon\]/a callback_listen = 10.80.0.2:8081\ncallback_url = http://10.80.0.2:8081/events\ncallback_from = 10.80.0.250/32' \
		"$LAB_CONFIG"
	kill -HUP "$pid"
	wait_for "it has read the file" said "notice: reloaded "
	wait_for "callbacks are taken" post '{"eventType":"status_update_event","taskId":"web.x","taskStatus":"TASK_KILLING","appId":"/web","host":"slave1.lab","ports":[31000]}'
	post 'no JSON'
	wait_for "it says so" said "event-refused"
	cp "$LAB_CONFIG" "$BATS_TEST_TMPDIR/good"
	echo "nonsense" >>"$LAB_CONFIG"
	kill -HUP "$pid"
	wait_for "it is refused" said "reload-refused"
	sed 's/^events *=.*/events = sse/' "$BATS_TEST_TMPDIR/good" >"$LAB_CONFIG"
	kill -HUP "$pid"
	wait_for "all sources are there again" answers

	kill -TERM "$pid"
	wait $! || status=$?
	grep -v "unhandled eBPF command" "$BATS_TEST_TMPDIR/valgrind"
	[[ $status == 0 ]]
	grep -q 'ERROR SUMMARY: 0 errors' "$BATS_TEST_TMPDIR/valgrind"
	grep -Eq 'definitely lost: 0 bytes|no leaks are possible' "$BATS_TEST_TMPDIR/valgrind"
}
