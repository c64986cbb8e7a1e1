# SPDX-License-Identifier: GPL-2.0-only
"""Bars, floors, the report's words and the order of rounds, on rows that are made up."""
import json
import os
import tempfile
import unittest
from unittest import mock

import benchtest
from sluicebench import bars, cli, compare, floors, report, reading, tables
from sluicebench.host import BenchError
from sluicebench.run import rotated
from sluicebench.scenario import Row

RATES = {"direct": 50000, "sluice-tc": 49800, "sluice-native": 47000, "haproxy-tcp-2t-roundrobin": 30000,
         "haproxy-tcp-1t-roundrobin": 31000, "haproxy-http-2t-roundrobin": 27000}
CPU = {"direct": 28.0, "sluice-tc": 28.2, "sluice-native": 30.0, "haproxy-tcp-2t-roundrobin": 46.0, "haproxy-tcp-1t-roundrobin": 45.0,
       "haproxy-http-2t-roundrobin": 54.0}


def rows(scale=1.0, rounds=5):
    found = []
    for scenario in ("keepalive", "close"):
        for peer, rate in RATES.items():
            mine = scale if peer.startswith("sluice") else 1.0
            found.append((scenario, peer, "", {"rate": [rate * mine * (1 + 0.001 * n) for n in range(rounds)],
                                               "cpu": [CPU[peer] / mine + 0.01 * n for n in range(rounds)]}))
    return found


def judged(run):
    return {bar.name: bar for bar in bars.judge(run)}


class Bars(unittest.TestCase):
    def test_the_best_of_each_family_is_compared(self):
        bar = judged(benchtest.made_up(rows()))["keepalive/haproxy-tcp"]
        self.assertEqual((bar.top, bar.bottom), ("sluice-tc", "haproxy-tcp-1t-roundrobin"))
        self.assertAlmostEqual(bar.median, 49800 / 31000, places=6)
        self.assertEqual(bar.verdict, "met")

    def test_added_cpu(self):
        bar = judged(benchtest.made_up(rows()))["keepalive/cpu-tcp"]
        self.assertAlmostEqual(bar.median, 0.2 / 17, places=6)
        self.assertEqual(bar.verdict, "met")
        self.assertLess(bar.resolution_us, 0.01)

    def test_a_slower_sluice_misses(self):
        found = judged(benchtest.made_up(rows(0.9)))
        self.assertEqual(found["keepalive/direct"].verdict, "missed")
        self.assertEqual(found["keepalive/cpu-tcp"].verdict, "missed")

    def test_rows_with_problems_do_not_count(self):
        run = benchtest.made_up(rows())
        for row in run.rows:
            if row.peer.startswith("sluice") and row.round == 0:
                row.fail_on_errors({"timeout": 1, "read": 0})
        found = judged(run)["keepalive/direct"]
        self.assertEqual(len(found.values), 4)
        self.assertEqual(found.verdict, "unresolved")
        self.assertIn("client-side errors: 1 timeout", report.document(run, bars.judge(run), {}))

    def test_one_failed_request_is_enough(self):
        run = benchtest.made_up([("changes", "sluice-tc", "set changes", {"failed": [0, 0, 0, 0, 0], "p99": [100] * 5})])
        self.assertEqual(judged(run)["changes/failed"].verdict, "met")
        run.rows[3].metrics["failed"] = 1
        self.assertEqual(judged(run)["changes/failed"].verdict, "missed")

    def test_a_rate_that_was_not_achieved_is_discarded(self):
        self.assertIsNone(Row("latency", "direct").need_rate(991, 1000).problem)
        self.assertIn("98.9 %", Row("latency", "direct").need_rate(989, 1000).problem)


    def test_rounds_that_were_added_are_the_best_ones(self):
        many = benchtest.made_up([("keepalive", "direct", "", {"rate": [50000.0] * 20}), ("keepalive", "sluice-tc", "", {"rate": [49500.0] * 20}),
                                  ("keepalive", "sluice-native", "", {"rate": [49900.0] * 5})])
        bar = judged(many)["keepalive/direct"]
        self.assertEqual((bar.top, len(bar.values), bar.verdict), ("sluice-tc", 20, "met"))

    def test_loud_rows_are_left_out_and_named(self):
        quiet, loud = [0.01] * 6, [0.01, 0.01, 0.5, 0.01, 0.01, 0.01]
        run = benchtest.made_up([("keepalive", "direct", "", {"rate": [50000.0] * 6, "other": quiet}),
                                 ("keepalive", "sluice-tc", "", {"rate": [49900.0, 49900.0, 20000.0, 49900.0, 49900.0, 49900.0], "other": loud})])
        self.assertEqual(judged(run)["keepalive/direct"].values, [0.998] * 5)
        self.assertIn("1 left out, too much beside them", report.document(run, bars.judge(run), {}))
        # on a machine that is never quiet the limit is another, else nothing would count
        busy = benchtest.made_up([("keepalive", "direct", "", {"rate": [50000.0] * 6, "other": [0.3, 0.31, 0.29, 0.3, 0.32, 0.9]})])
        self.assertEqual(len(busy.values("keepalive", "direct", "rate")), 5)

    def test_a_machine_that_is_not_quiet_decides_nothing(self):
        run = benchtest.made_up(rows())
        self.assertEqual(judged(run)["keepalive/direct"].verdict, "met")
        for row in run.rows:
            row.metrics["other"] = 0.3
        self.assertEqual(judged(run)["keepalive/direct"].verdict, "unresolved")

    def test_direct_against_itself(self):
        run = benchtest.made_up([("keepalive", "direct", "", {"rate": [100.0] * 5, "cpu": [20.0] * 5}),
                                 ("keepalive", "direct-again", "", {"rate": [101.0, 99.0, 100.0, 102.0, 98.0], "cpu": [21.0, 19.0, 20.0, 20.0, 20.0]})])
        found = {what: values for what, _, values in bars.against_itself(run)}
        self.assertEqual(found["keep-alive, rate"], [1.01, 0.99, 1.0, 1.02, 0.98])
        self.assertEqual(found["keep-alive, CPU us a request"], [1.0, -1.0, 0.0, 0.0, 0.0])
        self.assertIn("| keep-alive, rate | 1.000 | 0.980 - 1.020 | 5 |", report.document(run, bars.judge(run), {}))


