# SPDX-License-Identifier: GPL-2.0-only
"""The events that Marathon sends, as plain objects in the version's own shape.

Pure: knows nothing of who receives them or why they happen.
"""

from . import wire

CONDITIONS = {
    "TASK_STAGING": "Staging",
    "TASK_STARTING": "Starting",
    "TASK_RUNNING": "Running",
    "TASK_KILLING": "Killing",
    "TASK_FINISHED": "Finished",
    "TASK_FAILED": "Failed",
    "TASK_KILLED": "Killed",
    "TASK_ERROR": "Error",
    "TASK_DROPPED": "Dropped",
    "TASK_GONE": "Gone",
    "TASK_GONE_BY_OPERATOR": "Gone",
    "TASK_LOST": "Unreachable",
    "TASK_UNREACHABLE": "Unreachable",
    "TASK_UNKNOWN": "Unknown",
}

TERMINAL = frozenset(("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_DROPPED",
                      "TASK_GONE", "TASK_GONE_BY_OPERATOR"))


def _event(kind, fields):
    fields["eventType"] = kind
    fields["timestamp"] = wire.stamp(wire.now())
    return fields


def status_update(task, message=""):
    return _event("status_update_event", {
        "slaveId": task.agent.slave_id,
        "taskId": task.id,
        "taskStatus": task.state,
        "message": message,
        "appId": task.app_id,
        "host": task.agent.host,
        "ipAddresses": task.ip_addresses(),
        "ports": list(task.ports),
        "version": task.version,
    })


def instance_changed(task, condition):
    scheduled = condition == "Scheduled"
    return _event("instance_changed_event", {
        "instanceId": task.instance_id,
        "condition": condition,
        "runSpecId": task.app_id,
        "agentId": None if scheduled else task.agent.slave_id,
        "host": None if scheduled else task.agent.host,
        "runSpecVersion": task.version,
    })


def instance_health_changed(task, healthy):
    return _event("instance_health_changed_event", {
        "instanceId": task.instance_id,
        "runSpecId": task.app_id,
        "healthy": healthy,
        "runSpecVersion": task.version,
    })


def health_status_changed(task, alive):
    return _event("health_status_changed_event", {
        "appId": task.app_id,
        "instanceId": task.instance_id,
        "version": task.version,
        "alive": alive,
    })


def failed_health_check(version, task, check):
    return _event("failed_health_check_event", {
        "appId": task.app_id,
        version.failed_check_key: task.instance_id,
        "healthCheck": check,
    })


def unhealthy_instance_kill(task, reason):
    return _event("unhealthy_instance_kill_event", {
        "appId": task.app_id,
        "taskId": task.id,
        "instanceId": task.instance_id,
        "version": task.version,
        "reason": reason,
        "host": task.agent.host,
        "slaveId": task.agent.slave_id,
    })


def unknown_instance_terminated(task, condition):
    return _event("unknown_instance_terminated_event", {
        "instanceId": task.instance_id,
        "runSpecId": task.app_id,
        "condition": condition,
    })


def app_terminated(app_id):
    return _event("app_terminated_event", {"appId": app_id})


def api_post(client, uri, definition):
    return _event("api_post_event", {"clientIp": client, "uri": uri, "appDefinition": definition})


def group_change_success(version):
    return _event("group_change_success", {"groupId": "/", "version": version})


def deployment(kind, plan, step=None, reason=None):
    """kind: deployment_info, deployment_step_success, deployment_success, deployment_failed"""
    fields = {"plan": plan}
    if kind in ("deployment_success", "deployment_failed"):
        fields = {"id": plan["id"], "plan": plan}
    if step is not None:
        fields["currentStep"] = step
    event = _event(kind, fields)
    if reason is not None:
        event["reason"] = reason
    return event


def stream_attached(address):
    return _event("event_stream_attached", {"remoteAddress": address})


def stream_detached(address):
    return _event("event_stream_detached", {"remoteAddress": address})


def subscribe(client, url):
    return _event("subscribe_event", {"clientIp": client, "callbackUrl": url})


def unsubscribe(client, url):
    return _event("unsubscribe_event", {"clientIp": client, "callbackUrl": url})


def scheduler_registered(framework_id, master):
    return _event("scheduler_registered_event", {"frameworkId": framework_id, "master": master})
