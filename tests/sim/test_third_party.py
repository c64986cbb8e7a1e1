# SPDX-License-Identifier: GPL-2.0-only
"""Marathon's own users are the judges: client libraries that know nothing of the simulator.

python3-marathon is a Debian package (tools/deps installs it); marathon-event-bus-client comes from
npm into build/ when it is wanted. A library that cannot be had is skipped, with the reason.
"""

import json
import os
import shutil
import subprocess
import unittest

from simtest import DEADLINE, HERE, ROOT, EventStream, SimCase, process_agent, wait_for

PYTHON = "/usr/bin/python3"     # the one that Debian's packages belong to
CLIENT = os.path.join(HERE, "third_party", "client.py")
FOLLOW = os.path.join(HERE, "third_party", "follow.js")
CHECK = {"protocol": "HTTP", "path": "/health", "gracePeriodSeconds": 60, "intervalSeconds": 0.2,
         "timeoutSeconds": 5, "maxConsecutiveFailures": 3}


def has_python_client():
    done = subprocess.run([PYTHON, "-c", "import marathon"], capture_output=True, check=False)
    return done.returncode == 0


def npm_client():
    """The folder of node modules with the client in it. Raises SkipTest."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise unittest.SkipTest("node and npm are not installed")
    folder = os.path.join(ROOT, "build", "third-party")
    modules = os.path.join(folder, "node_modules")
    if not os.path.isdir(os.path.join(modules, "marathon-event-bus-client")):
        os.makedirs(folder, exist_ok=True)
        done = subprocess.run(["npm", "install", "--prefix", folder, "--no-audit", "--no-fund",
                               "--ignore-scripts", "marathon-event-bus-client@0.1.7"],
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise unittest.SkipTest(f"npm cannot install it: {done.stderr.strip()[-200:]}")
    return modules


class ThirdParty(SimCase):
    RANGES = iter(range(32161, 40000, 20))

    def start(self, version):
        low = next(self.RANGES)
        sim = self.sim([process_agent(number, [low, low + 19]) for number in (1, 2)],
                       version=version)
        sim.create("/web", 1, healthChecks=[CHECK])
        return sim

    def drive(self, sim, form):
        """What the library saw. It reads in blocks of 512 bytes, so something must go on
        happening for it to see the last event: here other clients come and go."""
        client = subprocess.Popen([PYTHON, CLIENT, sim.url, "/web", "3", form], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        try:
            wait_for("its stream", lambda: sim.control("/sim/status")["streams"] == 1)
            client.stdin.write("go\n")
            client.stdin.flush()
            while client.poll() is None:
                EventStream(sim.port).close()
            output, errors = client.communicate()
        finally:
            client.kill()
            client.wait()
        self.assertEqual(client.returncode, 0, errors)
        return json.loads(output)

    @unittest.skipUnless(has_python_client(), "the Debian package python3-marathon is missing")
    def test_python_marathon(self):
        for version, form in (("1.4.13", "objects"), ("1.8.222", "raw")):
            with self.subTest(version=version):
                sim = self.start(version)
                first = [task["id"] for task in sim.tasks()]
                saw = self.drive(sim, form)
                self.assertEqual((saw["version"], saw["ping"]), (version, "pong"))
                self.assertEqual((saw["apps"], saw["tasks_before"]), (["/web"], first))
                self.assertEqual(saw["succeeded"], [saw["deployment"]])
                really = {task["id"]: task for task in sim.tasks()}
                self.assertEqual(set(saw["running"]), set(really) - set(first))
                self.assertEqual(
                    {task["id"]: (task["host"], task["ports"], task["started"])
                     for task in saw["tasks"]},
                    {name: (task["host"], task["ports"], True) for name, task in really.items()})
                self.assertEqual(saw["alive"], [True] * 3)

    def test_npm_marathon_event_bus_client(self):
        modules = npm_client()
        sim = self.start("1.8.222")
        follower = subprocess.Popen(["node", FOLLOW, "127.0.0.1", str(sim.port)], text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env=dict(os.environ, NODE_PATH=modules))
        try:
            self.assertEqual(follower.stdout.readline(), "subscribed\n")
            _, _, answer = sim.call("PUT", "/v2/apps/web", {"instances": 2})
            output, errors = follower.communicate(timeout=2 * DEADLINE)
        finally:
            follower.kill()
            follower.wait()
        self.assertEqual(follower.returncode, 0, errors)
        seen = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        self.assertEqual(seen[-1]["data"]["id"], answer["deploymentId"])
        running = [item["data"]["taskId"] for item in seen
                   if item["data"].get("taskStatus") == "TASK_RUNNING"]
        self.assertEqual(len(running), 1)
        self.assertIn(running[0], {task["id"] for task in sim.tasks()})
