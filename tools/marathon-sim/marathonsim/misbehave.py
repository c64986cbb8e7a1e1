# SPDX-License-Identifier: GPL-2.0-only
"""What Marathon does wrong on purpose, switched while it runs. Modes: see ../README.md."""

import threading

from . import events

_MODES = ("normal", "silent", "error", "empty", "half", "hang", "noleader", "unhealthy-unknown")
_CUTTING = ("error", "noleader")


class Misbehaviour:
    def __init__(self, cluster, bus):
        """cluster may be None (a standby)."""
        self._cluster = cluster
        self._bus = bus
        self._lock = threading.Lock()
        self._state = {"mode": "normal"}
        self._changed = threading.Event()   # of the current mode: set when it is over
        self._timer = None

    @property
    def state(self):
        return self._state

    @property
    def mode(self):
        return self._state["mode"]

    def over(self):
        """An event that is set when the mode of this moment ends."""
        return self._changed

    def apply(self, wanted):
        """Switches as told; returns the state in force. Raises ValueError."""
        mode = wanted.get("mode") if isinstance(wanted, dict) else None
        if mode == "drop-subscriptions":
            if self._bus.callbacks is not None:
                self._bus.callbacks.clear()
        elif mode == "leader-change":
            seconds = wanted.get("seconds", 1)
            if not isinstance(seconds, (int, float)) or seconds < 0:
                raise ValueError(f"seconds '{seconds}' must be a number from 0")
            self._switch({"mode": "noleader"})
            self._timer = threading.Timer(seconds, self._elected)
            self._timer.daemon = True
            self._timer.start()
        elif mode in _MODES:
            state = {"mode": mode}
            if mode == "error":
                status = wanted.get("status")
                if not isinstance(status, int) or not 100 <= status <= 599:
                    raise ValueError(f"status '{status}' must be a number from 100 to 599")
                state["status"] = status
            if mode == "half" and wanted.get("chunked"):
                state["chunked"] = True
            self._switch(state)
        else:
            names = ", ".join(_MODES + ("leader-change", "drop-subscriptions"))
            raise ValueError(f"mode '{mode}' is none of {names}")
        if wanted.get("cut"):
            self._bus.cut()
        return self._state

    def _switch(self, state):
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            over, self._changed = self._changed, threading.Event()
            self._state = state
            self._bus.mute(state["mode"] in ("silent",) + _CUTTING)
            if self._cluster is not None:
                self._cluster.hide_health = state["mode"] == "unhealthy-unknown"
            over.set()
        if state["mode"] in _CUTTING:
            self._bus.cut()

    def _elected(self):
        if self._cluster is not None:
            self._cluster.forget_health()
        self._switch({"mode": "normal"})
        if self._cluster is not None:
            self._bus.publish(events.scheduler_registered(self._cluster.framework_id, "127.0.0.1"))
