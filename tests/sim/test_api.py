# SPDX-License-Identifier: GPL-2.0-only
"""The REST resources, with tasks that need no process."""

import http.client
import json

from simtest import DEADLINE, SimCase, dry_agent, wait_for


class Apps(SimCase):
    def setUp(self):
        self.sim1 = self.sim([dry_agent(1), dry_agent(2)])

    def test_life_of_an_app(self):
        sim = self.sim1
        status, headers, app = sim.call("POST", "/v2/apps", {"id": "a/web", "instances": 3})
        self.assertEqual((status, app["id"], app["instances"]), (201, "/a/web", 3))
        self.assertEqual(headers["Location"], f"{sim.url}/v2/apps/a/web")
        self.assertEqual([item["id"] for item in app["deployments"]],
                         [headers["Marathon-Deployment-Id"]])
        self.assertEqual(len(sim.settled()), 3)
        self.assertEqual(sim.call("POST", "/v2/apps", {"id": "/a/web"})[0], 409)
        shown = sim.get("/v2/apps/a/web")["app"]
        self.assertEqual((shown["tasksRunning"], shown["tasksStaged"]), (3, 0))
        status, _, answer = sim.call("PUT", "/v2/apps//a/web", {"instances": 1})
        self.assertEqual((status, set(answer)), (200, {"version", "deploymentId"}))
        self.assertEqual(len(sim.settled()), 1)
        self.assertEqual(len(sim.get("/v2/apps/a/web/versions")["versions"]), 2)
        self.assertEqual(sim.get(f"/v2/apps/a/web/versions/{app['version']}")["instances"], 3)
        self.assertEqual(sim.call("PUT", "/v2/apps/a/web", {"version": app["version"]})[0], 200)
        self.assertEqual(len(sim.settled()), 3)
        self.assertEqual(sim.call("DELETE", "/v2/apps/a/web")[0], 200)
        self.assertEqual(sim.settled(), [])
        self.assertEqual(sim.get("/v2/apps"), {"apps": []})

    def test_embed_and_label(self):
        sim = self.sim1
        sim.create("/one", labels={"consul": "one"})
        sim.create("/two", labels={"other": ""})
        self.assertNotIn("tasks", sim.get("/v2/apps")["apps"][0])
        for name in ("apps.tasks", "app.tasks", "tasks"):
            self.assertEqual(len(sim.get(f"/v2/apps?embed={name}")["apps"][0]["tasks"]), 1)
        chosen = sim.get("/v2/apps?label=consul%3D%3Done")["apps"]
        self.assertEqual([app["id"] for app in chosen], ["/one"])
        self.assertEqual(sim.get("/v2/apps?id=tw")["apps"][0]["id"], "/two")
        self.assertEqual(sim.call("GET", "/v2/apps?label=%3D%3D")[0], 400)

    def test_refusals(self):
        sim = self.sim1
        for method, path, body, status in (
                ("POST", "/v2/apps", {"id": "/x", "instances": -1}, 422),
                ("POST", "/v2/apps", {"id": "/BAD"}, 422),
                ("POST", "/v2/apps", {}, 422),
                ("POST", "/v2/apps", [], 422),
                ("PUT", "/v2/apps/x/y/z", {"instances": "two"}, 422),
                ("GET", "/v2/apps/nope", None, 404),
                ("GET", "/v2/apps/nope/tasks", None, 404),
                ("DELETE", "/v2/apps/nope", None, 404),
                ("PATCH", "/v2/apps/nope", {"instances": 1}, 404),
                ("DELETE", "/v2/deployments/nope", None, 404),
                ("GET", "/v2/tasks?status=lost", None, 400),
                ("POST", "/v2/tasks/delete", {}, 422),
                ("POST", "/v2/leader", {}, 405),
                ("GET", "/v2/nothing", None, 404),
                ("GET", "/v2/eventSubscriptions", None, 404)):
            with self.subTest(method=method, path=path):
                got, headers, answer = sim.call(method, path, body)
                self.assertEqual(got, status)
                self.assertEqual(headers["Content-Type"], "application/json")
                self.assertIsInstance(answer["message"], str)
        connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=DEADLINE)
        connection.request("POST", "/v2/apps", '{"id": ')
        answer = connection.getresponse()
        self.assertEqual((answer.status, json.loads(answer.read())["message"]),
                         (400, "Invalid JSON"))
        connection.close()
        self.assertEqual(sim.get("/v2/apps"), {"apps": []})

    def test_a_deployment_locks_its_app(self):
        sim = self.sim1
        sim.call("POST", "/v2/apps", {"id": "/x", "constraints": [["hostname", "LIKE", "none"]]})
        status, _, answer = sim.call("PUT", "/v2/apps/x", {"instances": 2})
        self.assertEqual(status, 409)
        self.assertEqual(answer["deployments"], [{"id": sim.get("/v2/deployments")[0]["id"]}])
        waiting = sim.get("/v2/queue")["queue"][0]
        self.assertEqual((waiting["app"]["id"], waiting["count"]), ("/x", 1))
        stream = self.stream(sim, "?event_type=deployment_failed")
        status, _, _ = sim.call("PUT", "/v2/apps/x?force=true", {"constraints": []})
        self.assertEqual(status, 200)
        failed = stream.until("the first deployment fails", lambda event: True)
        self.assertEqual((failed["id"], failed["reason"]), (answer["deployments"][0]["id"],
                                                           "canceled"))
        self.assertEqual(len(sim.settled()), 1)

    def test_cancelling_goes_back(self):
        sim = self.sim1
        sim.create("/x", 2)
        _, _, answer = sim.call("PUT", "/v2/apps/x", {
            "instances": 4, "constraints": [["hostname", "LIKE", "none"]]})
        status, _, _ = sim.call("DELETE", f"/v2/deployments/{answer['deploymentId']}")
        self.assertEqual(status, 200)
        self.assertEqual(len(sim.settled()), 2)
        self.assertEqual(sim.get("/v2/apps/x")["app"]["constraints"], [])

    def test_several_apps_at_once(self):
        sim = self.sim1
        status, _, answer = sim.call("PUT", "/v2/apps", [{"id": "/x"}, {"id": "/y"}])
        self.assertEqual((status, set(answer)), (200, {"version", "deploymentId"}))
        self.assertEqual({task["app"] for task in sim.settled()}, {"/x", "/y"})


