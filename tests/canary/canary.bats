#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-only
# Must fail, so that tests/run can prove that it notices.

@test "passes" {
	true
}

@test "fails" {
	false
}

@test "skips" {
	skip "on purpose"
}
