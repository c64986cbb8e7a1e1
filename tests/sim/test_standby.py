# SPDX-License-Identifier: GPL-2.0-only
"""A standby: it proxies, and redirects or proxies the event stream by its version."""

import shutil
import subprocess
import tempfile
import os

from simtest import TOOL, SimCase, Sim, dry_agent


class Standby(Sim):
    def __init__(self, leader_url, *options, version="1.8.222"):
        self._leader_url = leader_url
        super().__init__([], *options, version=version)

    def start(self, *more):
        command = [os.path.join(TOOL, "marathon-sim"), "--version", self.version,
                   "--listen", "127.0.0.1:0", "--standby-of", self._leader_url,
                   "--control", f"unix:{self.control_path}", *self.options, *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])


class StandbyCase(SimCase):
    def pair(self, version, *options):
        leader = self.sim([dry_agent(1)], "--heartbeat", "0.5", *options, version=version)
        standby = Standby(leader.url, *options, version=version)
        self.addCleanup(standby.close)
        return leader, standby

    def test_requests_are_proxied(self):
        leader, standby = self.pair("1.8.222")
        self.assertEqual(standby.call("POST", "/v2/apps", {"id": "/web", "instances": 2})[0], 201)
        self.assertEqual(len(leader.settled()), 2)
        status, headers, body = standby.call("GET", "/v2/apps?embed=apps.tasks")
        self.assertEqual((status, len(body["apps"][0]["tasks"])), (200, 2))
        self.assertEqual(headers["X-Marathon-Via"], f"1.1 127.0.0.1:{standby.port}")
        self.assertEqual(headers["X-Marathon-Leader"], leader.url)
        self.assertEqual(standby.get("/v2/leader"), {"leader": f"127.0.0.1:{leader.port}"})
        self.assertEqual(standby.call("POST", "/v2/apps", {"id": "/web"})[0], 409)
        self.assertEqual(standby.call("GET", "/ping")[2], "pong")

    def test_1_8_redirects_the_stream_as_recorded(self):
        leader, standby = self.pair("1.8.222")
        status, headers, body = standby.call(
            "GET", "/v2/events?event_type=a", headers={"Accept": "text/event-stream"})
        self.assertEqual((status, body, headers["Content-Length"]), (302, "", "0"))
        self.assertEqual(headers["Location"], f"{leader.url}/v2/events?event_type=a")
        self.assertEqual(set(headers), {"Date", "Location", "Content-Length"})

    def test_1_4_proxies_the_stream(self):
        leader, standby = self.pair("1.4.13")
        stream = self.stream(standby)
        self.assertIn(b"Transfer-Encoding: chunked", stream.head)
        self.assertIn(b"X-Marathon-Via: 1.1 ", stream.head)
        leader.control("/sim/emit", {"eventType": "x"})
        while b'"eventType":"x"' not in stream.body:
            stream.read_more()

    def test_a_silent_leader_is_cut_off(self):
        leader, standby = self.pair("1.4.13")
        standby.end()
        standby.start("--leader-proxy-read-timeout", "1.5")
        stream = self.stream(standby)
        leader.control("/sim/misbehave", {"mode": "silent"})
        with self.assertRaises(EOFError):
            while True:
                stream.read_more()

    def test_credentials_come_before_the_redirect(self):
        _, standby = self.pair("1.8.222", "--credentials", "u:p")
        accept = {"Accept": "text/event-stream"}
        self.assertEqual(standby.call("GET", "/v2/events", headers=accept)[0], 401)
        accept["Authorization"] = "Basic dTpw"
        self.assertEqual(standby.call("GET", "/v2/events", headers=accept)[0], 302)
        self.assertEqual(standby.call("GET", "/v2/apps", headers=accept)[0], 200)

    def test_a_leader_that_is_gone_and_another_one(self):
        leader, standby = self.pair("1.8.222")
        leader.end()
        status, _, body = standby.call("GET", "/v2/apps")
        self.assertEqual(status, 502)
        self.assertIn("Connection to leader refused", body)
        other = self.sim([dry_agent(1)])
        standby.control("/sim/standby-of", {"url": other.url})
        self.assertEqual(standby.get("/v2/apps"), {"apps": []})


class CommandLine(SimCase):
    def run_tool(self, *arguments):
        return subprocess.run([os.path.join(TOOL, "marathon-sim"), *arguments],
                              capture_output=True, text=True, timeout=60)

    def test_bad_usage(self):
        for arguments in ((), ("--listen", "nonsense"), ("--listen", "127.0.0.1:0"),
                          ("--version", "0.7.0", "--listen", "127.0.0.1:0"),
                          ("--listen", "127.0.0.1:0", "--agents", "a", "--state-dir", "s",
                           "--event-subscriber", "http_callback")):
            done = self.run_tool(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("marathon-sim: error: ", done.stderr)
        self.assertEqual(self.run_tool("--help").returncode, 0)

    def test_a_bad_agents_file_is_named_with_the_place(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "agents.json")
        for text, wanted in (("{", ":1: "), ("{}", "'agents'"), ('{"agents": []}', "'id'"),
                             ('{"id": "a", "agents": [{"name": "b", "type": "vm"}]}',
                              "agents[0].type"),
                             ('{"id": "a", "agents": [{"name": "b", "type": "docker"}]}',
                              "agents[0].docker_socket"),
                             ('{"id": "a", "agents": [{"name": "b", "type": "dry", "ports": [9]}]}',
                              "agents[0].ports")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = self.run_tool("--listen", "127.0.0.1:0", "--agents", path,
                                 "--state-dir", folder)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1))
            self.assertIn(path, done.stderr)
            self.assertIn(wanted, done.stderr)
        done = self.run_tool("--listen", "127.0.0.1:0", "--agents", path + "x",
                             "--state-dir", folder)
        self.assertEqual(done.returncode, 1)