class Tasks(SimCase):
    def setUp(self):
        self.sim1 = self.sim([dry_agent(1), dry_agent(2)])

    def test_killing_with_and_without_scale(self):
        sim = self.sim1
        first = {task["id"] for task in sim.create("/x", 4)}
        victim = sorted(first)[0]
        status, _, answer = sim.call("DELETE", f"/v2/apps/x/tasks/{victim}")
        self.assertEqual((status, answer["task"]["id"]), (200, victim))
        wait_for("a replacement", lambda: len({task["id"] for task in sim.tasks()
                                               if task["state"] == "TASK_RUNNING"} - first) == 1)
        victims = [task["id"] for task in sim.tasks()][:2]
        status, _, answer = sim.call("POST", "/v2/tasks/delete?scale=true", {"ids": victims})
        self.assertEqual((status, set(answer)), (200, {"version", "deploymentId"}))
        left = {task["id"] for task in sim.settled()}
        self.assertEqual(len(left), 2)
        self.assertFalse(left & set(victims))
        self.assertEqual(sim.get("/v2/apps/x")["app"]["instances"], 2)
        status, _, answer = sim.call("DELETE", "/v2/apps/x/tasks?host=slave1.lab&scale=true")
        self.assertEqual(status, 200)
        self.assertEqual({task["host"] for task in sim.settled()}, {"slave2.lab"})
        self.assertEqual(sim.call("DELETE", "/v2/apps/x/tasks/nope")[0], 404)

    def test_status_filter(self):
        sim = self.sim1
        sim.create("/x", 2)
        self.assertEqual(len(sim.get("/v2/tasks?status=running")["tasks"]), 2)
        self.assertEqual(sim.get("/v2/tasks?status=staging")["tasks"], [])
        self.assertEqual(len(sim.get("/v2/tasks?status[]=running&status[]=staging")["tasks"]), 2)

    def test_a_state_that_only_marathon_believes(self):
        sim = self.sim1
        stream = self.stream(sim, "?event_type=status_update_event")
        task = sim.create("/x")[0]
        for state in ("TASK_UNREACHABLE", "TASK_RUNNING", "TASK_LOST"):
            sim.control("/sim/task-state", {"task": task["id"], "state": state})
            stream.until(state, lambda event, state=state: event["taskStatus"] == state)
            self.assertEqual(sim.get("/v2/tasks")["tasks"][0]["state"], state)
        sim.control("/sim/task-state", {"task": task["id"], "state": "TASK_GONE"})
        stream.until("TASK_GONE", lambda event: event["taskStatus"] == "TASK_GONE")
        wait_for("a replacement", lambda: [item["state"] for item in sim.tasks()
                                           if item["id"] != task["id"]] == ["TASK_RUNNING"])

    def test_a_failed_task_may_come_back_with_the_same_instance(self):
        sim = self.sim([dry_agent(1)], "--same-instance")
        task = sim.create("/x")[0]
        sim.control("/sim/kill", {"task": task["id"]})
        again = wait_for("a replacement", lambda: [item for item in sim.tasks()
                                                   if item["id"] != task["id"]])[0]
        self.assertEqual(again["id"], task["id"].removesuffix("1") + "2")
        self.assertEqual(again["instance"], task["instance"])


