# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark in a lab: configurations that their own programs accept, a short run of two peers, and nothing left afterwards."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from benchtest import BENCH, ROOT
from sluicelab import processes
from sluicelab.failure import LabError
from sluicebench import generators, peer, servers, target
from sluicebench.host import CLIENT, BenchError, laboratory

NAME = f"bt{os.getpid()}"
WORK = os.path.join(tempfile.gettempdir(), f"sluice-lab-{NAME}")


def setUpModule():
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root")
    os.environ["LAB"] = NAME
    os.environ.pop("LAB_DIR", None)


def left():
    found = [name for name in os.listdir("/run/netns") if name.startswith(NAME)] if os.path.isdir("/run/netns") else []
    return found + ([WORK] if os.path.exists(WORK) else [])


class Peers(unittest.TestCase):
    def test_each_program_accepts_its_configuration(self):
        with laboratory("process", False, lambda text: None) as host:
            for name, cls in peer.load().items():
                with self.subTest(peer=name):
                    mine = cls()
                    self.assertTrue(mine.config(host, servers.ports(4)).strip())
                    mine.check(host, servers.ports(4))
            # the check is one: a bad line is refused
            broken = peer.load()["haproxy-tcp-1t-roundrobin"]()
            broken.template += "    balance nobody\n"
            with self.assertRaises(LabError):
                broken.check(host, servers.ports(4))
            self.haproxy_says_what_it_serves(host)
            self.kept_connections_are_spread(host)
            self.at_an_address(host)
        self.assertEqual(left(), [])

    def haproxy_says_what_it_serves(self, host):
        one, both = servers.ports(1), servers.ports(2)
        behind = servers.Servers(host, [(both, None)])
        behind.wait()
        for by_reload in (True, False):
            mine = peer.load()["haproxy-tcp-1t-roundrobin"]()
            mine.by_reload = by_reload
            mine.start(host, both)
            try:
                self.assertEqual(mine.served(), both)
                mine.change(one)
                mine.wait_served(one)
                self.assertEqual(mine.served(), one)
            finally:
                mine.stop()
        # a connection for each request goes to each of the addresses in turn: to the one behind which nobody listens too
        asked = generators.wrk(host, f"http://{host.address}:{one[0]}/", 1, 4, in_turn=[f"{host.address}:{one[0]}", f"{host.address}:{one[0] + 900}"])
        self.assertGreater(asked["requests"], 0)
        self.assertGreater(sum(asked["failed"].values()), 0, asked)
        behind.end()

    def kept_connections_are_spread(self, host):
        """Each of two threads has its connections at an address of its own, by the word of the servers."""
        def counted(port):
            said = host.run("curl", "-sS", "--fail", "--max-time", "10", f"http://{host.address}:{port}/count", on=CLIENT).stdout
            return {name: int(number) for name, number in (word.split("=") for word in said.split())}

        behind = servers.Apps(host, 2)
        try:
            behind.wait()
            before = [counted(port) for port in behind.ports]
            asked = generators.wrk(host, f"http://{host.address}:{behind.ports[0]}/", 1, 6,
                                   spread=[f"{host.address}:{port}" for port in behind.ports], threads=2)
            after = [counted(port) for port in behind.ports]
        finally:
            behind.end()
        self.assertEqual(sum(asked["failed"].values()), 0, asked)
        more = [{name: now[name] - was[name] for name in now} for was, now in zip(before, after)]
        self.assertEqual([one["clients"] for one in more], [3, 3], more)
        self.assertTrue(all(one["requests"] > 3 for one in more), more)
        # what was on its way when wrk's time was over it does not count, nor does it count less than was answered
        self.assertGreaterEqual(sum(one["requests"] for one in more), asked["requests"], more)

    def at_an_address(self, host):
        """TARGET=host against an address of the lab, from the client's namespace."""
        behind = servers.Servers(host, [(servers.ports(2), None)])
        behind.wait()
        with tempfile.TemporaryDirectory() as out:
            argv = [sys.executable, BENCH, "run", "--target", "host", "--rounds", "1", "--seconds", "1", "--scenarios", "keepalive,latency",
                    "--peers", f"direct={host.address}:31000 sluice-x={host.address}:31001", "--cpu-command", "cat /proc/stat", "--out", out]
            done = subprocess.run(processes.on_host(host.lab, CLIENT, *argv), capture_output=True, text=True, check=False, cwd=ROOT)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
                rows = json.load(file)["rows"]
        behind.end()
        self.assertEqual(sorted({(row["scenario"], row["peer"]) for row in rows}),
                         [("keepalive", "direct"), ("keepalive", "sluice-x"), ("latency", "direct"), ("latency", "sluice-x")])
        keep = [row for row in rows if row["scenario"] == "keepalive"]
        self.assertTrue(all(not row["problem"] and row["metrics"]["rate"] > 0 and row["metrics"]["cpu"] > 0 for row in keep), keep)


