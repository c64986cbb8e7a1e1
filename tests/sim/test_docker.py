# SPDX-License-Identifier: GPL-2.0-only
"""Tasks as containers of a real Docker Engine, which runs in a network namespace of its own.

The whole test process moves into that namespace, so nothing outside it is touched and the
namespace ends with the last process in it.
"""

import atexit
import ctypes
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import simtest
from simtest import SimCase, exchange, wait_for
from marathonsim.exec_docker import Engine, EngineError

CLONE_NEWNET = 0x40000000
BUSYBOX = "/bin/busybox"
LIBC = ctypes.CDLL(None, use_errno=True)
BRIDGE = {"type": "DOCKER", "docker": {"image": "simtest", "network": "BRIDGE",
                                       "portMappings": [{"containerPort": 3000}]}}
CHECK = {"protocol": "HTTP", "path": "/", "gracePeriodSeconds": 60, "intervalSeconds": 0.2,
         "timeoutSeconds": 5, "maxConsecutiveFailures": 3}


def check(result):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Dockerd:
    """An Engine with everything it owns in one folder."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="simd-")
        self.socket = os.path.join(self.folder, "docker.sock")
        self.cgroup = "/" + os.path.basename(self.folder)
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.engine = Engine(self.socket)
        self.process = None
        atexit.register(self.close)     # an interrupt skips unittest's own cleaning up
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["dockerd", "--data-root", f"{self.folder}/data", "--exec-root",
             f"{self.folder}/exec", "-H", f"unix://{self.socket}", "-p", f"{self.folder}/pid",
             "--cgroup-parent", self.cgroup], stdout=self.log, stderr=self.log)
        wait_for("dockerd", self.answers)

    def answers(self):
        if self.process.poll() is not None:
            with open(self.log.name, encoding="utf-8", errors="replace") as log:
                raise AssertionError("dockerd ended: " + log.read()[-2000:])
        try:
            return self.engine.call("GET", "/info")
        except (OSError, EngineError):
            return None

    def import_busybox(self, name, *changes):
        root = os.path.join(self.folder, "root")
        os.makedirs(os.path.join(root, "www"), exist_ok=True)
        shutil.copy(BUSYBOX, os.path.join(root, "busybox"))
        with open(os.path.join(root, "www", "index.html"), "w", encoding="utf-8") as file:
            file.write("hello\n")
        with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
            words = [word for change in changes for word in ("--change", change)]
            subprocess.run(["/usr/bin/docker", "-H", f"unix://{self.socket}", "import", *words, "-", name],
                           stdin=tar.stdout, check=True, capture_output=True)

    def containers(self):
        return self.engine.call("GET", "/containers/json?all=1")

    def close(self):
        atexit.unregister(self.close)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()
        with open("/proc/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file]
        for mount in sorted((name for name in mounts if name.startswith(self.folder)), reverse=True):
            subprocess.run(["umount", "-l", mount], check=True)
        for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            self._remove_cgroup(top + self.cgroup)
        for name in os.listdir("/sys/fs/cgroup"):
            self._remove_cgroup(f"/sys/fs/cgroup/{name}{self.cgroup}")
        shutil.rmtree(self.folder)

    @staticmethod
    def _remove_cgroup(path):
        if os.path.isdir(path):
            for folder, _, _ in os.walk(path, topdown=False):
                os.rmdir(folder)


@unittest.skipUnless(os.geteuid() == 0, "dockerd needs root")
@unittest.skipUnless(shutil.which("dockerd"), "docker.io is not installed")
@unittest.skipUnless(os.path.exists(BUSYBOX), "busybox-static is not installed")
class Docker(SimCase):
    @classmethod
    def setUpClass(cls):
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        cls.addClassCleanup(os.close, home)
        check(LIBC.unshare(CLONE_NEWNET))
        cls.addClassCleanup(lambda: check(LIBC.setns(home, CLONE_NEWNET)))
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        cls.dockerd = Dockerd()
        cls.addClassCleanup(cls.dockerd.close)
        cls.dockerd.import_busybox("simtest")

    def start(self, *options):
        agent = {"name": "slave1", "host": "slave1.lab", "address": "127.0.0.1", "type": "docker",
                 "docker_socket": self.dockerd.socket, "image": "simtest",
                 "cgroup_parent": self.dockerd.cgroup, "labels": {"lab": "x"},
                 "entrypoint": ["/busybox", "httpd", "-f", "-p", "$LISTEN_PORT"],
                 "command": ["-h", "/www"]}
        sim = self.sim([agent], *options)
        self.addCleanup(self.end_tasks, sim)
        return sim

    @staticmethod
    def end_tasks(sim):
        if sim.process.poll() is None:
            sim.control("/sim/stop-all", {})

    @staticmethod
    def ask(task):
        connection = http.client.HTTPConnection(task["address"], task["port"], timeout=10)
        try:
            return exchange(connection, "GET", "/")[2]
        except (OSError, http.client.HTTPException):
            return None

    def test_containers_are_published_and_described(self):
        sim = self.start()
        tasks = sim.create("/web", 2, container=BRIDGE, healthChecks=[CHECK],
                           taskKillGracePeriodSeconds=0, env={"MINE": "x"})
        self.assertEqual([self.ask(task) for task in tasks], ["hello\n"] * 2)
        for task in tasks:
            facts = self.dockerd.engine.call("GET", f"/containers/{task['container']}/json")
            self.assertEqual(facts["State"]["Pid"], task["pid"])
            self.assertEqual(facts["HostConfig"]["CgroupParent"], self.dockerd.cgroup)
            env = facts["Config"]["Env"]
            for wanted in (f"MESOS_TASK_ID={task['id']}", f"PORT0={task['port']}", "MINE=x",
                           f"PORT_3000={task['port']}", "HOST=slave1.lab"):
                self.assertIn(wanted, env)
            self.assertEqual(facts["Config"]["Labels"]["lab"], "x")
            shown = [item for item in sim.get("/v2/tasks")["tasks"] if item["id"] == task["id"]][0]
            self.assertEqual(shown["ipAddresses"], [
                {"ipAddress": facts["NetworkSettings"]["IPAddress"], "protocol": "IPv4"}])
        sim.call("PUT", "/v2/apps/web", {"instances": 0})
        sim.settled()
        wait_for("the removal of the containers", lambda: not self.dockerd.containers())

    def test_host_network(self):
        sim = self.start()
        task = sim.create("/host", taskKillGracePeriodSeconds=0, healthChecks=[CHECK])[0]
        self.assertEqual(self.ask(task), "hello\n")

    def test_a_killed_container_is_replaced(self):
        sim = self.start()
        stream = self.stream(sim, "?event_type=status_update_event")
        task = sim.create("/web", container=BRIDGE, taskKillGracePeriodSeconds=0)[0]
        sim.control("/sim/kill", {"task": task["id"], "signal": "KILL"})
        event = stream.until("TASK_FAILED", lambda event: event["taskStatus"] == "TASK_FAILED")
        self.assertEqual(event["message"], "Container exited with status 137")
        again = wait_for("a replacement", lambda: [
            item for item in sim.tasks() if item["id"] != task["id"]
            and item["state"] == "TASK_RUNNING" and self.ask(item)])[0]
        self.assertNotEqual(again["container"], task["container"])
        wait_for("the removal of the dead one", lambda: [
            item["Id"] for item in self.dockerd.containers()] == [again["container"]])

    def test_an_image_of_its_own_is_run_as_it_says(self):
        """The slave's entrypoint is its own image's: no Marathon puts it before another image's."""
        self.dockerd.import_busybox("own", 'ENTRYPOINT ["/busybox", "httpd", "-f", "-h", "/www", "-p"]',
                                    'CMD ["4000"]')
        sim = self.start()
        own = json.loads(json.dumps(BRIDGE).replace("simtest", "own").replace("3000", "4000"))
        task = sim.create("/own", container=own, taskKillGracePeriodSeconds=0)[0]
        self.assertEqual(wait_for("the image's own command", lambda: self.ask(task)), "hello\n")
        own = json.loads(json.dumps(own).replace("4000", "5000"))
        task = sim.create("/args", container=own, args=["5000"], taskKillGracePeriodSeconds=0)[0]
        self.assertEqual(wait_for("the app's arguments", lambda: self.ask(task)), "hello\n")

    def test_an_image_that_is_not_there(self):
        sim = self.start()
        stream = self.stream(sim, "?event_type=status_update_event")
        image = json.loads(json.dumps(BRIDGE).replace("simtest", "nothing"))
        sim.call("POST", "/v2/apps", {"id": "/web", "container": image, "backoffSeconds": 3600})
        event = stream.until("TASK_FAILED", lambda event: event["taskStatus"] == "TASK_FAILED")
        self.assertIn("No such image: nothing", event["message"])
        self.assertEqual(self.dockerd.containers(), [])

    def test_containers_are_taken_over(self):
        sim = self.start("--adopt", "--keep-tasks")
        before = sim.create("/web", 2, container=BRIDGE, healthChecks=[CHECK],
                            taskKillGracePeriodSeconds=0)
        sim.end(signal.SIGKILL)
        sim.start()
        wait_for("health", lambda: [task["healthy"] for task in sim.tasks()] == [True] * 2)
        self.assertEqual({task["id"]: task["container"] for task in sim.tasks()},
                         {task["id"]: task["container"] for task in before})

    def test_an_engine_that_is_away_for_a_while(self):
        sim = self.start()
        before = sim.create("/web", container=BRIDGE, taskKillGracePeriodSeconds=0)[0]
        self.dockerd.process.send_signal(signal.SIGTERM)
        self.dockerd.process.wait(60)
        self.dockerd.start()
        again = wait_for("a new container that answers", lambda: [
            task for task in sim.tasks() if task["id"] != before["id"]
            and task["state"] == "TASK_RUNNING" and self.ask(task)])[0]
        self.assertNotEqual(again["container"], before["container"])


assert simtest.TOOL