class Rest(SimCase):
    def test_info_leader_ping(self):
        sim = self.sim([dry_agent(1)], "--hostname", "marathon.lab")
        info = sim.get("/v2/info")
        self.assertEqual((info["version"], info["name"]), ("1.8.222", "marathon"))
        self.assertEqual(sim.get("/v2/leader"), {"leader": f"marathon.lab:{sim.port}"})
        status, headers, body = sim.call("GET", "/ping")
        self.assertEqual((status, body), (200, "pong"))
        self.assertEqual(sim.call("GET", "/v2/apps")[1]["X-Marathon-Leader"],
                         f"http://marathon.lab:{sim.port}")

    def test_long_answers_are_chunked(self):
        sim = self.sim([dry_agent(1)])
        sim.create("/x", 100)
        _, headers, body = sim.call("GET", "/v2/tasks")
        self.assertEqual(headers["Transfer-Encoding"], "chunked")
        self.assertIsNone(headers["Content-Length"])
        self.assertEqual(len(body["tasks"]), 100)

    def test_requests_are_counted(self):
        sim = self.sim([dry_agent(1)])
        sim.control("/sim/requests/reset", {})
        sim.get("/v2/apps")
        sim.get("/v2/apps?embed=apps.tasks")
        self.assertEqual(sim.control("/sim/requests"), {"total": 2, "requests": [
            {"client": "127.0.0.1", "method": "GET", "path": "/v2/apps", "count": 2}]})


class Misbehaviour(SimCase):
    def setUp(self):
        self.sim1 = self.sim([dry_agent(1)], "--heartbeat", "0.2")
        self.sim1.create("/x", 2)

    def mode(self, **body):
        return self.sim1.control("/sim/misbehave", body)

    def test_error(self):
        self.mode(mode="error", status=503)
        for path in ("/v2/apps", "/v2/leader", "/v2/events"):
            status, headers, body = self.sim1.call("GET", path)
            self.assertEqual((status, headers["Content-Type"]), (503, "text/html;charset=iso-8859-1"))
            self.assertIn("<title>Error 503 ", body)
        self.assertEqual(self.sim1.call("GET", "/ping")[0], 200)
        self.mode(mode="normal")
        self.assertEqual(len(self.sim1.get("/v2/tasks")["tasks"]), 2)

    def test_empty(self):
        self.mode(mode="empty")
        self.assertEqual(self.sim1.get("/v2/apps?embed=apps.tasks"), {"apps": []})
        self.assertEqual(self.sim1.get("/v2/tasks"), {"tasks": []})
        self.assertEqual(self.sim1.get("/v2/apps/x/tasks"), {"tasks": []})
        app = self.sim1.get("/v2/apps/x")["app"]
        self.assertEqual((app["tasks"], app["tasksRunning"], app["instances"]), ([], 0, 2))

    def test_half(self):
        for more in ({}, {"chunked": True}):
            self.mode(mode="half", **more)
            with self.assertRaises(http.client.IncompleteRead) as caught:
                self.sim1.call("GET", "/v2/tasks")
            if not more:        # http.client keeps nothing of a chunk that ends too early
                partial = caught.exception.partial
                self.assertTrue(partial.startswith(b'{"tasks":[{"id":"x.'), partial)
                with self.assertRaises(ValueError):
                    json.loads(partial)

    def test_noleader(self):
        for version, wanted in (("1.8.222", 502), ("1.4.13", 503)):
            sim = self.sim([dry_agent(1)], version=version)
            sim.control("/sim/misbehave", {"mode": "noleader"})
            status, headers, body = sim.call("GET", "/v2/apps")
            self.assertEqual(status, wanted)
            self.assertIn(f"<h2>HTTP ERROR {wanted} Could not determine the current leader</h2>",
                          body)
            self.assertIsNone(headers["X-Marathon-Leader"])

    def test_leader_change(self):
        self.mode(mode="leader-change", seconds=0.5)
        self.assertEqual(self.sim1.call("GET", "/v2/leader")[0], 404)
        wait_for("a leader", lambda: self.sim1.call("GET", "/v2/leader")[0] == 200)
        self.assertEqual(len(self.sim1.get("/v2/tasks")["tasks"]), 2)

    def test_hang_ends_with_the_mode(self):
        self.mode(mode="hang")
        connection = http.client.HTTPConnection("127.0.0.1", self.sim1.port, timeout=0.5)
        connection.request("GET", "/v2/apps")
        with self.assertRaises(TimeoutError):
            connection.getresponse()
        connection.close()
        self.mode(mode="normal")
        self.sim1.get("/v2/apps")

    def test_bad_orders_are_refused(self):
        for path, body in (("/sim/misbehave", {"mode": "odd"}), ("/sim/misbehave", {}),
                           ("/sim/misbehave", {"mode": "error"}), ("/sim/kill", {}),
                           ("/sim/kill", {"task": "x.", "signal": "KILL"}),
                           ("/sim/kill", {"task": "nope"}), ("/sim/nope", {}),
                           ("/sim/task-state", {"task": "nope", "state": "TASK_ODD"})):
            with self.subTest(path=path, body=body):
                with self.assertRaises(AssertionError) as caught:
                    self.sim1.control(path, body)
                self.assertIn("message", str(caught.exception))
        self.assertEqual(len(self.sim1.tasks()), 2)
