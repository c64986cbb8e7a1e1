# SPDX-License-Identifier: GPL-2.0-only
"""The event stream: one Stream a client, framed as Marathon's Jetty does it.

A stream's reader may be slow or dead: publishing never blocks on it.
"""

import collections
import socket
import threading
import time

from . import wire

_CLOSE_CHECK_SECONDS = 1.0
_CR_LF_GAP_SECONDS = 0.005


def frame(event):
    return f"event: {event['eventType']}\r\ndata: {wire.compact(event)}\r\n\r\n".encode()


class Stream:
    def __init__(self, sock, address, kinds, limit, close_when_full):
        self.address = address
        self._sock = sock
        self._kinds = frozenset(kinds)
        self._limit = limit
        self._close_when_full = close_when_full
        self._queue = collections.deque()
        self._changed = threading.Condition()
        self._closed = False
        self._muted = False

    def wants(self, kind):
        return not self._kinds or kind in self._kinds

    def offer(self, frame_bytes):
        """Queues one frame; a full queue loses it (old versions) or the stream (new ones)."""
        with self._changed:
            if self._closed or self._muted:
                return
            if len(self._queue) < self._limit:
                self._queue.append(frame_bytes)
                self._changed.notify()
                return
        if self._close_when_full:
            self.close()

    def mute(self, muted):
        """A muted stream stays open and carries nothing, heartbeats neither."""
        with self._changed:
            self._muted = muted
            if muted:
                self._queue.clear()

    def close(self):
        with self._changed:
            self._closed = True
            self._changed.notify()
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _take(self, seconds):
        with self._changed:
            if not self._queue and not self._closed:
                self._changed.wait(seconds)
            frames = b"".join(self._queue)
            self._queue.clear()
            return frames, self._closed, self._muted

    def _peer_gone(self):
        try:
            # below TLS, too: an SSLSocket's own recv() takes no flags
            return socket.socket.recv(self._sock, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _beat(self):
        self._sock.sendall(b"\r")
        time.sleep(_CR_LF_GAP_SECONDS)
        self._sock.sendall(b"\n")

    def serve(self, heartbeat_seconds):
        """Carries events until either side ends the stream."""
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        next_beat = time.monotonic() + heartbeat_seconds
        try:
            while True:
                left = max(0.0, next_beat - time.monotonic())
                frames, closed, muted = self._take(min(left, _CLOSE_CHECK_SECONDS))
                if closed or self._peer_gone():
                    return
                if frames:
                    self._sock.sendall(frames)
                if time.monotonic() >= next_beat:
                    next_beat += heartbeat_seconds
                    if not muted:
                        self._beat()
        except OSError:
            return
