# SPDX-License-Identifier: GPL-2.0-only
"""Every payload has the members, types and order-free shape of the recorded and composed fixtures.

The fixtures say which members a version has; a member that only the simulator has is allowed in
an app definition (the fixtures are excerpts there) and nowhere else.
"""

import re
import unittest

from simtest import SimCase, dry_agent, exchange, fixture, process_agent, wait_for

UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ANY_TYPE = {"lastFailure", "lastFailureCause", "lastSuccess", "firstSuccess", "healthy"}
CHECK = {"protocol": "HTTP", "path": "/health", "gracePeriodSeconds": 60, "intervalSeconds": 0.1,
         "timeoutSeconds": 5, "maxConsecutiveFailures": 2}
BRIDGE = {"type": "DOCKER", "docker": {"image": "example/web:1", "network": "BRIDGE",
                                       "portMappings": [{"containerPort": 3000, "hostPort": 0,
                                                         "name": "http"}]}}


def same_shape(case, got, wanted, place, excerpt=()):
    """excerpt: names of objects that may have more members than the fixture."""
    if isinstance(wanted, dict):
        case.assertIsInstance(got, dict, place)
        missing = set(wanted) - set(got)
        case.assertFalse(missing, f"{place}: missing members")
        if place.rpartition(".")[2] not in excerpt:
            case.assertFalse(set(got) - set(wanted), f"{place}: members that are too many")
        for name, value in wanted.items():
            if name not in ANY_TYPE:
                same_shape(case, got[name], value, f"{place}.{name}", excerpt)
    elif isinstance(wanted, list):
        case.assertIsInstance(got, list, place)
        if wanted:
            for item in got:
                same_shape(case, item, wanted[0], place + "[]", excerpt)
    elif isinstance(wanted, str):
        case.assertIsInstance(got, str, place)
        if STAMP.fullmatch(wanted):
            case.assertRegex(got, STAMP, place)
    elif isinstance(wanted, bool) or wanted is None:
        case.assertIs(type(got), type(wanted), place)
    else:
        case.assertNotIsInstance(got, (str, bool, type(None)), place)


class SameShape(unittest.TestCase):
    """The comparison itself must be able to fail."""

    def test_it_sees_differences(self):
        for got, wanted in (({}, {"a": 1}), ({"a": 1, "b": 2}, {"a": 1}), ({"a": "1"}, {"a": 1}),
                            ({"a": None}, {"a": "x"}), ({"a": [1]}, {"a": [{}]}),
                            ({"a": "now"}, {"a": "2014-11-30T12:47:11.286Z"})):
            with self.assertRaises(AssertionError):
                same_shape(self, got, wanted, "x")
        same_shape(self, {"a": [1, 2]}, {"a": [3]}, "x")


class Events(SimCase):
    def life(self, version, *options):
        """All events of an app that is created, fails its checks, is scaled and is deleted."""
        sim = self.sim([process_agent(1, [32101, 32140])], "--enable-features", "task_killing",
                       *options, version=version)
        stream = self.stream(sim)
        task = sim.create("/web/rails", healthChecks=[CHECK], taskKillGracePeriodSeconds=1)[0]
        self.hit(task, "/sick")
        stream.until("the unhealthy task is killed", lambda event: event["eventType"]
                     == "unhealthy_instance_kill_event")
        wait_for("a replacement", lambda: any(item["id"] != task["id"] and item["healthy"]
                                              for item in sim.tasks()))
        task = [item for item in sim.tasks() if item["id"] != task["id"]][0]
        self.hit(task, "/exit/7")
        stream.until("TASK_FAILED", lambda event: event.get("taskStatus") == "TASK_FAILED")
        sim.control("/sim/emit", {"eventType": "marker"})
        status, _, answer = sim.call("DELETE", "/v2/apps/web/rails?force=true")
        self.assertEqual(status, 200)
        stream.until_success(answer["deploymentId"])
        found = {}
        for event in stream.events():
            kind = event["eventType"]
            kind = event.get("taskStatus", kind)
            if kind == "instance_changed_event":
                kind += event["condition"]
            elif kind == "instance_health_changed_event":
                kind += str(event["healthy"])
            found.setdefault(kind, event)
        return found

    @staticmethod
    def hit(task, path):
        import http.client
        connection = http.client.HTTPConnection(task["address"], task["port"], timeout=10)
        try:
            exchange(connection, "POST", path)
        except (ConnectionError, http.client.HTTPException):
            pass        # /exit does not answer

    COMMON = {"TASK_RUNNING": "status_update.running.v1.8plus",
              "TASK_KILLING": "status_update.killing",
              "TASK_KILLED": "status_update.killed",
              "TASK_FAILED": "status_update.failed",
              "api_post_event": "api_post",
              "app_terminated_event": "app_terminated",
              "event_stream_attached": "event_stream_attached",
              "group_change_success": "group_change_success",
              "health_status_changed_event": "health_status_changed.alive.v1.4plus",
              "instance_changed_eventProvisioned": "instance_changed.provisioned.v1.4plus",
              "instance_changed_eventRunning": "instance_changed.running.v1.4plus",
              "instance_changed_eventKilling": "instance_changed.killing.v1.4plus",
              "instance_changed_eventKilled": "instance_changed.killed.v1.4plus",
              "instance_health_changed_eventTrue": "instance_health_changed.healthy.v1.4plus",
              "instance_health_changed_eventFalse": "instance_health_changed.unhealthy.v1.4plus",
              "unhealthy_instance_kill_event": "unhealthy_instance_kill.v1.4plus"}

    def compare(self, found, names):
        for kind, name in names.items():
            with self.subTest(event=kind):
                self.assertIn(kind, found)
                # the definition in api_post is an excerpt; ports is 1.4's name for what 1.8 calls else
                wanted = fixture(f"events/{name}.json")
                if kind == "api_post_event":
                    wanted["appDefinition"].pop("ports")
                same_shape(self, found[kind], wanted, kind, ("appDefinition",))

    def test_1_8(self):
        found = self.life("1.8.222")
        self.compare(found, {**self.COMMON,
                             "deployment_step_success": "deployment_step_success.light-plan.v1.7plus",
                             "deployment_success": "deployment_success.light-plan.v1.7plus"})
        task_id = found["TASK_RUNNING"]["taskId"]
        self.assertRegex(task_id, rf"^web_rails\.instance-{UUID}\._app\.1$")
        self.assertEqual(found["instance_changed_eventRunning"]["instanceId"],
                         task_id.removesuffix("._app.1"))
        scheduled = found["instance_changed_eventScheduled"]
        self.assertIsNone(scheduled["host"])
        self.assertIsNone(scheduled["agentId"])
        self.assertIn("taskId", found["failed_health_check_event"])
        self.assertIn("-instance", "-" + found["failed_health_check_event"]["taskId"].split(".")[1])

    def test_1_4(self):
        found = self.life("1.4.13")
        self.compare(found, {**self.COMMON, "failed_health_check_event": "failed_health_check.v1.4"})
        self.assertRegex(found["TASK_RUNNING"]["taskId"], rf"^web_rails\.{UUID}$")
        self.assertRegex(found["instance_changed_eventRunning"]["instanceId"],
                         rf"^web_rails\.marathon-{UUID}$")
        self.assertNotIn("instance_changed_eventScheduled", found)
        plan = found["deployment_success"]["plan"]
        self.assertEqual(set(plan), {"id", "original", "target", "steps", "version"})
        self.assertEqual(plan["target"]["apps"][0]["id"], "/web/rails")


