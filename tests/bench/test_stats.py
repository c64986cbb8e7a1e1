# SPDX-License-Identifier: GPL-2.0-only
"""Medians, intervals and verdicts against data whose answer is known."""
import random
import unittest

import benchtest  # noqa: F401
from sluicebench import stats


class Interval(unittest.TestCase):
    def test_same_seed_same_interval(self):
        chance = random.Random(1)
        values = [chance.gauss(1, 0.1) for _ in range(200)]
        once = stats.interval(values, resamples=50)
        stats._interval.cache_clear()  # else the second answer is the first one
        self.assertEqual(stats.interval(values, resamples=50), once)
        self.assertNotEqual(stats.interval(values, resamples=50, seed=2), once)

    def test_equal_values_leave_no_doubt(self):
        self.assertEqual(stats.interval([0.98] * 5), (0.98, 0.98))

    def test_five_values_reach_from_end_to_end(self):
        # 2.5 % of the resamples of five have a median at most their smallest: 1 - P(at most two of five are it) = 5.8 %
        self.assertEqual(stats.interval([1.0, 2.0, 3.0, 4.0, 5.0]), (1.0, 5.0))

    def test_holds_the_true_median_about_95_times_of_100(self):
        chance, held = random.Random(7), 0
        for _ in range(300):
            low, high = stats.interval([chance.gauss(10, 1) for _ in range(15)], resamples=400)
            held += low <= 10 <= high
        self.assertGreater(held, 300 * 0.90)
        self.assertLess(held, 300 * 0.995)

    def test_narrows_with_more_rounds(self):
        chance = random.Random(3)
        few = stats.interval([chance.gauss(10, 1) for _ in range(7)])
        many = stats.interval([chance.gauss(10, 1) for _ in range(200)])
        self.assertLess(many[1] - many[0], (few[1] - few[0]) / 2)

    def test_too_few_values(self):
        self.assertEqual(stats.interval([3.0]), (3.0, 3.0))
        self.assertEqual(stats.interval([])[0], float("-inf"))


class Verdict(unittest.TestCase):
    def test_whole_interval_on_one_side(self):
        self.assertEqual(stats.verdict([0.985, 0.99, 0.995, 0.99, 0.987], ">=", 0.98), stats.MET)
        self.assertEqual(stats.verdict([0.96, 0.965, 0.97, 0.962, 0.966], ">=", 0.98), stats.MISSED)

    def test_bar_inside_the_interval(self):
        self.assertEqual(stats.verdict([0.97, 0.975, 0.98, 0.985, 0.99], ">=", 0.98), stats.UNRESOLVED)

    def test_bars_from_above(self):
        self.assertEqual(stats.verdict([1.0, 1.01, 1.02, 1.0, 1.01], "<=", 1.05), stats.MET)
        self.assertEqual(stats.verdict([1.1, 1.11, 1.12, 1.1, 1.11], "<=", 1.05), stats.MISSED)

    def test_wide_and_close_by_decides_nothing(self):
        # all above the bar, but 0.90 to 1.20 is no figure to say 0.89 by
        values = [0.90, 1.0, 1.05, 1.1, 1.20]
        self.assertEqual(stats.verdict(values, ">=", 0.89), stats.UNRESOLVED)
        self.assertEqual(stats.verdict(values, ">=", 0.70), stats.MET)
        self.assertEqual(stats.verdict(values, ">=", 1.5), stats.MISSED)

    def test_narrow_and_close_by_decides(self):
        self.assertEqual(stats.verdict([0.9835, 0.9837, 0.984, 0.9836, 0.9834], ">=", 0.98), stats.MET)
        self.assertEqual(stats.verdict([0.9765, 0.9767, 0.976, 0.9766, 0.9764], ">=", 0.98), stats.MISSED)

    def test_right_beside_the_bar_nothing_is_decided(self):
        self.assertEqual(stats.verdict([0.9801, 0.9805, 0.981, 0.9805, 0.9802], ">=", 0.98), stats.UNRESOLVED)
        self.assertEqual(stats.verdict([0.9799, 0.9795, 0.979, 0.9795, 0.9798], ">=", 0.98), stats.UNRESOLVED)
        self.assertEqual(stats.verdict([1.0495, 1.049, 1.0491, 1.0492, 1.0493], "<=", 1.05), stats.UNRESOLVED)

    def test_fewer_than_five_rounds_decide_nothing(self):
        self.assertEqual(stats.verdict([2.0] * 4, ">=", 1.5), stats.UNRESOLVED)

    def test_differences_are_judged_by_their_own_width(self):
        values = [-0.01, 0.0, 0.01, 0.0, 0.005]
        self.assertEqual(stats.verdict(values, "<=", 0.1, relative=False), stats.MET)


class Pairs(unittest.TestCase):
    def test_only_rounds_that_both_have(self):
        self.assertEqual(stats.paired({0: 10, 1: 20, 3: 5}, {0: 5, 2: 1, 3: 10}), [2.0, 0.5])

    def test_added_share(self):
        self.assertEqual(stats.added_share({0: 31, 1: 30}, {0: 50, 1: 28}, {0: 30, 1: 30}), [0.05])


if __name__ == "__main__":
    unittest.main()
