#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Somebody who may call, or not, and lies: posts the lines of a file as Marathon's events, in turn, at a rate, until SIGTERM.

usage: forge.py URL RATE FILE. Each event goes over a connection of its own. At the end: sent=N, and how often each status came.
"""
import collections
import http.client
import signal
import sys
import time
import urllib.parse


def post(url, body):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    try:
        connection.request("POST", url.path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def main(address, rate, file):
    url, pause = urllib.parse.urlsplit(address), 1 / float(rate)
    with open(file, encoding="utf-8") as events:
        bodies = events.read().splitlines()
    going = [True]
    signal.signal(signal.SIGTERM, lambda *_: going.clear())
    seen, due = collections.Counter(), time.monotonic()
    while going:
        seen[post(url, bodies[seen.total() % len(bodies)])] += 1
        due += pause
        time.sleep(max(0, due - time.monotonic()))
    print(f"sent={seen.total()}", *(f"{status}={count}" for status, count in sorted(seen.items(), key=str)))


if __name__ == "__main__":
    main(*sys.argv[1:])