class TwoRuns(unittest.TestCase):
    def file(self, scale):
        handle, path = tempfile.mkstemp(suffix=".json")
        self.addCleanup(os.unlink, path)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"bars": [bar.as_dict() for bar in bars.judge(benchtest.made_up(rows(scale)))]}, file)
        return path

    def test_met_and_missed_contradict(self):
        good, bad = self.file(1.0), self.file(0.9)
        words = {name: word for name, _, _, word in compare.judge(compare.read(good), compare.read(bad))}
        self.assertEqual((words["keepalive/direct"], words["keepalive/cpu-tcp"]), ("contradiction", "contradiction"))
        self.assertEqual(compare.say_and_judge(good, bad), 1)
        self.assertEqual(compare.say_and_judge(good, good), 0)
        self.assertEqual(compare.say_and_judge(bad, bad), 0)

    def test_who_could_not_tell_contradicts_nobody(self):
        one, other = compare.read(self.file(1.0)), compare.read(self.file(0.9))
        for bar in other.values():
            bar["verdict"] = "unresolved"
        self.assertEqual({word for *_, word in compare.judge(one, other)}, {"undecided"})

    def test_what_is_no_report_is_refused(self):
        with self.assertRaisesRegex(BenchError, "not a report.json"):
            compare.read(__file__)


