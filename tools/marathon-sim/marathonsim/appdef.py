# SPDX-License-Identifier: GPL-2.0-only
"""App definitions: what is taken, what is refused, and how each version shows one.

A Definition never changes after it was made; an update makes another one. Inside it there is
only one form (network mode, port mappings, port definitions), whatever form came in.
"""

import copy
import math

from . import wire

HTTP_CHECKS = ("HTTP", "HTTPS", "MESOS_HTTP", "MESOS_HTTPS")
TCP_CHECKS = ("TCP", "MESOS_TCP")
_OLD_MODES = {"HOST": "host", "BRIDGE": "bridge", "USER": "container", "NONE": "host"}
_NEW_MODES = {"host": "host", "container/bridge": "bridge", "container": "container"}
_PLAIN = {"cmd": None, "args": None, "user": None, "env": {}, "instances": 1, "cpus": 1.0,
          "mem": 128.0, "disk": 0.0, "gpus": 0, "labels": {}, "constraints": [],
          "requirePorts": False, "backoffSeconds": None, "backoffFactor": 1.15,
          "maxLaunchDelaySeconds": None, "taskKillGracePeriodSeconds": None}


class Invalid(Exception):
    """What Marathon answers with 422: a path in the document and what is wrong there."""

    def __init__(self, path, error):
        super().__init__(f"{path}: {error}")
        self.path = path
        self.error = error


def _number(value, path, low, high=math.inf, whole=True):
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise Invalid(path, "error.expected.jsnumber")
    if not low <= value <= high:
        raise Invalid(path, f"got {value}, expected between {low} and {high}")
    return value


def _kind(value, kind, path, name):
    if not isinstance(value, kind):
        raise Invalid(path, f"error.expected.{name}")
    return value


def _strings(value, path):
    _kind(value, dict, path, "jsobject")
    for key, text in value.items():
        _kind(text, str, f"{path}/{key}", "jsstring")
    return value


def _objects(body, name, path):
    value = body.get(name)
    if value is None:
        return []
    _kind(value, list, path, "jsarray")
    for index, item in enumerate(value):
        _kind(item, dict, f"{path}({index})", "jsobject")
    return value


def _check(body, index):
    path = f"/healthChecks({index})"
    protocol = body.get("protocol", "HTTP")
    if protocol not in HTTP_CHECKS + TCP_CHECKS + ("COMMAND",):
        raise Invalid(f"{path}/protocol", f"'{protocol}' is no protocol of a health check")
    check = {"protocol": protocol}
    if protocol in HTTP_CHECKS:
        check["path"] = _kind(body.get("path") or "/", str, f"{path}/path", "jsstring")
    if protocol == "COMMAND":
        command = _kind(body.get("command"), dict, f"{path}/command", "jsobject")
        value = _kind(command.get("value"), str, f"{path}/command/value", "jsstring")
        check["command"] = {"value": value}
    elif body.get("port") is not None:
        check["port"] = _number(body["port"], f"{path}/port", 1, 65535)
    else:
        check["portIndex"] = _number(body.get("portIndex", 0), f"{path}/portIndex", 0)
    for name, default, low in (("gracePeriodSeconds", 300, 0), ("intervalSeconds", 60, 0),
                               ("timeoutSeconds", 20, 0), ("maxConsecutiveFailures", 3, 0)):
        check[name] = _number(body.get(name, default), f"{path}/{name}", low, whole=False)
    if protocol == "COMMAND" or protocol.startswith("MESOS_"):
        check["delaySeconds"] = _number(body.get("delaySeconds", 15), f"{path}/delaySeconds", 0,
                                        whole=False)
    else:
        check["ignoreHttp1xx"] = bool(body.get("ignoreHttp1xx", False))
    return check


def _readiness(body, index):
    path = f"/readinessChecks({index})"
    return {
        "name": body.get("name", "readinessCheck"),
        "protocol": body.get("protocol", "HTTP"),
        "path": _kind(body.get("path", "/"), str, f"{path}/path", "jsstring"),
        "portName": body.get("portName", "http-api"),
        "intervalSeconds": _number(body.get("intervalSeconds", 30), f"{path}/intervalSeconds", 0,
                                   whole=False),
        "timeoutSeconds": _number(body.get("timeoutSeconds", 10), f"{path}/timeoutSeconds", 0,
                                  whole=False),
        "httpStatusCodesForReady": body.get("httpStatusCodesForReady", [200]),
        "preserveLastResponse": bool(body.get("preserveLastResponse", False)),
    }


