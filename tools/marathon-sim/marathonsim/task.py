# SPDX-License-Identifier: GPL-2.0-only
"""One task: its identity, state and health, and how the version shows it.

Knows nothing of processes and containers; `handle` is the executor's business.
"""

import threading

from . import events, wire


class Health:
    """The record of one health check of one task."""

    def __init__(self):
        self.consecutive_failures = 0
        self.first_success = None
        self.last_success = None
        self.last_failure = None
        self.last_failure_cause = None

    @property
    def alive(self):
        if self.last_success is None:
            return False
        return self.last_failure is None or self.last_success > self.last_failure

    def render(self, instance_id):
        return {
            "alive": self.alive,
            "consecutiveFailures": self.consecutive_failures,
            "firstSuccess": wire.stamp(self.first_success),
            "lastFailure": wire.stamp(self.last_failure),
            "lastSuccess": wire.stamp(self.last_success),
            "lastFailureCause": self.last_failure_cause,
            "instanceId": instance_id,
        }


class Task:
    def __init__(self, version, app, agent, uuid, incarnation, ports):
        self.app_id = app.id
        self.definition = app.definition
        self.version = app.definition.version
        self.agent = agent
        self.uuid = uuid
        self.incarnation = incarnation
        self.ports = ports
        path = wire.safe_path(app.id)
        self.id = version.task_id(path, uuid, incarnation)
        self.instance_id = version.instance_id(path, uuid)
        self.state = "TASK_STAGING"
        self.staged_at = wire.now()
        self.started_at = None
        self.order = 0
        self.ip = None
        self.handle = None
        self.kill_reason = None     # set as soon as Marathon wants the task to end
        self.spared = False         # the kill came with scale: no replacement is wanted
        self.exited = threading.Event()   # it runs no more
        self.ended = threading.Event()    # nothing of it is left
        self.health = {}            # index of the check -> Health
        self.ready = not app.definition.readiness

    @property
    def terminal(self):
        return self.state in events.TERMINAL

    @property
    def running(self):
        return self.state == "TASK_RUNNING"

    @property
    def healthy(self):
        """True, False, or None as long as a check has not reported."""
        checks = self.definition.health_checks
        if not checks:
            return None
        results = [self.health.get(index) for index in range(len(checks))]
        if any(result is None for result in results):
            return None
        return all(result.alive for result in results)

    def ip_addresses(self):
        if self.ip is None:
            return []
        protocol = "IPv6" if ":" in self.ip else "IPv4"
        return [{"ipAddress": self.ip, "protocol": protocol}]

    def render(self, version, hide_health=False):
        """The REST form: which members are missing and which null is part of the version."""
        unseen = hide_health or not self.health
        results = [] if unseen else [self.health[index].render(self.instance_id)
                                     for index in sorted(self.health)]
        inactive = self.terminal
        shown = {"id": self.id, "slaveId": self.agent.slave_id, "host": self.agent.host,
                 "state": self.state}
        if not inactive:
            shown["startedAt"] = wire.stamp(self.started_at)
            shown["stagedAt"] = wire.stamp(self.staged_at)
            shown["version"] = self.version
        lists = {"ports": [] if inactive else list(self.ports),
                 "ipAddresses": self.ip_addresses(),
                 "servicePorts": self.definition.service_ports(),
                 "healthCheckResults": results}
        for name, value in lists.items():
            if value or version.writes_empty_lists:
                shown[name] = value
        shown["appId"] = self.app_id
        if version.writes_empty_lists:
            shown["localVolumes"] = []
            shown["role"] = "*"
        return shown
