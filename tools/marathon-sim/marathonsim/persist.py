# SPDX-License-Identifier: GPL-2.0-only
"""The state file: apps, tasks and subscriptions, so that a restart can take the tasks over.

Health is left out on purpose: a Marathon that has just started knows none.
"""

import copy
import json
import os

from . import wire
from .appdef import Definition
from .cluster import App
from .task import Task

_FORMAT = 1


def _app_state(app):
    return {"id": app.id, "current": app.definition.version, "deleting": app.deleting,
            "history": [copy.deepcopy(vars(item)) for item in app.history.values()]}


def _task_state(task):
    return {"app": task.app_id, "agent": task.agent.name, "uuid": task.uuid,
            "incarnation": task.incarnation, "ports": task.ports, "version": task.version,
            "order": task.order, "staged_at": wire.stamp(task.staged_at),
            "started_at": wire.stamp(task.started_at)}


def snapshot(cluster):
    callbacks = cluster.bus.callbacks
    return {"format": _FORMAT, "framework_id": cluster.framework_id,
            "slave_ids": {slave.name: slave.slave_id for slave in cluster.agents},
            "apps": [_app_state(app) for app in cluster.apps.values()],
            "tasks": [_task_state(task) for task in cluster.tasks() if not task.terminal],
            "subscriptions": callbacks.urls() if callbacks is not None else []}


class StateFile:
    def __init__(self, folder):
        self._path = os.path.join(folder, "state.json")
        self._last = None

    def save(self, cluster):
        """Writes what has changed, so that a reader finds the old state or the new one."""
        text = json.dumps(snapshot(cluster), indent=1)
        if text == self._last:
            return
        with open(self._path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(self._path + ".new", self._path)
        self._last = text

    def load(self):
        """The saved state, or None if there is none. Raises ValueError for a damaged file."""
        try:
            with open(self._path, encoding="utf-8") as file:
                state = json.load(file)
        except FileNotFoundError:
            return None
        except json.JSONDecodeError as error:
            raise ValueError(f"{self._path}:{error.lineno}: {error.msg}") from error
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise ValueError(f"{self._path}: not a state file of this version")
        return state

    def remove(self):
        for path in (self._path, self._path + ".new"):
            if os.path.exists(path):
                os.unlink(path)


def _restore_app(saved):
    history = {}
    for values in saved["history"]:
        definition = Definition(saved["id"])
        vars(definition).update(values)
        history[definition.version] = definition
    app = App(history[saved["current"]])
    app.history = history
    app.deleting = saved["deleting"]
    return app


def _restore_task(cluster, app, saved):
    slave = next((item for item in cluster.agents if item.name == saved["agent"]), None)
    if slave is None:
        return None
    current = app.definition
    app.definition = app.history[saved["version"]]
    task = Task(cluster.version, app, slave, saved["uuid"], saved["incarnation"], saved["ports"])
    app.definition = current
    task.order = saved["order"]
    task.staged_at = wire.parse_stamp(saved["staged_at"])
    task.started_at = wire.parse_stamp(saved["started_at"]) or task.staged_at
    task.state = "TASK_RUNNING"
    return task


def restore(cluster, state):
    """Fills an empty cluster; what runs is taken over, what is gone is reported as failed.

    state None: nothing is known, so whatever an earlier run left is destroyed.
    """
    known = {slave: {} for slave in cluster.agents}
    if state is not None:
        cluster.framework_id = state["framework_id"]
        for slave in cluster.agents:
            slave.slave_id = state["slave_ids"].get(slave.name, slave.slave_id)
        for saved in state["apps"]:
            cluster.apps[saved["id"]] = _restore_app(saved)
        for saved in state["tasks"]:
            task = _restore_task(cluster, cluster.apps[saved["app"]], saved)
            if task is not None:
                known[task.agent][task.id] = task
        if cluster.bus.callbacks is not None:
            for url in state["subscriptions"]:
                cluster.bus.callbacks.add(url)
    for slave, tasks in known.items():
        handles = slave.executor.recover(tasks)
        for task in tasks.values():
            _resume(cluster, task, handles.get(task.id))


def _resume(cluster, task, handle):
    with cluster.lock:
        cluster.apps[task.app_id].tasks.append(task)
        cluster.resume_order(task.order)
        if handle is None:
            cluster.life.declare(task, "TASK_FAILED", "Task ended while Marathon was away")
            return
        task.agent.occupy(task.ports)
        cluster.life.adopt(task, handle)
