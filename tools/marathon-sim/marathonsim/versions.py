# SPDX-License-Identifier: GPL-2.0-only
"""What differs between the versions of Marathon that can be played.

Every difference that the rest of the simulator knows is a property here, so that no other
module compares version numbers.
"""

import re


class Version:
    def __init__(self, text):
        match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", text)
        if not match:
            raise ValueError(f"version '{text}' is not of the form 1.8.222")
        self.text = text
        self.number = tuple(int(part) for part in match.groups())
        if self.number[:2] not in ((1, 4), (1, 8)):
            raise ValueError(f"version '{text}' is not played; 1.4.x and 1.8.x are")
        modern = self.number >= (1, 5, 0)
        self.has_callbacks = not modern
        self.networks_api = modern
        self.writes_empty_lists = self.number >= (1, 6, 0)
        self.instance_task_ids = self.number >= (1, 8, 0)
        self.schedules_instances = self.number >= (1, 8, 0)
        self.light_plans = self.number >= (1, 7, 0)
        self.redirects_events = self.number >= (1, 7, 0)
        self.no_leader_status = 502 if self.number >= (1, 7, 0) else 503
        self.failed_check_key = "taskId" if modern else "instanceId"
        self.aggregates_health = modern
        self.terminated_after_tasks = self.number >= (1, 6, 0)
        self.stream_queue = 1024 if modern else 50
        self.closes_slow_streams = self.number >= (1, 8, 0)
        self.tells_starting = self.number >= (1, 8, 0)

    def instance_id(self, safe_path, uuid):
        kind = "instance" if self.instance_task_ids else "marathon"
        return f"{safe_path}.{kind}-{uuid}"

    def task_id(self, safe_path, uuid, incarnation):
        if self.instance_task_ids:
            return f"{safe_path}.instance-{uuid}._app.{incarnation}"
        return f"{safe_path}.{uuid}"