class Rest(SimCase):
    def checked(self, version, **more):
        """A simulator with one healthy task behind a check that has run, and that app's JSON."""
        sim = self.sim([process_agent(1, [32141, 32160])], version=version)
        sim.create("/web/rails", healthChecks=[CHECK], labels={"consul": ""},
                   taskKillGracePeriodSeconds=30, **more)
        self.addCleanup(sim.control, "/sim/stop-all", {})
        return sim, sim.get("/v2/apps/web/rails")

    def test_1_8_app_and_tasks(self):
        sim, _ = self.checked("1.8.222", container=BRIDGE)
        apps = sim.get("/v2/apps?embed=apps.tasks")
        wanted = fixture("rest/apps.embed-tasks.v1.8plus.json")["apps"][:1]
        wanted[0]["healthChecks"] = [dict(CHECK, portIndex=0, ignoreHttp1xx=False)]
        for port in wanted[0]["container"]["portMappings"]:
            port["labels"] = {}
        apps["apps"][0]["container"]["portMappings"][0]["labels"] = {}
        same_shape(self, apps, {"apps": wanted}, "apps", ("apps[]",))
        same_shape(self, sim.get("/v2/tasks"), fixture("rest/tasks.v1.8plus.json"), "tasks")

    def test_1_4_app_and_tasks(self):
        sim, app = self.checked("1.4.13", container=BRIDGE)
        same_shape(self, app, fixture("rest/app.single.v1.4.docker-bridge.json"), "single",
                   ("app",))
        self.assertNotIn("networks", app["app"])
        self.assertEqual(app["app"]["container"]["docker"]["network"], "BRIDGE")
        same_shape(self, sim.get("/v2/tasks")["tasks"][0], app["app"]["tasks"][0], "task")

    def test_lists_that_are_empty(self):
        for version, shown in (("1.4.13", False), ("1.8.222", True)):
            sim = self.sim([dry_agent(1)], version=version)
            sim.create("/batch", portDefinitions=[])
            task = sim.get("/v2/tasks")["tasks"][0]
            for name in ("ports", "ipAddresses", "servicePorts", "healthCheckResults"):
                with self.subTest(version=version, member=name):
                    self.assertEqual(task.get(name), [] if shown else None)

    def test_messages(self):
        sim = self.sim([dry_agent(1)], version="1.4.13")
        self.assertEqual(sim.call("GET", "/v2/apps/nope")[2], fixture("rest/app.404.json"))
        self.assertEqual(sim.call("GET", "/v2/eventSubscriptions")[2],
                         fixture("rest/eventSubscriptions.disabled.400.json"))
        same_shape(self, sim.get("/v2/leader"), fixture("rest/leader.json"), "leader")
        sim.control("/sim/misbehave", {"mode": "noleader"})
        status, _, body = sim.call("GET", "/v2/leader")
        self.assertEqual((status, body), (404, fixture("rest/leader.404.json")))
