# SPDX-License-Identifier: GPL-2.0-only
"""The demo's command line: which story, what interrupts it, and that nothing stays behind."""
import signal
import subprocess
import sys

from .labdriver import DemoError, LabDriver
from .rails import RailsStory
from .report import Report
from .web import WebStory

STORIES = {"web": WebStory, "rails": RailsStory}


def _interrupt(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(argv):
    name = argv[0] if argv else "web"
    if len(argv) > 1 or name not in STORIES:
        print(f"usage: demo [{'|'.join(STORIES)}]", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    driver, report = LabDriver(), Report()
    code = 1
    try:
        STORIES[name](driver, report).run()
        code = 1 if report.broken else 0
        report.step("Summary", "")
        report.summary()
    except (DemoError, subprocess.TimeoutExpired, KeyError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        code = 130
    finally:
        if code:
            print(f"demo: the lab's logs are kept in {driver.keep_logs()}", file=sys.stderr)
        driver.lab("down", check=code == 0)
    return code
