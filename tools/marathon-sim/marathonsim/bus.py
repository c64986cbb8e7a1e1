# SPDX-License-Identifier: GPL-2.0-only
"""Who hears of events: the open streams and the callback subscribers."""

import threading

from . import events, stream


class Bus:
    def __init__(self, callbacks=None):
        """callbacks: None where the version has none or they are switched off."""
        self.callbacks = callbacks
        self._lock = threading.Lock()
        self._streams = set()
        self._muted = False
        self.count = 0

    def publish(self, event):
        with self._lock:
            self.count += 1
            if self._muted:
                return
            frame = None
            for client in self._streams:
                if client.wants(event["eventType"]):
                    frame = frame or stream.frame(event)
                    client.offer(frame)
        if self.callbacks is not None:
            self.callbacks.offer(event)

    def attach(self, client):
        with self._lock:
            self._streams.add(client)
            client.mute(self._muted)
        self.publish(events.stream_attached(client.address))

    def detach(self, client):
        with self._lock:
            self._streams.discard(client)
        self.publish(events.stream_detached(client.address))

    def streams(self):
        with self._lock:
            return len(self._streams)

    def cut(self):
        with self._lock:
            clients = list(self._streams)
        for client in clients:
            client.close()

    def mute(self, muted):
        with self._lock:
            self._muted = muted
            for client in self._streams:
                client.mute(muted)
