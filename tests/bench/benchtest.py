# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark's tests share: where its modules lie, and a run with made-up rows."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BENCH = os.path.join(ROOT, "tools", "bench", "bench")
sys.path[:0] = [os.path.join(ROOT, "tools", "bench"), os.path.join(ROOT, "tools", "lab")]

from sluicebench import run as runs  # noqa: E402
from sluicebench.scenario import Row  # noqa: E402


def made_up(rows):
    """A run that was never run. rows: (scenario, peer, point, {metric: [a value for each round]})"""
    run = runs.Run(runs.Options(), lambda text: None)
    for scenario, peer, point, metrics in rows:
        for number in range(len(next(iter(metrics.values())))):
            row = Row(scenario, peer, point, **{name: values[number] for name, values in metrics.items()})
            row.round = number
            run.rows.append(row)
    return run
