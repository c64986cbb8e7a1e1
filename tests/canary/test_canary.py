# SPDX-License-Identifier: GPL-2.0-only
"""Must fail, so that tests/run can prove that it notices."""
import unittest


class Canary(unittest.TestCase):
    def test_passes(self):
        self.assertTrue(True)

    def test_fails(self):
        self.assertEqual(1, 2)

    @unittest.skip("on purpose")
    def test_skips(self):
        self.fail("was not skipped")
