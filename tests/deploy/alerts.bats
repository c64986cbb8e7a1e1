#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
#
# Alert rules, dashboard and operating document: promtool takes the rules and their own test cases, each rule can fire, and what is
# named is what sluiced exports.

setup() {
	cd "$BATS_TEST_DIRNAME/../.." || return
}

@test "promtool: the rules are good, and so are their test cases" {
	promtool check rules deploy/prometheus/sluice.rules.yml
	promtool test rules deploy/prometheus/sluice.rules.test.yml
}

@test "every alert fires in a test case" {
	local alert
	grep -oE 'alert: [A-Za-z]+' deploy/prometheus/sluice.rules.yml | sed 's/alert: //' >"$BATS_TEST_TMPDIR/alerts"
	[[ $(wc -l <"$BATS_TEST_TMPDIR/alerts") -ge 10 ]]
	while read -r alert; do
		grep -qE "^ +alertname: $alert\$" deploy/prometheus/sluice.rules.test.yml || {
			echo "no test case lets $alert fire"
			return 1
		}
	done <"$BATS_TEST_TMPDIR/alerts"
}

@test "a rule that is wrong is found: the test cases can fail" {
	local status=0
	cp deploy/prometheus/*.yml "$BATS_TEST_TMPDIR"
	sed -i 's/sluice_source_connected == 0/sluice_source_connected == 2/' "$BATS_TEST_TMPDIR/sluice.rules.yml"
	promtool test rules "$BATS_TEST_TMPDIR/sluice.rules.test.yml" >"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
	((status != 0))
	grep -q SluiceSourceLost "$BATS_TEST_TMPDIR/out"
}

@test "metrics, reasons, log events and alerts: the document, the rules, the dashboard and the source agree" {
	tests/deploy/documents.py
}

@test "the dashboard is one that Grafana can read: ids, queries, and a place for each panel" {
	jq -e '.title == "Sluice" and (.panels | length) >= 10
		and ([.panels[].id] | length == (unique | length))
		and ([.panels[].gridPos | [.x, .y]] | length == (unique | length))
		and all(.panels[]; .type == "timeseries" and (.targets | length) > 0 and all(.targets[]; .expr | length > 0))' \
		deploy/grafana/sluice.json
}

@test "the dashboard's queries are PromQL: promtool takes each as a rule" {
	{
		echo 'groups: [{name: dashboard, rules: ['
		jq -r '[.panels[].targets[].expr] | to_entries[] | {record: "panel:\(.key)", expr: (.value | gsub("\\$instance"; ".*"))} | tojson + ","' \
			deploy/grafana/sluice.json
		echo ']}]'
	} >"$BATS_TEST_TMPDIR/dashboard.yml"
	promtool check rules "$BATS_TEST_TMPDIR/dashboard.yml"
}
