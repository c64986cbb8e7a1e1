#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Much data one way over one connection, held against the app's pattern byte by byte; the receiver notes its longest wait.

bulk.py down|up ADDRESS N [--wait]     prints one line: bytes=N wrong=N gap_ms=N. --wait: asks, says "asked", and reads nothing
until a line comes on stdin.
"""
import re
import socket
import sys
import time

PERIOD = 65521


def pattern():
    state, block = 1, bytearray(PERIOD)
    for i in range(PERIOD):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        block[i] = state >> 24
    return bytes(block) * 17  # a read of up to 1 MB lies in one piece


def head_of(connection):
    got = b""
    while b"\r\n\r\n" not in got:
        chunk = connection.recv(65536)
        if not chunk:
            raise SystemExit(f"bulk.py: the connection ended in the head: {got!r}")
        got += chunk
    head, rest = got.split(b"\r\n\r\n", 1)
    if not head.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"bulk.py: {head!r}")
    return rest


def wrong_bytes(block, offset, chunk):
    at = offset % PERIOD
    want = block[at:at + len(chunk)]
    return 0 if chunk == want else sum(a != b for a, b in zip(chunk, want))


def down(connection, host, length, wait):
    connection.sendall(f"GET /bytes/{length} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    block = pattern()
    if wait:
        print("asked", flush=True)
        sys.stdin.readline()
    chunk = head_of(connection)
    got, wrong, gap, last = 0, 0, 0.0, time.monotonic()
    while True:
        wrong += wrong_bytes(block, got, chunk)
        got += len(chunk)
        if got >= length:
            break
        chunk = connection.recv(900000)
        now = time.monotonic()
        gap, last = max(gap, now - last), now
        if not chunk:
            break
    print(f"bytes={got} wrong={wrong} gap_ms={gap * 1000:.0f}")


def up(connection, host, length):
    connection.sendall(f"POST /sink HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode())
    block, sent = memoryview(pattern()), 0
    while sent < length:
        at = sent % PERIOD
        sent += connection.send(block[at:at + min(900000, length - sent)])
    rest = head_of(connection)
    while chunk := connection.recv(65536):
        rest += chunk
    if not re.fullmatch(rb"bytes=\d+ wrong=\d+ gap_ms=\d+\n", rest):
        raise SystemExit(f"bulk.py: {rest!r}")
    print(rest.decode(), end="")


def main(way, host, length, *options):
    with socket.create_connection((host, 80), timeout=60) as connection:
        if way == "down":
            down(connection, host, int(length), "--wait" in options)
        else:
            up(connection, host, int(length))


main(*sys.argv[1:])
