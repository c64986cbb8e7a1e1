# SPDX-License-Identifier: GPL-2.0-only
"""Command line, start and end of the simulator."""

import argparse
import json
import os
import signal
import sys
import threading

from . import control, persist, server
from .agent import Agent, AgentError, check_settings
from .api import Api
from .bus import Bus
from .callback import Callbacks
from .cluster import Cluster
from .exec_docker import DockerExecutor
from .exec_process import ProcessExecutor
from .executor import DryExecutor
from .misbehave import Misbehaviour
from .proxy import Leader
from .versions import Version

_THREAD_STACK_BYTES = 512 << 10


class Failure(Exception):
    """Ends the program with this message and exit status 1."""


def _host_port(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not HOST:PORT")
    return host.strip("[]"), int(port)


def _version(text):
    try:
        return Version(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _words(text):
    return [word for word in text.split(",") if word]


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="marathon-sim", allow_abbrev=False,
                                     description="A stand-in for Marathon. See README.md.")
    add = parser.add_argument
    add("--version", type=_version, default="1.8.222", metavar="1.4.13|1.8.222")
    add("--listen", type=_host_port, required=True, metavar="HOST:PORT")
    add("--hostname", help="name of this master (default: HOST of --listen)")
    add("--agents", metavar="FILE", help="the slaves, JSON (needed unless --standby-of)")
    add("--state-dir", metavar="DIR", help="state and output of tasks (needed unless --standby-of)")
    add("--control", metavar="unix:PATH|HOST:PORT", help="where the lab gives its orders")
    add("--keep-tasks", action="store_true", help="SIGTERM leaves the tasks running")
    add("--adopt", action="store_true", help="take over the tasks of an earlier run")
    add("--standby-of", metavar="URL", help="be a standby of that leader")
    add("--leader-proxy-read-timeout", type=float, default=10.0, metavar="SECONDS")
    add("--credentials", metavar="USER:PASS", help="HTTP Basic on everything")
    add("--https-listen", type=_host_port, metavar="HOST:PORT", help="https as well")
    add("--https-certificate", metavar="FILE", help="PEM, certificate and key")
    add("--https-credentials", metavar="USER:PASS", help="like --credentials, for https alone")
    add("--event-subscriber", choices=["http_callback"], help="1.4 only: callbacks")
    add("--http-endpoints", type=_words, default=[], metavar="URL,URL", help="fixed callbacks")
    add("--enable-features", dest="features", type=_words, default=[], metavar="task_killing")
    add("--launch-backoff", type=float, default=0.2, metavar="SECONDS")
    add("--kill-grace", type=float, default=5.0, metavar="SECONDS")
    add("--port-reuse", choices=["lru", "fast", "random"], default="lru")
    add("--heartbeat", type=float, default=10.0, metavar="SECONDS")
    add("--same-instance", action="store_true", help="1.8: replacements keep the instance id")
    settings = parser.parse_args(arguments)
    settings.task_killing = "task_killing" in settings.features
    if settings.standby_of is None and not (settings.agents and settings.state_dir):
        parser.error("--agents and --state-dir are needed (or --standby-of)")
    if bool(settings.https_listen) != bool(settings.https_certificate):
        parser.error("--https-listen and --https-certificate go together")
    if settings.event_subscriber and not settings.version.has_callbacks:
        parser.error(f"Marathon {settings.version.text} has no --event-subscriber")
    return settings


def _executor(slave, sim_id, state_dir):
    if slave.kind == "docker":
        return DockerExecutor(slave, sim_id)
    if slave.kind == "process":
        logs = os.path.join(state_dir, "logs")
        os.makedirs(logs, exist_ok=True)
        return ProcessExecutor(slave, sim_id, logs)
    return DryExecutor()


def load_agents(path, reuse, state_dir):
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        slaves = [Agent(item, number, reuse)
                  for number, item in enumerate(check_settings(document))]
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise Failure(f"{path}:{error.lineno}: {error.msg}") from error
    except AgentError as error:
        raise Failure(f"{path}: {error}") from error
    for slave in slaves:
        slave.executor = _executor(slave, document["id"], state_dir)
    return slaves


def _make_cluster(settings, bus):
    """A cluster with what an earlier run left, ready to start."""
    os.makedirs(settings.state_dir, exist_ok=True)
    slaves = load_agents(settings.agents, settings.port_reuse, settings.state_dir)
    cluster = Cluster(settings.version, bus, slaves, settings)
    state_file = persist.StateFile(settings.state_dir)
    try:
        persist.restore(cluster, state_file.load() if settings.adopt else None)
    except (ValueError, OSError) as error:
        raise Failure(f"cannot take over the earlier run: {error}") from error
    cluster.saver = lambda: state_file.save(cluster)
    return cluster, state_file


def _make_bus(settings):
    callbacks = None
    if settings.event_subscriber and settings.standby_of is None:
        callbacks = Callbacks(settings.http_endpoints)
    return Bus(callbacks)


class Simulator:
    """Everything that runs in one process. Usable without the command line, by tests."""

    def __init__(self, settings):
        self._settings = settings
        self._bus = _make_bus(settings)
        self.cluster = self._state_file = None
        leader = None
        if settings.standby_of is None:
            self.cluster, self._state_file = _make_cluster(settings, self._bus)
        else:
            leader = Leader(settings.standby_of, settings.leader_proxy_read_timeout)
        misbehaviour = Misbehaviour(self.cluster, self._bus)
        front = server.Front(settings.version, None, self._bus, misbehaviour, settings,
                             leader=leader)
        self._servers = [server.Server(settings.listen, front, settings.credentials)]
        if settings.https_listen:
            self._servers.append(server.Server(settings.https_listen, front,
                                               settings.https_credentials or settings.credentials,
                                               settings.https_certificate))
        host, port = self._servers[0].server_address[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        front.address = f"{settings.hostname}:{port}" if settings.hostname else self.address
        if self.cluster is not None:
            front.api = Api(self.cluster, front.address, settings)
            front.api.leader_known = lambda: misbehaviour.mode != "noleader"
        self._control = None
        if settings.control:
            self._control = control.listen(
                settings.control, control.Control(front, self.cluster, self.address))

    def start(self):
        if self.cluster is not None:
            self.cluster.start()
        for one in self._servers:
            threading.Thread(target=one.serve_forever, args=(0.2,), daemon=True,
                             name="http").start()

    def stop(self):
        """Ends what it started, unless the tasks are to be kept; returns the exit status."""
        left = []
        if self.cluster is not None:
            if not self._settings.keep_tasks:
                left = self.cluster.stop_all()
            self.cluster.close()
            if self._settings.keep_tasks:
                self.cluster.saver()
            else:
                self._state_file.remove()
        self._bus.cut()
        for one in self._servers:
            one.shutdown()
            one.server_close()
        if self._bus.callbacks is not None:
            self._bus.callbacks.close()
        if self._control is not None:
            self._control.shutdown()
            self._control.server_close()
            if self._settings.control.startswith("unix:"):
                os.unlink(self._settings.control[len("unix:"):])
        if left:
            print(f"marathon-sim: {len(left)} tasks do not end, one is {left[0].id}",
                  file=sys.stderr)
        return 1 if left else 0


def main(arguments=None):
    settings = parse_arguments(arguments)
    threading.stack_size(_THREAD_STACK_BYTES)
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    try:
        simulator = Simulator(settings)
    except Failure as error:
        print(f"marathon-sim: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"marathon-sim: cannot listen: {error}", file=sys.stderr)
        return 1
    simulator.start()
    print(f"marathon-sim: ready on http://{simulator.address}", flush=True)
    over.wait()
    return simulator.stop()
