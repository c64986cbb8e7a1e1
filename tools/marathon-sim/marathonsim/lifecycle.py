# SPDX-License-Identifier: GPL-2.0-only
"""The life of one task, from Provisioned to its end, with every event on the way.

Decides nothing about how many tasks there are: the cluster does, and is told when a task has
changed. Everything that changes a task happens under the lock that both share.
"""

import sys
import threading

from . import events, health, wire
from .executor import Exit, LaunchError
from .task import Health


class Lifecycle:
    def __init__(self, version, bus, lock, settings, changed, ended):
        """settings: task_killing (bool), kill_grace (seconds).

        changed() after anything that a deployment may wait for; ended(task, message) once,
        when a task has got a terminal state. Both are called under the lock.
        """
        self._version = version
        self._bus = bus
        self._lock = lock
        self._task_killing = settings.task_killing
        self._kill_grace = settings.kill_grace
        self._changed = changed
        self._ended = ended
        self._told = {}         # instance id -> what instance_health_changed said last

    # -- start -----------------------------------------------------------------------

    def announce(self, task):
        if self._version.schedules_instances:
            self._bus.publish(events.instance_changed(task, "Scheduled"))
        self._bus.publish(events.instance_changed(task, "Provisioned"))

    def start(self, task):
        threading.Thread(target=self._run, args=(task,), daemon=True,
                         name=f"task-{task.id}").start()

    def adopt(self, task, handle):
        """Goes on with a task that an earlier run started."""
        task.handle = handle
        task.ip = handle.ip
        threading.Thread(target=self._follow, args=(task,), daemon=True,
                         name=f"task-{task.id}").start()

    def set_state(self, task, state, message=""):
        task.state = state
        self._bus.publish(events.status_update(task, message))
        self._bus.publish(events.instance_changed(task, events.CONDITIONS[state]))

    def _run(self, task):
        with self._lock:
            self.set_state(task, "TASK_STAGING")
        try:
            handle = task.agent.executor.launch(task)
        except LaunchError as error:
            self._finish(task, Exit(False, str(error)))
            return
        except Exception as error:      # a defect here must not leave a task that never ends
            print(f"marathon-sim: {task.id}: {error!r}", file=sys.stderr)
            self._finish(task, Exit(False, f"marathon-sim failed: {error!r}"))
            return
        with self._lock:
            task.handle = handle
            if self._version.tells_starting:
                self.set_state(task, "TASK_STARTING")
            task.ip = handle.ip
            task.started_at = wire.now()
            self.set_state(task, "TASK_RUNNING")
            if task.kill_reason is not None:
                self._begin_kill(task)
            self._changed()
        self._follow(task)

    def _follow(self, task):
        health.start(task, self._health_result, self._ready)
        self._finish(task, task.handle.wait())

    # -- end -------------------------------------------------------------------------

    def _finish(self, task, how):
        task.exited.set()
        with self._lock:
            if not task.terminal:
                state = "TASK_FINISHED" if how.ok else "TASK_FAILED"
                if task.kill_reason is not None:
                    state = "TASK_KILLED"
                self._end(task, state, how.message)
        if task.handle is not None:
            task.handle.cleanup()
        with self._lock:
            task.agent.release(task.ports)
        task.ended.set()

    def _end(self, task, state, message):
        self._told.pop(task.instance_id, None)
        self.set_state(task, state, message)
        self._ended(task, message)

    def declare(self, task, state, message):
        """Marathon believes a state, whatever the task really does."""
        if state in events.TERMINAL:
            self._end(task, state, message)
        else:
            self.set_state(task, state, message)
        self._changed()

    def kill(self, task, reason, spared=False):
        """Wants the end of a task; returns at once. `spared`: nobody shall replace it."""
        if task.kill_reason is not None or task.terminal:
            return
        task.kill_reason = reason
        task.spared = spared
        if task.handle is not None:
            self._begin_kill(task)

    def _begin_kill(self, task):
        if self._task_killing:
            self.set_state(task, "TASK_KILLING")
        elif self._version.schedules_instances:
            self._bus.publish(events.instance_changed(task, events.CONDITIONS[task.state]))
        threading.Thread(target=self._kill, args=(task,), daemon=True).start()

    def _kill(self, task):
        grace = task.definition["taskKillGracePeriodSeconds"]
        task.handle.terminate()
        if not task.exited.wait(self._kill_grace if grace is None else grace):
            task.handle.destroy()

    # -- health ----------------------------------------------------------------------

    def _ready(self, task):
        with self._lock:
            task.ready = True
            self._changed()

    def _health_result(self, task, index, cause):
        with self._lock:
            if task.terminal or task.kill_reason is not None:
                return
            record = task.health.setdefault(index, Health())
            was_alive = record.alive
            if cause is None:
                record.consecutive_failures = 0
                record.last_success = wire.now()
                record.first_success = record.first_success or record.last_success
            else:
                self._health_failure(task, index, record, cause)
            if record.alive != was_alive:
                self._bus.publish(events.health_status_changed(task, record.alive))
            self._tell_health(task, record)
            self._changed()

    def _tell_health(self, task, record):
        healthy = task.healthy if self._version.aggregates_health else record.alive
        if self._told.get(task.instance_id) != healthy:
            self._told[task.instance_id] = healthy
            self._bus.publish(events.instance_health_changed(task, healthy))

    def _health_failure(self, task, index, record, cause):
        check = task.definition.health_checks[index]
        age = (wire.now() - task.started_at).total_seconds()
        if record.first_success is None and age < check["gracePeriodSeconds"]:
            return
        record.consecutive_failures += 1
        record.last_failure = wire.now()
        record.last_failure_cause = cause
        self._bus.publish(events.failed_health_check(self._version, task, check))
        limit = check["maxConsecutiveFailures"]
        if limit == 0 and not check["protocol"].startswith("MESOS_"):
            return
        if record.consecutive_failures >= max(limit, 1):
            self._bus.publish(events.unhealthy_instance_kill(task, cause))
            self.kill(task, "unhealthy")

    def forget_health(self, task):
        """As a new leader knows it: nothing has reported yet."""
        task.health.clear()
        self._told.pop(task.instance_id, None)
