# SPDX-License-Identifier: GPL-2.0-only
"""Runs the health and readiness checks of one task, really: from where the simulator runs, commands where the task does.

Knows how to probe and when; what a result means is decided by the one who is told.
"""

import http.client
import socket
import ssl
import threading
import time

from .appdef import TCP_CHECKS

_SHORTEST_INTERVAL = 0.1


def _probe_http(secure, address, port, path, timeout):
    """(status, None) or (None, cause)"""
    if secure:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "Mesosphere health check/1.0",
                                                 "Connection": "close"})
        answer = connection.getresponse()
        return (answer.status, answer.reason), None
    except socket.timeout:
        return None, "SocketTimeoutException"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return None, f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def probe(check, address, port):
    """None if the check passes, else the cause."""
    timeout = check["timeoutSeconds"] or None
    if check["protocol"] in TCP_CHECKS:
        try:
            socket.create_connection((address, port), timeout).close()
            return None
        except OSError as error:
            return f"{type(error).__name__}: {error}"
    secure = check["protocol"] in ("HTTPS", "MESOS_HTTPS")
    answer, cause = _probe_http(secure, address, port, check["path"], timeout)
    if answer is None:
        return cause
    status, reason = answer
    if 200 <= status < 400 or (status < 200 and check.get("ignoreHttp1xx")):
        return None
    return f"{status} {reason}"


def port_of(task, check):
    """The host-port that the check means, or None if it cannot be reached from outside."""
    if "portIndex" not in check:
        return check["port"]
    _, index = task.definition.named_ports()[check["portIndex"]]
    return None if index is None else task.ports[index]


def _look(task, check):
    """None if the check passes, else the cause."""
    if check["protocol"] == "COMMAND":
        return task.handle.check(check["command"]["value"], check["timeoutSeconds"] or None)
    port = port_of(task, check)
    return "no host port" if port is None else probe(check, task.agent.address, port)


def _watch(task, index, report):
    check = task.definition.health_checks[index]
    interval = max(check["intervalSeconds"], _SHORTEST_INTERVAL)
    if task.exited.wait(check.get("delaySeconds", 0)):
        return
    due = time.monotonic()
    while not task.exited.is_set() and task.kill_reason is None:
        cause = _look(task, check)
        if task.exited.is_set():
            return
        report(task, index, cause)
        due = max(due + interval, time.monotonic())
        task.exited.wait(due - time.monotonic())


def _await_ready(task, ready):
    for check in task.definition.readiness:
        ports = dict(task.definition.named_ports())
        index = ports.get(check["portName"], 0)
        if index is None:
            continue        # its port is not reachable through the host
        secure = check["protocol"] == "HTTPS"
        while not task.exited.is_set():
            answer, _ = _probe_http(secure, task.agent.address, task.ports[index], check["path"],
                                    check["timeoutSeconds"] or None)
            if answer is not None and answer[0] in check["httpStatusCodesForReady"]:
                break
            task.exited.wait(max(check["intervalSeconds"], _SHORTEST_INTERVAL))
    if not task.exited.is_set():
        ready(task)


def start(task, report, ready):
    """Watches a running task until it has ended.

    report(task, index of the check, None or cause) and ready(task) are called by other threads.
    """
    for index in range(len(task.definition.health_checks)):
        threading.Thread(target=_watch, args=(task, index, report), daemon=True).start()
    if task.definition.readiness:
        threading.Thread(target=_await_ready, args=(task, ready), daemon=True).start()