class Floors(unittest.TestCase):
    def file(self, content):
        handle, path = tempfile.mkstemp(suffix=".json")
        self.addCleanup(os.unlink, path)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"floors": content}, file)
        return path

    def test_the_shipped_file_keeps_the_rule(self):
        self.assertGreaterEqual(len(floors.read()), 4)

    def test_no_floor_below_its_bar_minus_the_resolution(self):
        self.assertEqual(floors.read(self.file({"keepalive/direct": 0.9506})), {"keepalive/direct": 0.9506})
        with self.assertRaisesRegex(BenchError, "keepalive/direct: the floor 0.95 lies beyond"):
            floors.read(self.file({"keepalive/direct": 0.95}))
        with self.assertRaisesRegex(BenchError, "beyond"):
            floors.read(self.file({"keepalive/cpu-tcp": 0.14}))
        with self.assertRaisesRegex(BenchError, "no bar is called"):
            floors.read(self.file({"keepalive/nobody": 1}))

    def test_a_ratio_that_has_fallen_fails(self):
        shipped = floors.read()
        self.assertEqual(floors.say_and_judge(benchtest.made_up(rows()), shipped), 0)
        fallen = benchtest.made_up(rows(0.94))
        self.assertEqual(floors.say_and_judge(fallen, shipped), 1)
        broken, undecided = floors.compare(bars.judge(fallen), shipped)
        self.assertTrue(any(line.startswith("keepalive/direct: 0.9") for line in broken))
        self.assertEqual(undecided, [])

    def test_an_interval_across_the_floor_is_said_and_fails_nothing(self):
        run = benchtest.made_up(rows())
        judged = next(bar for bar in bars.judge(run) if bar.name == "keepalive/direct")
        judged.values = [0.90, 0.92, 0.93, 0.97, 0.99]
        judged.median, (judged.low, judged.high) = 0.93, (0.90, 0.99)
        broken, undecided = floors.compare([judged], {"keepalive/direct": 0.955})
        self.assertEqual(broken, [])
        self.assertEqual(undecided, ["keepalive/direct: 0.930 [0.900, 0.990] (5 rounds), the floor is 0.955"])

    def check(self, run, content):
        """bench check's exit status when the run comes out so."""
        run.all = lambda: None
        with tempfile.TemporaryDirectory() as out, mock.patch.object(cli, "Run", lambda options, say: run), \
                mock.patch.object(cli, "need_root"), mock.patch.object(cli, "need"):
            return cli.main(["check", "--floors", self.file(content), "--out", out])

    def test_the_command_fails_when_a_floor_is_broken(self):
        self.assertEqual(self.check(benchtest.made_up(rows()), {"keepalive/direct": 0.955}), 0)
        self.assertEqual(self.check(benchtest.made_up(rows(0.94)), {"keepalive/direct": 0.955}), 1)
        self.assertEqual(self.check(benchtest.made_up(rows()), {"latency/p99": 1.08}), 1)

    def test_what_was_not_measured_fails(self):
        self.assertEqual(floors.compare([], {"keepalive/direct": 0.955}),
                         (["keepalive/direct: not measured, for no row of it counts"], []))


class Order(unittest.TestCase):
    def test_each_round_has_all_and_begins_with_another(self):
        cells = list("abcde")
        orders = [rotated(cells, number) for number in range(5)]
        self.assertEqual([order[0] for order in orders], cells)
        for order in orders:
            self.assertEqual(sorted(order), cells)
        # nobody always follows the same one
        self.assertEqual(orders[1], ["b", "a", "e", "d", "c"])


class Words(unittest.TestCase):
    def test_the_page_says_who_wins_and_what_was_not_measured(self):
        run = benchtest.made_up(rows())
        page = reading.page(run, bars.judge(run))
        self.assertIn("1.00 times asking the host-port directly, 1.61 times HAProxy in mode tcp", page)
        self.assertIn("Sluice (sluice-tc) +0.20 us, haproxy-tcp +17.00 us, haproxy-http +26.00 us", page)
        for word in ("It balances connections, not requests", "ENA", "TARGET=host", "bulk uploads are much slower"):
            self.assertIn(word, page)

    def test_missed_bars_stay_in_the_report(self):
        run = benchtest.made_up(rows(0.9))
        self.assertIn("Bars that are **missed**", reading.page(run, bars.judge(run)))

    def test_ratios_in_tables_are_those_of_the_same_round(self):
        run = benchtest.made_up(rows())
        scenario = next(found for found in run.scenarios if found.name == "keepalive")
        line = next(line for line in tables.table(run, scenario) if line[0] == "sluice-tc")
        self.assertIn("0.996 [0.996, 0.996]", line)
        self.assertIn("1.606 [1.606, 1.606]", line)


if __name__ == "__main__":
    unittest.main()
