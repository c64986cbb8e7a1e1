# SPDX-License-Identifier: GPL-2.0-only
"""HTTP callbacks of Marathon up to 1.4: every event is POSTed to every subscriber.

Events for one URL travel concurrently and without order. A subscriber that fails or is slow is
skipped for 2, 4, 8 ... seconds; what happens meanwhile it never hears.
"""

import concurrent.futures
import http.client
import threading
import time
import urllib.parse

from . import wire

_TIMEOUT_SECONDS = 10.0
_WORKERS = 32


class _Subscriber:
    def __init__(self):
        self.failures = 0
        self.skip_until = 0.0


def _post(url, payload):
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Accept": "application/json", "User-Agent": "spray-can/1.3.2",
               "Content-Type": "application/json; charset=UTF-8"}
    try:
        connection.request("POST", target, payload, headers)
        answer = connection.getresponse()
        answer.read()
        return 200 <= answer.status < 300
    finally:
        connection.close()


class Callbacks:
    def __init__(self, fixed_urls=()):
        self._lock = threading.Lock()
        self._subscribers = {url: _Subscriber() for url in fixed_urls}
        self._pool = concurrent.futures.ThreadPoolExecutor(_WORKERS, "callback")

    def urls(self):
        with self._lock:
            return sorted(self._subscribers)

    def add(self, url):
        with self._lock:
            self._subscribers.setdefault(url, _Subscriber())

    def remove(self, url):
        with self._lock:
            self._subscribers.pop(url, None)

    def clear(self):
        with self._lock:
            self._subscribers.clear()

    def offer(self, event):
        payload = wire.compact(event).encode()
        with self._lock:
            due = [(url, subscriber) for url, subscriber in self._subscribers.items()
                   if time.monotonic() >= subscriber.skip_until]
        for url, subscriber in due:
            self._pool.submit(self._deliver, url, subscriber, payload)

    def _deliver(self, url, subscriber, payload):
        start = time.monotonic()
        try:
            good = _post(url, payload)
        except (OSError, http.client.HTTPException, ValueError):
            good = False
        with self._lock:
            if good and time.monotonic() - start <= _TIMEOUT_SECONDS:
                subscriber.failures = 0
                subscriber.skip_until = 0.0
            else:
                subscriber.failures += 1
                subscriber.skip_until = time.monotonic() + 2 ** subscriber.failures

    def close(self):
        self._pool.shutdown(wait=False, cancel_futures=True)


def valid_url(url):
    parts = urllib.parse.urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
