# SPDX-License-Identifier: GPL-2.0-only
"""Tasks that are real processes: what starts, what is killed and how, what outlives the simulator."""

import http.client
import os
import shutil
import signal
import tempfile
import time

from simtest import SimCase, exchange, process_agent, wait_for

CHECK = {"protocol": "HTTP", "path": "/health", "gracePeriodSeconds": 60, "intervalSeconds": 0.1,
         "timeoutSeconds": 5, "maxConsecutiveFailures": 2}


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ask(task, path, method="GET"):
    """The body of the task's answer, None if it does not answer."""
    try:
        connection = http.client.HTTPConnection(task["address"], task["port"], timeout=10)
        return exchange(connection, method, path)[2]
    except (OSError, http.client.HTTPException):
        return None


class ProcessCase(SimCase):
    RANGES = iter(range(32200, 40000, 20))

    def processes(self, *options, slaves=1, **more):
        low = next(self.RANGES)
        agents = [process_agent(number + 1, [low, low + 19]) for number in range(slaves)]
        sim = self.sim(agents, *options, **more)
        self.addCleanup(self.end_tasks, sim)
        return sim

    @staticmethod
    def end_tasks(sim):
        if sim.process.poll() is None:
            sim.control("/sim/stop-all", {})

    def up(self, sim, app_id="/web", instances=1, **more):
        """The tasks, once their programs answer."""
        tasks = sim.create(app_id, instances, **more)
        for task in tasks:
            wait_for("an answer of the task", lambda task=task: ask(task, "/env"))
        return tasks


class Launch(ProcessCase):
    def test_environment(self):
        sim = self.processes()
        task = self.up(sim, "/a/web", portDefinitions=[{"port": 0, "name": "http"}, {"port": 0}],
                       env={"MINE": "x y"})[0]
        env = ask(task, "/env")
        one, two = task["ports"]
        wanted = {"MESOS_TASK_ID": task["id"], "MARATHON_APP_ID": "/a/web", "HOST": "slave1.lab",
                  "PORT": str(one), "PORT0": str(one), "PORT1": str(two), "PORT_HTTP": str(one),
                  "PORTS": f"{one},{two}", "MINE": "x y"}
        self.assertEqual({name: env.get(name) for name in wanted}, wanted)

    def test_a_mapping_gives_port_of_the_container_port(self):
        sim = self.processes()
        task = self.up(sim, container={"type": "DOCKER", "docker": {
            "image": "i", "network": "BRIDGE", "portMappings": [{"containerPort": 3000}]}})[0]
        self.assertEqual(ask(task, "/env")["PORT_3000"], str(task["port"]))

    def test_cmd_and_args_replace_the_words_of_the_slave(self):
        sim = self.processes()
        stream = self.stream(sim, "?event_type=status_update_event")
        for more, status in (({"cmd": "exit 3"}, "TASK_FAILED"), ({"cmd": "true"}, "TASK_FINISHED")):
            sim.call("POST", "/v2/apps", {"id": "/x", "backoffSeconds": 3600, **more})
            event = stream.until(status, lambda event, status=status: event["taskStatus"] == status)
            self.assertEqual(event["message"].split()[:3], ["Command", "exited", "with"])
            sim.call("DELETE", "/v2/apps/x?force=true")
            sim.settled()

    def test_a_program_that_is_not_there(self):
        agent = process_agent(1, [31000, 31000])
        agent["entrypoint"] = ["/nonexistent/program"]
        sim = self.sim([agent])
        stream = self.stream(sim, "?event_type=status_update_event")
        sim.call("POST", "/v2/apps", {"id": "/x", "backoffSeconds": 3600})
        event = stream.until("TASK_FAILED", lambda event: event["taskStatus"] == "TASK_FAILED")
        self.assertIn("/nonexistent/program", event["message"])

    def test_spread_over_slaves(self):
        sim = self.processes(slaves=2)
        tasks = self.up(sim, instances=6)
        self.assertEqual(sorted(task["agent"] for task in tasks), ["slave1"] * 3 + ["slave2"] * 3)
        self.assertEqual(len({(task["address"], task["port"]) for task in tasks}), 6)


