# SPDX-License-Identifier: GPL-2.0-only
"""The master's Marathon: starting the stand-in, its API as any client sees it, and its control endpoint. With files https.pem and
https.user in the master's folder it also serves https, for that user."""
import json
import os
import urllib.parse

from . import cgroups, docker
from .failure import LabError, wait_until
from .processes import spawn
from .state import DOMAIN, MASTER_ADDRESS
from .web import ask, ask_unix, must

API = f"{MASTER_ADDRESS}:8080"
_VERSIONS = {"1.4": "1.4.13", "1.8": "1.8.222"}


def _agent(lab, host):
    agent = {"name": host, "host": f"{host}.{DOMAIN}", "address": lab.address(host), "ports": [31000, 32000],
             "command": ["--on-term", "lameduck:1000"]}
    if lab.data["containers"] == "docker":
        return agent | {"type": "docker", "docker_socket": lab.docker_socket(host), "image": docker.IMAGE,
                        "cgroup_parent": cgroups.docker_parent(lab, host), "entrypoint": ["/app", "--port", "$LISTEN_PORT"]}
    return agent | {"type": "process", "netns": lab.netns_path(host), "cgroup": cgroups.tasks_folder(lab, host),
                    "entrypoint": [os.path.join(lab.build, "lab", "app"), "--port", "$LISTEN_PORT"]}


def start(lab):
    os.makedirs(lab.path("master", "marathon"), exist_ok=True)
    agents = lab.path("master", "agents.json")
    with open(agents, "w", encoding="utf-8") as file:
        json.dump({"id": lab.name, "agents": [_agent(lab, host) for host in lab.slaves]}, file, indent=1)
    argv = [os.path.join(lab.repository, "tools", "marathon-sim", "marathon-sim"),
            "--version", _VERSIONS[lab.data["version"]], "--listen", API, "--hostname", MASTER_ADDRESS, "--agents", agents,
            "--state-dir", lab.path("master", "marathon"), "--control", f"unix:{lab.control}", "--keep-tasks", "--adopt"]
    if os.path.exists(lab.path("master", "https.pem")):
        argv += ["--https-listen", f"{MASTER_ADDRESS}:8443", "--https-certificate", lab.path("master", "https.pem")]
        if os.path.exists(lab.path("master", "https.user")):
            with open(lab.path("master", "https.user"), encoding="ascii") as file:
                argv += ["--https-credentials", file.readline().rstrip()]
    if lab.data["version"] == "1.4":
        argv += ["--event-subscriber", "http_callback"]
    if lab.data.get("features"):
        argv += ["--enable-features", lab.data["features"]]
    if os.path.exists(lab.control):
        os.unlink(lab.control)
    spawn(lab, "master", "marathon", argv)


def wait(lab):
    wait_until(lambda: ask(lab, "master", API, "GET", "/ping", timeout=2)[0] == 200, 30, "Marathon on master",
               lab.log("master", "marathon"))


def control(lab, method, path, body=None):
    try:
        answer = ask_unix(lab.control, method, path, body)
    except OSError as error:
        raise LabError(f"Marathon's control endpoint: {error}") from None
    return must(answer, f"{method} {path}")


def tasks(lab):
    return control(lab, "GET", "/sim/tasks")["tasks"]


def misbehave(lab, mode, settings):
    return control(lab, "POST", "/sim/misbehave", {"mode": mode, **settings})


def kill(lab, task, number=None):
    """By Marathon's own API if no signal is given, else as an accident."""
    body = {"task": task, "marathon": True} if number is None else {"task": task, "signal": number}
    return control(lab, "POST", "/sim/kill", body)


# --- Marathon's API


def _path(app):
    return "/v2/apps" + urllib.parse.quote(app)


def _api(lab, method, path, body=None):
    try:
        return ask(lab, "master", API, method, path, body)
    except OSError as error:
        raise LabError(f"Marathon does not answer: {error}") from None


def app(lab, name):
    """The app as Marathon knows it, or None."""
    answer = _api(lab, "GET", _path(name))
    return None if answer[0] == 404 else must(answer, f"GET {_path(name)}")["app"]


def running_tasks(lab, name):
    """The app's tasks as Marathon's API lists them."""
    answer = must(_api(lab, "GET", f"{_path(name)}/tasks"), f"tasks of {name}")
    return answer["tasks"]


def put_app(lab, name, definition):
    return must(_api(lab, "PUT", f"{_path(name)}?force=true", definition), f"PUT {_path(name)}")


def post_app(lab, definition):
    return must(_api(lab, "POST", "/v2/apps", definition), "POST /v2/apps")
