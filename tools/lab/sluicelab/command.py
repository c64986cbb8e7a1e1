# SPDX-License-Identifier: GPL-2.0-only
"""How a command ends: 0 done, 1 failed with one line on stderr, 130 interrupted."""
import signal
import sys

from .failure import LabError


def _interrupt(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def run(program, function, args):
    """function(args)'s own exit status, if it has one. A signal is an interrupt to it, so that it can clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return function(args) or 0
    except (LabError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