class End(ProcessCase):
    def test_a_killed_process_is_noticed_and_replaced(self):
        sim = self.processes()
        stream = self.stream(sim, "?event_type=status_update_event")
        task = self.up(sim)[0]
        sim.control("/sim/kill", {"task": f"slave1:{task['port']}", "signal": "KILL"})
        event = stream.until("TASK_FAILED", lambda event: event["taskStatus"] == "TASK_FAILED")
        self.assertEqual((event["taskId"], event["message"]),
                         (task["id"], "Command terminated with signal Killed"))
        again = wait_for("a replacement", lambda: [
            item for item in sim.tasks() if item["id"] != task["id"] and ask(item, "/env")])[0]
        self.assertNotEqual(again["port"], task["port"])
        failure = sim.get("/v2/apps/web")["app"]["lastTaskFailure"]
        self.assertEqual((failure["taskId"], failure["state"]), (task["id"], "TASK_FAILED"))

    def test_a_port_can_be_used_again_at_once(self):
        sim = self.processes("--port-reuse", "fast")
        task = self.up(sim, instances=2)[0]
        sim.control("/sim/kill", {"task": task["id"]})
        again = wait_for("a replacement", lambda: [
            item for item in sim.tasks() if item["port"] == task["port"]
            and item["id"] != task["id"] and ask(item, "/env")])
        self.assertEqual(len(again), 1)

    def test_repeated_failures_wait_longer(self):
        sim = self.processes("--launch-backoff", "0.1")
        stream = self.stream(sim, "?event_type=status_update_event")
        sim.call("POST", "/v2/apps", {"id": "/x", "cmd": "exit 1", "backoffFactor": 4,
                                      "maxLaunchDelaySeconds": 1})
        stream.until("3 failures", lambda _: sum(event["taskStatus"] == "TASK_FAILED"
                                                 for event in stream.events()) == 3)
        waiting = sim.get("/v2/queue")["queue"]
        self.assertEqual([item["app"]["id"] for item in waiting], ["/x"])

    def kill_order(self, *options, version="1.8.222"):
        sim = self.processes(*options, version=version)
        stream = self.stream(sim, "?event_type=status_update_event")
        task = self.up(sim, taskKillGracePeriodSeconds=0.5, env={"IGNORE_TERM": "1"})[0]
        begin = time.monotonic()
        sim.call("PUT", "/v2/apps/web", {"instances": 0})
        killed = stream.until("TASK_KILLED", lambda event: event["taskStatus"] == "TASK_KILLED")
        took = time.monotonic() - begin
        self.assertEqual(killed["message"], "Command terminated with signal Killed")
        self.assertGreaterEqual(took, 0.5)      # a lower bound only: the grace period was given
        self.assertFalse(alive(task["pid"]))
        return [event["taskStatus"] for event in stream.events()]

    def test_killing_is_told_only_when_it_is_switched_on(self):
        start = ["TASK_STAGING", "TASK_STARTING", "TASK_RUNNING"]
        self.assertEqual(self.kill_order(), start + ["TASK_KILLED"])
        self.assertEqual(self.kill_order("--enable-features", "task_killing"),
                         start + ["TASK_KILLING", "TASK_KILLED"])
        self.assertEqual(self.kill_order(version="1.4.13"),
                         ["TASK_STAGING", "TASK_RUNNING", "TASK_KILLED"])

    def test_sigterm_ends_everything_it_started(self):
        sim = self.processes()
        pids = [task["pid"] for task in self.up(sim, instances=3)]
        self.assertEqual(sim.end(), 0)
        self.assertEqual([pid for pid in pids if alive(pid)], [])
        self.assertFalse(os.path.exists(os.path.join(sim.folder, "state.json")))