def _port_common(body, path):
    shown = {"protocol": body.get("protocol", "tcp"),
             "name": body.get("name"),
             "labels": _strings(body.get("labels") or {}, f"{path}/labels")}
    if shown["protocol"] not in ("tcp", "udp", "udp,tcp", "tcp,udp"):
        raise Invalid(f"{path}/protocol", f"'{shown['protocol']}' is no protocol of a port")
    return shown


def _mapping(body, path, mode):
    port = _port_common(body, path)
    port["containerPort"] = _number(body.get("containerPort", 0), f"{path}/containerPort", 0, 65535)
    host_port = body.get("hostPort")
    if host_port is None and mode == "bridge":
        host_port = 0
    if host_port is not None:
        _number(host_port, f"{path}/hostPort", 0, 65535)
    port["hostPort"] = host_port
    port["servicePort"] = _number(body.get("servicePort", 0), f"{path}/servicePort", 0, 65535)
    return port


class Definition:
    """See parse() and update() for how one comes to be."""

    def __init__(self, app_id):
        self.id = app_id
        self.plain = copy.deepcopy(_PLAIN)
        self.upgrade = {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0}
        self.health_checks = []
        self.readiness = []
        self.mode = "host"
        self.network_name = None
        self.container = None       # {"type", "image", "forcePullImage", "privileged", "parameters", "volumes"}
        self.mappings = []
        self.port_definitions = []
        self.version = None
        self.scaled_at = None
        self.configured_at = None   # tasks of the same configured_at need no restart

    def __getitem__(self, name):
        return self.plain[name]

    def stamped(self, version, config_changed):
        self.version = version
        self.scaled_at = version
        if config_changed or self.configured_at is None:
            self.configured_at = version
        return self

    def with_instances(self, instances):
        other = copy.deepcopy(self)
        other.plain["instances"] = instances
        return other

    def service_ports(self):
        if self.mode != "host":
            return [port["servicePort"] for port in self.mappings]
        return [port["port"] for port in self.port_definitions]

    def wanted_host_ports(self):
        """One entry a host-port that a task needs: 0 any, else exactly that one."""
        if self.mode != "host":
            return [port["hostPort"] for port in self.mappings if port["hostPort"] is not None]
        if self.plain["requirePorts"]:
            return [port["port"] for port in self.port_definitions]
        return [0] * len(self.port_definitions)

    def named_ports(self):
        """(name, index into task.ports or None) in the order of the definition."""
        if self.mode == "host":
            return [(port["name"], i) for i, port in enumerate(self.port_definitions)]
        names, cursor = [], 0
        for port in self.mappings:
            names.append((port["name"], None if port["hostPort"] is None else cursor))
            cursor += port["hostPort"] is not None
        return names

    def same_but_scale(self, other):
        def essence(definition):
            value = copy.deepcopy(vars(definition))
            for name in ("version", "scaled_at", "configured_at"):
                value.pop(name)
            value["plain"].pop("instances")
            return value
        return essence(self) == essence(other)

    def assign_service_ports(self, taken):
        """Gives a free service port, from 10000 up, to each place that asks for any."""
        places = [(port, "servicePort") for port in self.mappings]
        if self.mode == "host" and not self.plain["requirePorts"]:
            places = [(port, "port") for port in self.port_definitions]
        taken = set(taken) | {port[key] for port, key in places}
        free = iter(range(10000, 20001))
        for port, key in places:
            if port[key] == 0:
                port[key] = next(number for number in free if number not in taken)

    # -- what comes in ---------------------------------------------------------------

    def take(self, version, body):
        """Overwrites what the document names. Raises Invalid."""
        for name in _PLAIN:
            if name in body:
                value = body[name]
                self.plain[name] = copy.deepcopy(_PLAIN[name]) if value is None else value
        self._check_plain()
        strategy = body.get("upgradeStrategy")
        if strategy is not None:
            _kind(strategy, dict, "/upgradeStrategy", "jsobject")
            for name in self.upgrade:
                if name in strategy:
                    self.upgrade[name] = _number(strategy[name], f"/upgradeStrategy/{name}", 0, 1,
                                                 whole=False)
        if "healthChecks" in body:
            self.health_checks = [_check(item, i) for i, item
                                  in enumerate(_objects(body, "healthChecks", "/healthChecks"))]
        if "readinessChecks" in body:
            self.readiness = [_readiness(item, i) for i, item
                              in enumerate(_objects(body, "readinessChecks", "/readinessChecks"))]
        self._take_network(version, body)
        for i, check in enumerate(self.health_checks):
            count = len(self.named_ports())
            if "portIndex" in check and check["portIndex"] >= count:
                raise Invalid(f"/healthChecks({i})/portIndex",
                              "Health check port indices must address an element of the ports "
                              "array or container port mappings.")
        return self

    def _check_plain(self):
        plain = self.plain
        _number(plain["instances"], "/instances", 0)
        for name in ("cpus", "mem", "disk", "gpus", "backoffFactor"):
            _number(plain[name], f"/{name}", 0, whole=False)
        for name in ("backoffSeconds", "maxLaunchDelaySeconds", "taskKillGracePeriodSeconds"):
            if plain[name] is not None:
                _number(plain[name], f"/{name}", 0, whole=False)
        if plain["cmd"] is not None:
            _kind(plain["cmd"], str, "/cmd", "jsstring")
        if plain["args"] is not None:
            _kind(plain["args"], list, "/args", "jsarray")
            for i, text in enumerate(plain["args"]):
                _kind(text, str, f"/args({i})", "jsstring")
            if plain["cmd"] is not None:
                raise Invalid("/", "AppDefinition must either contain one of 'cmd' or 'args', "
                                   "and/or a 'container'.")
        _strings(plain["labels"], "/labels")
        _strings(plain["env"], "/env")
        _kind(plain["requirePorts"], bool, "/requirePorts", "jsboolean")
        for i, rule in enumerate(_kind(plain["constraints"], list, "/constraints", "jsarray")):
            if not isinstance(rule, list) or not 2 <= len(rule) <= 3:
                raise Invalid(f"/constraints({i})", "must be [field, operator, (value)]")

    def _take_network(self, version, body):
        if "networks" in body and not version.networks_api:
            raise Invalid("/networks", "this version has container.docker.network instead")
        container = body.get("container")
        if container is not None:
            self._take_container(_kind(container, dict, "/container", "jsobject"))
        for i, network in enumerate(_objects(body, "networks", "/networks")):
            mode = network.get("mode", "container")
            if mode not in _NEW_MODES:
                raise Invalid(f"/networks({i})/mode", f"'{mode}' is no network mode")
            self.mode = _NEW_MODES[mode]
            self.network_name = network.get("name")
        if container is not None:
            docker = container.get("docker") or {}
            name, source = "/container/portMappings", container
            if docker.get("portMappings") is not None:
                name, source = "/container/docker/portMappings", docker
            self.mappings = [_mapping(item, f"{name}({i})", self.mode)
                             for i, item in enumerate(_objects(source, "portMappings", name))]
        if self.mode == "host":
            self.mappings = []
            self._take_port_definitions(body)
        else:
            self.port_definitions = []
            if not self.mappings and self.mode == "bridge":
                self.mappings = [_mapping({"containerPort": 0, "hostPort": 0}, "", self.mode)]

    def _take_container(self, body):
        docker = _kind(body.get("docker") or {}, dict, "/container/docker", "jsobject")
        image = docker.get("image")
        if body.get("type") == "DOCKER" or docker:
            _kind(image, str, "/container/docker/image", "jsstring")
        self.container = {"type": body.get("type", "DOCKER"), "image": image,
                          "forcePullImage": bool(docker.get("forcePullImage", False)),
                          "privileged": bool(docker.get("privileged", False)),
                          "parameters": docker.get("parameters") or [],
                          "volumes": body.get("volumes") or []}
        network = docker.get("network")
        if network is not None:
            if network not in _OLD_MODES:
                raise Invalid("/container/docker/network", f"'{network}' is no network")
            self.mode = _OLD_MODES[network]

    def _take_port_definitions(self, body):
        if body.get("portDefinitions") is not None:
            items = _objects(body, "portDefinitions", "/portDefinitions")
        elif body.get("ports") is not None:
            items = [{"port": port} for port in _kind(body["ports"], list, "/ports", "jsarray")]
        elif self.port_definitions or self.version is not None:
            return
        else:
            items = [{}]
        self.port_definitions = []
        for i, item in enumerate(items):
            path = f"/portDefinitions({i})"
            port = _port_common(item, path)
            port["port"] = _number(item.get("port", 0), f"{path}/port", 0, 65535)
            self.port_definitions.append(port)

    # -- what goes out ---------------------------------------------------------------

    def render(self, version):
        shown = {"id": self.id}
        shown.update(self.plain)
        shown["backoffSeconds"] = 1 if shown["backoffSeconds"] is None else shown["backoffSeconds"]
        if shown["maxLaunchDelaySeconds"] is None:
            shown["maxLaunchDelaySeconds"] = 300 if version.networks_api else 3600
        shown["executor"] = ""
        shown["fetch"] = []
        shown["dependencies"] = []
        shown["upgradeStrategy"] = dict(self.upgrade)
        shown["healthChecks"] = copy.deepcopy(self.health_checks)
        shown["readinessChecks"] = copy.deepcopy(self.readiness)
        shown["unreachableStrategy"] = {"inactiveAfterSeconds": 300, "expungeAfterSeconds": 600}
        shown["killSelection"] = "YOUNGEST_FIRST"
        shown["version"] = self.version
        shown["versionInfo"] = {"lastScalingAt": self.scaled_at,
                                "lastConfigChangeAt": self.configured_at}
        if version.networks_api:
            self._render_new(shown)
        else:
            self._render_old(shown)
        return shown

    def _render_ports(self, ports, number, keep_null_names):
        result = []
        for port in ports:
            item = {key: copy.deepcopy(port[key]) for key in number if port[key] is not None}
            item["protocol"] = port["protocol"]
            if port["name"] is not None or keep_null_names:
                item["name"] = port["name"]
            item["labels"] = dict(port["labels"])
            result.append(item)
        return result

    def _render_new(self, shown):
        for name in ("args", "user", "taskKillGracePeriodSeconds"):
            if shown[name] is None:
                shown.pop(name)
        mode = {"host": "host", "bridge": "container/bridge", "container": "container"}[self.mode]
        network = {"mode": mode}
        if self.network_name is not None:
            network["name"] = self.network_name
        shown["networks"] = [network]
        if self.mode == "host":
            shown["portDefinitions"] = self._render_ports(self.port_definitions, ("port",), False)
        if self.container is not None:
            box = {"type": self.container["type"], "volumes": self.container["volumes"]}
            if self.container["image"] is not None:
                box["docker"] = {name: self.container[name] for name in
                                 ("image", "forcePullImage", "privileged", "parameters")}
            if self.mode != "host":
                box["portMappings"] = self._render_ports(
                    self.mappings, ("containerPort", "hostPort", "servicePort"), False)
            shown["container"] = box

    def _render_old(self, shown):
        shown["ipAddress"] = None
        shown["residency"] = None
        shown["acceptedResourceRoles"] = None
        shown["uris"] = []
        shown["secrets"] = {}
        ports = self.port_definitions
        if self.mode != "host":
            ports = [{"port": port["servicePort"], "protocol": port["protocol"],
                      "name": port["name"], "labels": port["labels"]} for port in self.mappings]
        shown["portDefinitions"] = self._render_ports(ports, ("port",), False)
        shown["ports"] = self.service_ports()
        shown["container"] = None
        if self.container is not None:
            network = {"host": "HOST", "bridge": "BRIDGE", "container": "USER"}[self.mode]
            docker = {"image": self.container["image"], "network": network}
            if self.mode != "host":
                docker["portMappings"] = self._render_ports(
                    self.mappings, ("containerPort", "hostPort", "servicePort"), False)
            for name in ("privileged", "parameters", "forcePullImage"):
                docker[name] = self.container[name]
            shown["container"] = {"type": self.container["type"],
                                  "volumes": self.container["volumes"], "docker": docker}


def parse(version, body, app_id=None):
    """A new Definition from a document; the id of the address wins. Raises Invalid."""
    _kind(body, dict, "/", "jsobject")
    given = app_id if app_id is not None else body.get("id")
    if given is None:
        raise Invalid("/id", "error.path.missing")
    try:
        definition = Definition(wire.canonical_app_id(given))
    except ValueError as error:
        raise Invalid("/id", str(error)) from None
    definition.take(version, body)
    if definition.container is None and definition.mode != "host":
        definition.container = {"type": "MESOS", "image": None, "forcePullImage": False,
                                "privileged": False, "parameters": [], "volumes": []}
    return definition


def update(version, old, body):
    """Another Definition: the old one with what the document names. Raises Invalid."""
    _kind(body, dict, "/", "jsobject")
    return copy.deepcopy(old).take(version, body)
