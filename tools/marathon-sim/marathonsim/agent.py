# SPDX-License-Identifier: GPL-2.0-only
"""Slaves: where a task may go and which host-ports it gets.

Not thread safe; the cluster calls it under its lock.
"""

import itertools
import random
import re


class AgentError(Exception):
    """The agents file is wrong; the text names the place."""


class Agent:
    """One slave. `executor` starts and stops what runs there."""

    def __init__(self, settings, number, reuse):
        self.name = settings["name"]
        self.host = settings.get("host", self.name)
        self.address = settings.get("address", self.host)
        self.kind = settings["type"]
        self.settings = settings
        self.attributes = settings.get("attributes", {})
        self.number = number
        self.slave_id = None
        self.executor = None
        low, high = settings.get("ports", [31000, 32000])
        self._reuse = reuse
        self._range = range(low, high + 1)
        self._used = set()
        self._released = {port: 0 for port in self._range}
        self._clock = itertools.count(1)

    def _pick(self, count):
        free = [port for port in self._range if port not in self._used]
        if len(free) < count:
            return None
        if self._reuse == "random":
            return random.sample(free, count)
        newest_first = self._reuse == "fast"
        free.sort(key=lambda port: self._released[port] * (-1 if newest_first else 1))
        return free[:count]

    def take_ports(self, wanted):
        """The ports for a task, marked used; None if they cannot be had here."""
        fixed = [port for port in wanted if port]
        if len(set(fixed)) != len(fixed) or any(port in self._used for port in fixed):
            return None
        self._used.update(fixed)
        dynamic = self._pick(len(wanted) - len(fixed))
        if dynamic is None:
            self._used.difference_update(fixed)
            return None
        self._used.update(dynamic)
        source = iter(dynamic)
        return [port or next(source) for port in wanted]

    def occupy(self, ports):
        self._used.update(ports)

    def release(self, ports):
        for port in ports:
            self._used.discard(port)
            self._released[port] = next(self._clock)

    def attribute(self, field):
        if field in ("hostname", "@hostname"):
            return self.host
        return self.attributes.get(field)


def _allowed(agent, rule, tasks):
    field, operator = rule[0], rule[1]
    value = rule[2] if len(rule) > 2 else None
    mine = agent.attribute(field)
    if mine is None:
        return operator == "UNLIKE"
    others = [task.agent.attribute(field) for task in tasks]
    if operator == "UNIQUE":
        return mine not in others
    if operator in ("CLUSTER", "IS"):
        return mine == (value if value is not None else (others or [mine])[0])
    if operator == "LIKE":
        return re.fullmatch(value or "", mine) is not None
    if operator == "UNLIKE":
        return re.fullmatch(value or "", mine) is None
    if operator == "MAX_PER":
        return others.count(mine) < int(value)
    return True


def place(agents, definition, tasks, load):
    """The slave for one more task and its ports, or (None, None).

    tasks: the app's that have not ended; load: agent -> number of all tasks there.
    """
    def crowd(agent):
        mine = sum(1 for task in tasks if task.agent is agent)
        return (mine, load[agent], agent.number)

    for agent in sorted(agents, key=crowd):
        if all(_allowed(agent, rule, tasks) for rule in definition["constraints"]):
            ports = agent.take_ports(definition.wanted_host_ports())
            if ports is not None:
                return agent, ports
    return None, None


def _strings(value):
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def check_settings(document):
    """The list of settings of the agents file. Raises AgentError with the place."""
    if not isinstance(document, dict) or not isinstance(document.get("agents"), list):
        raise AgentError("must be an object with a list 'agents'")
    if not isinstance(document.get("id"), str) or not document["id"]:
        raise AgentError("'id' must be a string that is not empty")
    names = set()
    for i, item in enumerate(document["agents"]):
        place_name = f"agents[{i}]"
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise AgentError(f"{place_name} must be an object with a string 'name'")
        if item["name"] in names:
            raise AgentError(f"{place_name}: name '{item['name']}' is there twice")
        names.add(item["name"])
        if item.get("type") not in ("docker", "process", "dry"):
            raise AgentError(f"{place_name}.type must be docker, process or dry")
        if item["type"] == "docker" and not isinstance(item.get("docker_socket"), str):
            raise AgentError(f"{place_name}.docker_socket is missing")
        for key in ("entrypoint", "command"):
            if key in item and not _strings(item[key]):
                raise AgentError(f"{place_name}.{key} must be a list of strings")
        ports = item.get("ports", [31000, 32000])
        if (not isinstance(ports, list) or len(ports) != 2
                or not all(isinstance(port, int) for port in ports)
                or not 1 <= ports[0] <= ports[1] <= 65535):
            raise AgentError(f"{place_name}.ports must be [lowest, highest]")
    return document["agents"]