class Health(ProcessCase):
    def test_an_unhealthy_task_is_killed_and_replaced(self):
        sim = self.processes()
        stream = self.stream(sim)
        task = self.up(sim, healthChecks=[CHECK])[0]
        self.assertTrue(task["healthy"])
        ask(task, "/sick", "POST")
        kill = stream.until("the kill", lambda event: event["eventType"]
                            == "unhealthy_instance_kill_event")
        self.assertEqual((kill["taskId"], kill["reason"]), (task["id"], "503 Service Unavailable"))
        failed = [event for event in stream.events()
                  if event["eventType"] == "failed_health_check_event"]
        self.assertEqual(len(failed), 2)
        stream.until("TASK_KILLED", lambda event: event.get("taskStatus") == "TASK_KILLED")
        wait_for("a healthy replacement", lambda: [
            item for item in sim.tasks() if item["healthy"] and item["id"] != task["id"]])

    def test_failures_before_the_first_success_are_forgiven_for_the_grace_period(self):
        sim = self.processes()
        check = dict(CHECK, path="/ready", gracePeriodSeconds=3600, maxConsecutiveFailures=1)
        status, _, _ = sim.call("POST", "/v2/apps", {"id": "/web", "healthChecks": [check]})
        self.assertEqual(status, 201)
        task = wait_for("a result", lambda: [item for item in sim.get("/v2/tasks")["tasks"]
                                             if item["healthCheckResults"]])[0]
        result = task["healthCheckResults"][0]
        self.assertEqual((result["alive"], result["consecutiveFailures"], result["firstSuccess"]),
                         (False, 0, None))
        task = sim.tasks()[0]
        self.assertFalse(task["healthy"])
        wait_for("the program", lambda: ask(task, "/ready", "POST"))
        wait_for("health", lambda: sim.tasks()[0]["healthy"])
        sim.settled()
        self.assertEqual(sim.tasks()[0]["id"], task["id"])

    def test_a_command_runs_with_the_tasks_environment(self):
        sim = self.processes()
        flag = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, flag, ignore_errors=True)
        command = f'test "$MINE" = "x y" && test -n "$MESOS_TASK_ID" && test -e {flag}'
        task = self.up(sim, env={"MINE": "x y"}, healthChecks=[
            {"protocol": "COMMAND", "command": {"value": command}, "delaySeconds": 0,
             "gracePeriodSeconds": 60, "intervalSeconds": 0.1, "maxConsecutiveFailures": 2}])[0]
        self.assertTrue(task["healthy"])
        os.rmdir(flag)
        wait_for("it is killed, and its successor is not healthy", lambda: [
            item for item in sim.tasks() if item["id"] != task["id"] and not item["healthy"]])

    def test_a_command_that_takes_too_long_is_killed_and_fails(self):
        sim = self.processes()
        check = {"protocol": "COMMAND", "command": {"value": "sleep 3600"}, "delaySeconds": 0,
                 "gracePeriodSeconds": 0, "intervalSeconds": 0.1, "timeoutSeconds": 0.2}
        stream = self.stream(sim, "?event_type=unhealthy_instance_kill_event")
        sim.call("POST", "/v2/apps", {"id": "/web", "healthChecks": [check]})
        kill = stream.until("the kill", lambda event: event)
        self.assertEqual(kill["reason"], "Command timed out after 0.2 secs")

    def test_tcp_and_unknown_health(self):
        sim = self.processes()
        self.up(sim, healthChecks=[dict(CHECK, protocol="TCP")])
        self.assertEqual(sim.get("/v2/apps/web")["app"]["tasksHealthy"], 1)
        sim.control("/sim/misbehave", {"mode": "unhealthy-unknown"})
        self.assertEqual(sim.get("/v2/tasks")["tasks"][0]["healthCheckResults"], [])
        self.assertEqual(sim.get("/v2/apps/web")["app"]["tasksHealthy"], 0)

    def test_a_leader_change_forgets_health_and_measures_it_anew(self):
        sim = self.processes()
        self.up(sim, healthChecks=[CHECK])
        before = sim.get("/v2/tasks")["tasks"][0]["healthCheckResults"][0]["firstSuccess"]
        sim.control("/sim/misbehave", {"mode": "leader-change", "seconds": 0.1})

        def measured_anew():
            status, _, value = sim.call("GET", "/v2/tasks")
            results = value["tasks"][0]["healthCheckResults"] if status == 200 else []
            return [item for item in results if item["alive"] and item["firstSuccess"] > before]
        wait_for("a new first success", measured_anew)

    def test_a_deployment_waits_for_readiness(self):
        sim = self.processes()
        status, _, _ = sim.call("POST", "/v2/apps", {
            "id": "/web", "portDefinitions": [{"port": 0, "name": "http-api"}],
            "readinessChecks": [{"path": "/ready", "intervalSeconds": 0.1}]})
        self.assertEqual(status, 201)
        task = wait_for("the program", lambda: [item for item in sim.tasks()
                                                if ask(item, "/env")])[0]
        shown = sim.get("/v2/apps/web?embed=app.readiness")["app"]["readinessCheckResults"]
        self.assertEqual([item["ready"] for item in shown], [False])
        self.assertEqual(len(sim.get("/v2/deployments")), 1)
        ask(task, "/ready", "POST")
        sim.settled()


