# SPDX-License-Identifier: GPL-2.0-only
"""What a task runs and in which environment, as Marathon and Mesos would set it up."""

import re


def environment(task, sim_id):
    definition = task.definition
    env = {
        "MESOS_TASK_ID": task.id,
        "MARATHON_APP_ID": task.app_id,
        "MARATHON_APP_VERSION": task.version,
        "MARATHON_APP_RESOURCE_CPUS": str(definition["cpus"]),
        "MARATHON_APP_RESOURCE_MEM": str(definition["mem"]),
        "HOST": task.agent.host,
        "PORTS": ",".join(str(port) for port in task.ports),
        "MARATHON_SIM_ID": sim_id,
    }
    if definition.container is not None and definition.container["image"]:
        env["MARATHON_APP_DOCKER_IMAGE"] = definition.container["image"]
    if task.ports:
        env["PORT"] = str(task.ports[0])
    for i, port in enumerate(task.ports):
        env[f"PORT{i}"] = str(port)
    for mapping, host_port in mapped_ports(task):
        if mapping["containerPort"]:
            env[f"PORT_{mapping['containerPort']}"] = str(host_port)
    for name, index in definition.named_ports():
        if name and index is not None:
            env["PORT_" + re.sub(r"[^A-Z0-9_]", "_", name.upper())] = str(task.ports[index])
    env.update(definition["env"])
    return env


def mapped_ports(task):
    """(mapping, host-port) of each mapping that has one."""
    mapped = [port for port in task.definition.mappings if port["hostPort"] is not None]
    return list(zip(mapped, task.ports))


def listen_port(task, bridged):
    """The port that the program must bind: inside the container when there is a bridge."""
    if bridged:
        for mapping, host_port in mapped_ports(task):
            return mapping["containerPort"] or host_port
    return task.ports[0] if task.ports else 0


def _filled(words, env):
    def value(match):
        return env.get(match.group(1), "")
    return [re.sub(r"\$([A-Za-z_][A-Za-z0-9_]*)", value, word) for word in words]


def words(task, env, bridged):
    """(entrypoint, command) of the task: the app's own words, else the slave's. None: what the image says."""
    definition = task.definition
    settings = task.agent.settings
    if definition["cmd"] is not None:
        return ["/bin/sh", "-c"], [definition["cmd"]]
    image = definition.container["image"] if definition.container else None
    if task.agent.kind == "docker" and image not in (None, settings.get("image")):
        return None, definition["args"]
    known = dict(env, LISTEN_PORT=str(listen_port(task, bridged)))
    entrypoint = _filled(settings.get("entrypoint", []), known) or None
    if definition["args"] is not None:
        return entrypoint, list(definition["args"])
    return entrypoint, _filled(settings.get("command", []), known)
