#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Drives a Marathon at URL with the library python3-marathon and prints what it saw as JSON.

Lists apps and tasks, scales APP to N once it is told on stdin that the event stream is open,
follows that stream until the deployment has succeeded. The library does all the talking. Its
event objects want whole deployment plans, which Marathon sends until 1.6; FORM raw takes the
library's raw events instead.
"""

import json
import sys
import threading

from marathon import MarathonClient


def follow(client, raw, seen, done):
    for event in client.event_stream(raw=raw):
        if raw:
            event = json.loads(event)
        else:
            event = {"eventType": event.event_type, "id": getattr(event, "id", None),
                     "taskId": getattr(event, "task_id", None),
                     "taskStatus": getattr(event, "task_status", None)}
        seen.append(event)
        if event["eventType"] == "deployment_success":
            done.set()
            return


def main(url, app_id, instances, form):
    client = MarathonClient(url)
    done, seen = threading.Event(), []
    threading.Thread(target=follow, args=(client, form == "raw", seen, done), daemon=True).start()
    sys.stdin.readline()
    before = client.list_apps(embed_tasks=True)
    deployment = client.scale_app(app_id, instances=instances)
    if not done.wait(120):
        sys.exit("no deployment_success")
    tasks = client.list_tasks(app_id)
    print(json.dumps({
        "ping": client.ping().decode(),
        "version": client.get_info().version,
        "apps": [app.id for app in before],
        "tasks_before": [task.id for app in before for task in app.tasks],
        "deployment": deployment["deploymentId"],
        "succeeded": [event["id"] for event in seen if event["eventType"] == "deployment_success"],
        "running": [event["taskId"] for event in seen
                    if event.get("taskStatus") == "TASK_RUNNING"],
        "tasks": [{"id": task.id, "host": task.host, "ports": task.ports,
                   "started": task.started_at is not None} for task in tasks],
        "alive": [result.alive for task in tasks for result in task.health_check_results],
    }))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