class Upgrade(ProcessCase):
    def test_rolling_upgrade(self):
        sim = self.processes()
        old = {task["id"] for task in self.up(sim, instances=3, healthChecks=[CHECK], upgradeStrategy={
            "minimumHealthCapacity": 1, "maximumOverCapacity": 0.34})}
        stream = self.stream(sim)
        _, _, answer = sim.call("PUT", "/v2/apps/web", {"env": {"RELEASE": "2"}})
        fewest, most = 3, 3
        while sim.get("/v2/deployments"):
            shown = sim.get("/v2/apps/web")["app"]
            fewest = min(fewest, shown["tasksHealthy"])
            most = max(most, len(shown["tasks"]))
        stream.until_success(answer["deploymentId"])
        self.assertGreaterEqual(fewest, 3)
        self.assertLessEqual(most, 5)           # one above, one that is being killed
        tasks = sim.tasks()
        self.assertEqual(len(tasks), 3)
        self.assertFalse(old & {task["id"] for task in tasks})
        self.assertEqual({ask(task, "/env")["RELEASE"] for task in tasks}, {"2"})


class Restart(ProcessCase):
    def test_tasks_outlive_a_killed_simulator_and_are_taken_over(self):
        sim = self.processes("--keep-tasks", "--adopt", slaves=2)
        before = {task["id"]: task["pid"] for task in self.up(sim, instances=4,
                                                              healthChecks=[CHECK])}
        version = sim.get("/v2/apps/web")["app"]["version"]
        sim.end(signal.SIGKILL)
        dead = sorted(before)[0]
        self.assertTrue(all(alive(pid) for pid in before.values()))
        os.kill(before[dead], signal.SIGKILL)
        wait_for("its end", lambda: not alive(before[dead]))
        sim.start()
        wait_for("four healthy tasks", lambda: [
            task["healthy"] for task in sim.tasks()] == [True] * 4)
        after = {task["id"]: task["pid"] for task in sim.tasks()}
        before.pop(dead)
        self.assertEqual({name: after.get(name) for name in before}, before)
        self.assertNotIn(dead, after)
        self.assertEqual(sim.get("/v2/apps/web")["app"]["version"], version)
        victim = sorted(before)[0]
        sim.control("/sim/kill", {"task": victim})
        wait_for("a replacement", lambda: victim not in {task["id"] for task in sim.tasks()})
        sim.end(signal.SIGTERM)
        self.assertTrue(alive(before.popitem()[1]))
        sim.start()

    def test_without_adopt_what_was_left_is_ended(self):
        sim = self.processes()
        pids = [task["pid"] for task in self.up(sim, instances=2)]
        sim.end(signal.SIGKILL)
        sim.start()
        self.assertEqual(sim.get("/v2/apps"), {"apps": []})
        wait_for("their end", lambda: not any(alive(pid) for pid in pids))

    def test_a_damaged_state_file_is_named(self):
        sim = self.processes("--adopt")
        sim.end()
        with open(os.path.join(sim.folder, "state.json"), "w", encoding="utf-8") as file:
            file.write("{\n \"format\": ")
        with self.assertRaises(AssertionError):
            sim.start()
        self.assertEqual(sim.process.returncode, 1)
