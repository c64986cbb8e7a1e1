# SPDX-License-Identifier: GPL-2.0-only
"""How the lab says that something did not work, and how it waits for something to work."""
import threading
import time

# Set when `up` is to be given up: every wait ends.
cancelled = threading.Event()


class LabError(Exception):
    """One message for the person who typed the command."""


def wait_until(condition, seconds, what, log=None):
    """Poll condition until it returns something true, and return that. condition may raise OSError while it waits."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        if cancelled.is_set():
            raise LabError(f"given up while waiting for {what}")
        try:
            result = condition()
            if result:
                return result
        except (OSError, ValueError) as error:
            last = error
        if time.monotonic() > deadline:
            why = f" ({last})" if last else ""
            raise LabError(f"{what}: not within {seconds} s{why}{_tail(log)}")
        time.sleep(0.05)


def _tail(log):
    if not log:
        return ""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()[-15:]
    except OSError:
        return ""
    return f"\n--- end of {log}\n" + "".join(lines).rstrip()