class Target(unittest.TestCase):
    def test_what_is_no_peer_is_refused(self):
        self.assertEqual(target.parse_peer("sluice-native=10.0.0.2:80"), ("sluice-native", "10.0.0.2", 80))
        for word in ("direct", "direct=10.0.0.2", "direct=10.0.0.300:80", "direct=host:80", "direct=10.0.0.2:0", "direct=10.0.0.2:70000"):
            with self.assertRaises(BenchError, msg=word):
                target.parse_peer(word)

    def test_arguments(self):
        for args in (["--target", "host"], ["--target", "moon"], ["--target", "host", "--peers", "a=10.0.0.2:80 a=10.0.0.2:81"],
                     ["--target", "host", "--peers", "a=10.0.0.2:80", "--scenarios", "bulk"], ["--peers", "nobody"], ["--scenarios", "none"],
                     ["--rounds", "0"], ["--rounds", "x"]):
            done = subprocess.run([sys.executable, BENCH, "run", *args], capture_output=True, text=True, check=False, cwd=ROOT)
            self.assertEqual(done.returncode, 1, args)
            self.assertRegex(done.stderr, "^bench: [A-Z]")


class Smoke(unittest.TestCase):
    def begin(self, out, *args):
        return subprocess.Popen([sys.executable, BENCH, "run", "--rounds", "1", "--seconds", "1", "--out", out, *args], cwd=ROOT, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def test_two_peers_one_round(self):
        with tempfile.TemporaryDirectory() as out:
            child = self.begin(out, "--scenarios", "keepalive,changes", "--peers", "direct,sluice-tc")
            said = child.communicate()[0]
            self.assertEqual(child.returncode, 0, said)
            with open(os.path.join(out, "report.json"), encoding="utf-8") as file:
                report = json.load(file)
            with open(os.path.join(out, "report.md"), encoding="utf-8") as file:
                text = file.read()
            self.assertTrue(os.path.getsize(os.path.join(out, "keepalive.svg")) > 1000)
        rows = {(row["scenario"], row["peer"], row["point"]): row for row in report["rows"]}
        self.assertEqual(set(rows), {("keepalive", "direct", ""), ("keepalive", "sluice-tc", ""), ("changes", "sluice-tc", "set changes"),
                                     ("changes", "sluice-tc", "no changes")})
        for peer_name in ("direct", "sluice-tc"):
            row = rows["keepalive", peer_name, ""]
            self.assertIsNone(row["problem"])
            self.assertGreater(row["metrics"]["requests"], 0)
            self.assertGreater(row["metrics"]["cpu"], 0)
        self.assertEqual(rows["changes", "sluice-tc", "set changes"]["metrics"]["failed"], 0)
        self.assertGreaterEqual(rows["changes", "sluice-tc", "set changes"]["metrics"]["changes"], 4)
        self.assertIn("| sluice-tc |", text)
        self.assertIn("## Reading the report", text)
        self.assertIn("mode = tc", text)
        self.assertEqual(left(), [])

    def test_interrupted_it_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as out:
            child = self.begin(out, "--scenarios", "keepalive", "--peers", "haproxy-tcp")
            while "is up" not in (line := child.stdout.readline()):
                self.assertTrue(line, "it ended before the lab was up")
            time.sleep(1)  # into the first rows, wherever that is
            child.send_signal(signal.SIGINT)
            child.communicate()
            self.assertEqual(child.returncode, 130)
        self.assertEqual(left(), [])


if __name__ == "__main__":
    unittest.main()
