# SPDX-License-Identifier: GPL-2.0-only
"""Deployments: what they look like, and what to do next for an app. Pure."""

import math

from . import wire

_STEPS = {
    "start": ("StartApplication", "ScaleApplication"),
    "scale": ("ScaleApplication",),
    "restart": ("RestartApplication",),
    "stop": ("StopApplication",),
}


class Deployment:
    def __init__(self, kind, app_id, version, original, target):
        self.id = wire.new_uuid()
        self.app_id = app_id
        self.version = version
        self.original = original    # root groups before and after, for heavy plans
        self.target = target
        self.before = None          # the app's Definition before, to go back to
        self.steps = [{"actions": [{"action": action, "app": app_id}]} for action in _STEPS[kind]]
        self.step = 0

    def plan(self, light):
        plan = {"id": self.id}
        if not light:
            plan["original"] = self.original
            plan["target"] = self.target
        plan["steps"] = self.steps
        plan["version"] = self.version
        return plan

    def current(self):
        return self.steps[min(self.step, len(self.steps) - 1)]

    def render(self, modern):
        shown = {"id": self.id, "version": self.version, "affectedApps": [self.app_id]}
        if modern:
            shown["affectedPods"] = []
        shown["steps"] = self.steps
        shown["currentActions"] = self.current()["actions"]
        shown["currentStep"] = min(self.step + 1, len(self.steps))
        shown["totalSteps"] = len(self.steps)
        return shown


class Decision:
    def __init__(self, launch=0, kill=(), done=False):
        self.launch = launch
        self.kill = list(kill)
        self.done = done


def usable(task):
    """Counts as running for a deployment: up, all checks passed, ready."""
    checked = task.healthy is True or not task.definition.health_checks
    return task.running and checked and task.ready


def victims(tasks, count):
    """What to kill when `count` are too many; keeps the slaves level."""
    left = list(tasks)
    chosen = []
    for _ in range(count):
        crowd = {}
        for task in left:
            crowd[task.agent] = crowd.get(task.agent, 0) + 1
        worst = max(left, key=lambda task: (not task.running, task.healthy is False,
                                            crowd[task.agent], task.order))
        left.remove(worst)
        chosen.append(worst)
    return chosen


def _roll(definition, live, old, new):
    wanted = definition["instances"]
    least = math.ceil(wanted * definition.upgrade["minimumHealthCapacity"])
    most = math.floor(wanted * (1 + definition.upgrade["maximumOverCapacity"]))
    if most <= least and len(live) >= most:
        most = least + 1
    launch = max(0, min(wanted - len(new), most - len(live)))
    good_old = [task for task in old if task.running and task.healthy is not False]
    bad_old = [task for task in old if task not in good_old]
    good = len(good_old) + sum(1 for task in new if usable(task))
    spare = max(0, min(good - least, len(good_old)))
    return Decision(launch, bad_old + victims(good_old, spare))


def decide(definition, deleting, tasks):
    """The next step towards `definition` from the tasks that there are."""
    live = [task for task in tasks if not task.terminal]
    staying = [task for task in live if task.kill_reason is None]
    if deleting:
        return Decision(kill=staying, done=not live)
    old = [task for task in staying
           if task.definition.configured_at != definition.configured_at]
    new = [task for task in staying if task not in old]
    wanted = definition["instances"]
    if old and wanted:
        return _roll(definition, live, old, new)
    surplus = max(0, len(new) - wanted)
    launch = max(0, wanted - len(new))
    if any(task.definition.configured_at != definition.configured_at for task in live):
        launch = min(launch, _roll(definition, live, [], new).launch)
    done = (not old and not surplus and not launch and len(live) == len(new)
            and all(usable(task) for task in new))
    return Decision(launch, old + victims(new, surplus), done)
