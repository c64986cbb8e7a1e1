# SPDX-License-Identifier: GPL-2.0-only
"""Apps and what must become of them: the part of Marathon that decides.

One lock guards everything. A thread of its own brings each app one step nearer to its
definition whenever something has changed; the API only changes definitions.
"""

import threading
import time

from . import agent as agents_module
from . import deploy, events, wire
from .lifecycle import Lifecycle
from .task import Task

_STOP_SECONDS = 60.0


class Locked(Exception):
    """A deployment holds the app; the text is its id."""


class Unknown(Exception):
    """There is no such thing; the text is Marathon's message."""


class App:
    def __init__(self, definition):
        self.id = definition.id
        self.definition = definition
        self.history = {definition.version: definition}
        self.tasks = []             # those that have not ended, and the last failed ones
        self.deployment = None
        self.deleting = False
        self.delay = 0.0
        self.not_before = 0.0
        self.last_failure = None

    def live(self):
        return [task for task in self.tasks if not task.terminal]

    def define(self, definition):
        self.definition = definition
        self.history[definition.version] = definition


class Cluster:
    def __init__(self, version, bus, agents, settings):
        """settings: launch_backoff, same_instance, and what Lifecycle wants."""
        self.version = version
        self.bus = bus
        self.agents = agents
        self.lock = threading.RLock()
        self.apps = {}
        self.framework_id = f"{wire.new_uuid()}-0000"
        for slave in agents:
            slave.slave_id = f"{wire.new_uuid()}-S{slave.number}"
        self.strays = set()         # processes of tasks that Marathon was made to forget
        self.hide_health = False
        self.saver = None           # called under the lock before anything is started
        self.life = Lifecycle(version, bus, self.lock, settings, self._wake, self._task_ended)
        self._settings = settings
        self._changed = threading.Event()
        self._order = 0
        self._last_stamp = ""
        self._closing = False
        self._thread = threading.Thread(target=self._loop, daemon=True, name="scheduler")

    def start(self):
        self._thread.start()

    def close(self):
        self._closing = True
        self._changed.set()
        self._thread.join()

    def _wake(self):
        self._changed.set()

    def _stamp(self):
        """Now, as a version: no two are the same."""
        while True:
            stamp = wire.stamp(wire.now())
            if stamp > self._last_stamp:
                self._last_stamp = stamp
                return stamp
            time.sleep(0.001)

    # -- questions -------------------------------------------------------------------

    def app(self, app_id):
        found = self.apps.get(app_id)
        if found is None:
            raise Unknown(f"App '{app_id}' does not exist")
        return found

    def tasks(self):
        return [task for app in self.apps.values() for task in app.tasks]

    def task(self, task_id):
        for task in self.tasks():
            if task.id == task_id:
                return task
        raise Unknown(f"Task '{task_id}' does not exist")

    def app_of(self, task):
        return self.apps.get(task.app_id)

    def deployments(self):
        return [app.deployment for app in self.apps.values() if app.deployment]

    def root_group(self):
        return {"id": "/", "apps": [app.definition.render(self.version)
                                    for app in self.apps.values()],
                "groups": [], "dependencies": [], "version": self._last_stamp}

    # -- changes that people ask for -------------------------------------------------

    def _check_free(self, app, force):
        if app.deployment is None:
            return
        if not force:
            raise Locked(app.deployment.id)
        self._deployment_over(app, "deployment_failed", "canceled")

    def _deploy(self, app, kind, client, uri, change):
        """Runs change() as a deployment; returns it."""
        before = app.definition if app.id in self.apps else None
        original = None if self.version.light_plans else self.root_group()
        change()
        target = None if self.version.light_plans else self.root_group()
        version = app.definition.version if kind != "stop" else self._stamp()
        deployment = deploy.Deployment(kind, app.id, version, original, target)
        deployment.before = before
        app.deployment = deployment
        self.bus.publish(events.api_post(client, uri, app.definition.render(self.version)))
        self.bus.publish(events.group_change_success(version))
        self.bus.publish(events.deployment("deployment_info",
                                           deployment.plan(self.version.light_plans),
                                           deployment.current()))
        if kind == "start":
            self._step_done(app)
        self._wake()
        return deployment

    def _step_done(self, app):
        deployment = app.deployment
        step = deployment.current()
        deployment.step += 1
        self.bus.publish(events.deployment("deployment_step_success",
                                           deployment.plan(self.version.light_plans), step))

    def _deployment_over(self, app, kind, reason=None):
        plan = app.deployment.plan(self.version.light_plans)
        app.deployment = None
        self.bus.publish(events.deployment(kind, plan, reason=reason))

    def _taken_service_ports(self):
        return [port for app in self.apps.values() for port in app.definition.service_ports()]

    def create(self, definition, client, uri):
        definition.assign_service_ports(self._taken_service_ports())
        app = App(definition.stamped(self._stamp(), True))

        def change():
            self.apps[app.id] = app
        return app, self._deploy(app, "start", client, uri, change)

    def change(self, app, definition, force, client, uri):
        self._check_free(app, force)
        scale_only = definition.same_but_scale(app.definition)
        definition.assign_service_ports(self._taken_service_ports())
        definition.stamped(self._stamp(), not scale_only)

        def change():
            app.define(definition)
            app.delay = app.not_before = 0.0
        return self._deploy(app, "scale" if scale_only else "restart", client, uri, change)

    def restart(self, app, force, client, uri):
        self._check_free(app, force)
        definition = app.definition.with_instances(app.definition["instances"])
        definition.stamped(self._stamp(), True)
        return self._deploy(app, "restart", client, uri, lambda: app.define(definition))

    def delete(self, app, force, client, uri):
        self._check_free(app, force)

        def change():
            app.deleting = True
        deployment = self._deploy(app, "stop", client, uri, change)
        if not self.version.terminated_after_tasks:
            self.bus.publish(events.app_terminated(app.id))
        return deployment

    def cancel(self, deployment_id, force, client, uri):
        """Ends a deployment; without force the app goes back to what it was."""
        for app in self.apps.values():
            if app.deployment is not None and app.deployment.id == deployment_id:
                before = app.deployment.before
                self._deployment_over(app, "deployment_failed", "canceled")
                app.deleting = False
                if force:
                    return None
                if before is None:
                    return self.delete(app, False, client, uri)
                kind = "scale" if before.same_but_scale(app.definition) else "restart"
                again = before.with_instances(before["instances"])
                again.stamped(self._stamp(), kind == "restart")
                return self._deploy(app, kind, client, uri, lambda: app.define(again))
        raise Unknown(f"DeploymentPlan {deployment_id} does not exist")

    def kill(self, tasks, scale, force, client, uri):
        """Kills tasks; with scale their apps shrink by a deployment, which is returned."""
        deployment = None
        apps = {task.app_id: self.apps[task.app_id] for task in tasks}
        if scale:
            for app in apps.values():
                self._check_free(app, force)
        for task in tasks:
            self.life.kill(task, "asked for", spared=scale)
        if scale:
            for app in apps.values():
                fewer = sum(1 for task in tasks if task.app_id == app.id)
                instances = max(0, app.definition["instances"] - fewer)
                definition = app.definition.with_instances(instances)
                definition.stamped(self._stamp(), False)
                deployment = self._deploy(app, "scale", client, uri,
                                          lambda app=app, new=definition: app.define(new))
        self._wake()
        return deployment

    def declare(self, task, state, message):
        """Makes Marathon believe a state of a task whose process goes on."""
        self.life.declare(task, state, message)
        if task.terminal:
            self.strays.add(task)

    @staticmethod
    def seconds_to_launch(app):
        return max(0.0, app.not_before - time.monotonic())

    def save(self):
        self._wake()

    def resume_order(self, order):
        self._order = max(self._order, order)

    def reset_delay(self, app):
        app.delay = app.not_before = 0.0
        self._wake()

    def stop_all(self):
        """Deletes every app and waits for the last of their tasks; returns those that stay.

        Tasks stay when their slave's Engine does not answer.
        """
        with self.lock:
            tasks = self.tasks() + list(self.strays)
            for task in self.strays:
                if task.handle is not None and not task.exited.is_set():
                    task.handle.destroy()
            for app in list(self.apps.values()):
                if not app.deleting:
                    self.delete(app, True, "127.0.0.1", f"/v2/apps{app.id}")
        deadline = time.monotonic() + _STOP_SECONDS
        return [task for task in tasks
                if (not task.terminal or task.handle is not None)
                and not task.ended.wait(max(0.0, deadline - time.monotonic()))]

    # -- the scheduler ---------------------------------------------------------------

    def _loop(self):
        while True:
            self._changed.clear()       # before the looking, or a change could be missed
            if self._closing:
                return
            with self.lock:
                started = []
                for app in list(self.apps.values()):
                    self._reconcile(app, started)
                if self.saver is not None:
                    self.saver()
                for task in started:
                    self.life.start(task)
                delays = [app.not_before for app in self.apps.values()]
            waiting = [due - time.monotonic() for due in delays if due > time.monotonic()]
            self._changed.wait(min(waiting) + 0.001 if waiting else None)

    def _reconcile(self, app, started):
        decision = deploy.decide(app.definition, app.deleting, app.tasks)
        for task in decision.kill:
            self.life.kill(task, "surplus", spared=True)
        if decision.launch and time.monotonic() >= app.not_before:
            for _ in range(decision.launch):
                task = self._new_task(app)
                if task is None:
                    app.not_before = time.monotonic() + 1.0    # no offer fits: ask again
                    break
                started.append(task)
        elif not decision.launch:
            app.tasks = app.live()
        if decision.done and app.deployment is not None:
            self._complete(app)

    def _complete(self, app):
        if app.deleting:
            if self.version.terminated_after_tasks:
                self.bus.publish(events.app_terminated(app.id))
            del self.apps[app.id]
        self._step_done(app)
        self._deployment_over(app, "deployment_success")

    def _new_task(self, app):
        load = {slave: 0 for slave in self.agents}
        for task in self.tasks():
            load[task.agent] += not task.terminal
        slave, ports = agents_module.place(self.agents, app.definition, app.live(), load)
        if slave is None:
            return None
        uuid, incarnation = wire.new_uuid(), 1
        failed = next((task for task in app.tasks if task.terminal), None)
        if failed is not None:
            app.tasks.remove(failed)
            if self._settings.same_instance and self.version.instance_task_ids:
                uuid, incarnation = failed.uuid, failed.incarnation + 1
        task = Task(self.version, app, slave, uuid, incarnation, ports)
        self._order += 1
        task.order = self._order
        app.tasks.append(task)
        self.life.announce(task)
        return task

    def _task_ended(self, task, message):
        app = self.apps[task.app_id]
        if task.state in ("TASK_FAILED", "TASK_FINISHED", "TASK_ERROR"):
            self._failed(app, task, message)
        keep = (self.version.writes_empty_lists and task.kill_reason is None
                and not app.deleting)
        if not keep:
            app.tasks.remove(task)
        self._wake()

    def _failed(self, app, task, message):
        app.last_failure = {"appId": app.id, "host": task.agent.host, "message": message,
                            "state": task.state, "taskId": task.id,
                            "timestamp": wire.stamp(wire.now()), "version": task.version,
                            "slaveId": task.agent.slave_id}
        first = app.definition["backoffSeconds"]
        first = self._settings.launch_backoff if first is None else first
        lived = 0.0
        if task.started_at is not None:
            lived = (wire.now() - task.started_at).total_seconds()
        if not app.delay or lived > 10 * app.delay:
            app.delay = first
        else:
            longest = app.definition["maxLaunchDelaySeconds"]
            app.delay = min(app.delay * app.definition["backoffFactor"],
                            300 if longest is None else longest)
        app.not_before = time.monotonic() + app.delay

    def forget_health(self):
        with self.lock:
            for task in self.tasks():
                self.life.forget_health(task)
