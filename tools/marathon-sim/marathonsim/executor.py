# SPDX-License-Identifier: GPL-2.0-only
"""What every executor offers, and the executor that runs nothing.

An executor launches a task and returns a handle. A handle has `pid`, `container` and `ip`
(each may be None) and the calls of DryHandle; wait() blocks until the task has ended and may be
called by one thread, the others by any.
"""

import threading


class LaunchError(Exception):
    """The task could not be started; the text becomes the message of TASK_FAILED."""


class Exit:
    """How a task ended, in the words of Mesos."""

    def __init__(self, ok, message):
        self.ok = ok
        self.message = message


class DryHandle:
    pid = None
    container = None
    ip = None

    def __init__(self):
        self._over = threading.Event()
        self._signal = None

    def wait(self):
        self._over.wait()
        return Exit(False, f"Command terminated with signal {self._signal}")

    def terminate(self):
        """Asks for an orderly end (SIGTERM) of everything that the task started."""
        self.hit("TERM")

    def destroy(self):
        """Ends everything that the task started, now."""
        self.hit("KILL")

    def hit(self, name):
        """Sends one signal to the task's main process, as an accident would."""
        self._signal = name
        self._over.set()

    def check(self, _command, _timeout):
        """Runs a COMMAND check where the task runs. None if it passes, else the cause."""
        return "marathon-sim runs commands beside processes only"

    def cleanup(self):
        """Removes what is left after wait() has returned."""


class DryExecutor:
    """Tasks that exist only in the API, to load its clients."""

    def launch(self, _task):
        return DryHandle()

    def recover(self, known):
        """task id -> handle of what an earlier run started; what is not known is destroyed."""
        return {task_id: DryHandle() for task_id in known}

    def close(self):
        pass
