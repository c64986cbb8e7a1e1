# SPDX-License-Identifier: GPL-2.0-only
"""Running an app through Marathon's API, and knowing when every slave balances over exactly its tasks."""
import json
import os

from . import docker, master, slave
from .failure import LabError, wait_until


def definition(lab, name, options):
    """The app as it is sent to Marathon: a file's, or the lab's own app with a few things that tests vary."""
    if options["json"]:
        with open(options["json"], encoding="utf-8") as file:
            return json.load(file) | {"id": name}
    app = {"id": name, "cpus": 0.1, "mem": 32, "args": ["--on-term", options["on_term"], *options["arg"]],
           "taskKillGracePeriodSeconds": 10, "backoffSeconds": 1, "healthChecks": _checks(options["health"])}
    if lab.data["containers"] == "docker":
        app["container"] = {"type": "DOCKER", "docker": {
            "image": docker.IMAGE, "network": "BRIDGE",
            "portMappings": [{"containerPort": docker.APP_PORT, "hostPort": 0, "protocol": "tcp"}]}}
        if options["network"] == "host":
            app["container"] = {"type": "DOCKER", "docker": {"image": docker.IMAGE, "network": "HOST"}}
    return app


def _checks(kind):
    if kind == "none":
        return []
    check = {"protocol": kind.upper(), "portIndex": 0, "gracePeriodSeconds": 10, "intervalSeconds": 1, "timeoutSeconds": 2,
             "maxConsecutiveFailures": 3}
    return [check | {"path": "/healthz"} if kind == "http" else check]


def scale(lab, name, count, options, wait=True):
    if not lab.data["daemon"]:
        raise LabError("this lab was brought up with --no-daemon: it has no Marathon")
    if not name.startswith("/"):
        name = "/" + name
    known = master.app(lab, name)
    if not known:
        master.post_app(lab, definition(lab, name, options) | {"instances": count})
    elif options["given"]:
        master.put_app(lab, name, definition(lab, name, options) | {"instances": count})
    else:
        master.put_app(lab, name, {"instances": count})
    if wait:
        _wait(lab, name, count)


def _wait(lab, name, count):
    seen = {}

    def settled():
        tasks = master.running_tasks(lab, name)
        running = {(task["host"], port) for task in tasks if task.get("state", "TASK_RUNNING") == "TASK_RUNNING"
                   for port in task["ports"][:1]}
        seen["what"] = f"{len(running)} of {count} tasks run"
        if len(running) != count or len(tasks) != count:
            return False
        for host in lab.slaves:
            wanted = {port for where, port in running if where.split(".")[0] == host}
            for service in slave.services_of_app(lab, host, name):
                is_up = {backend["port"] for backend in slave.backends(lab, host)
                         if backend["service"] == service and backend["state"] == "up"}
                if is_up != wanted:
                    seen["what"] = f"{host}: tasks on {sorted(wanted)}, up in {service}: {sorted(is_up)}"
                    return False
        return True

    seconds = int(os.environ.get("LAB_SCALE_SECONDS", "60"))
    try:
        wait_until(settled, seconds, f"{count} tasks of {name} up in sluicectl backends")
    except LabError as error:
        raise LabError(f"{error}; last seen: {seen.get('what', 'nothing')}") from None
