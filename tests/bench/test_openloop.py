# SPDX-License-Identifier: GPL-2.0-only
"""The open-loop client against the lab's app, in a network namespace of this process's own. Counts are asserted, never times."""
import ctypes
import json
import os
import signal
import socket
import subprocess
import time
import unittest

from benchtest import ROOT

OPENLOOP, APP = os.path.join(ROOT, "build", "bench", "openloop"), os.path.join(ROOT, "build", "lab", "app")
PORT = 31000
CONNECTIONS = 4


def setUpModule():
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root")
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class OpenLoop(unittest.TestCase):
    def setUp(self):
        self.app = subprocess.Popen([APP, "--port", str(PORT), "--ipv4", "--task", "t1"])
        self.addCleanup(self.end_app)
        self.wait_for_app()

    def end_app(self):
        os.kill(self.app.pid, signal.SIGCONT)
        self.app.kill()
        self.app.wait()

    def wait_for_app(self):
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", PORT), 1).close()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def begin(self, *args, port=PORT):
        """The client, once its connections stand."""
        client = subprocess.Popen([OPENLOOP, "--target", f"127.0.0.1:{port}", "--connections", str(CONNECTIONS), *map(str, args)],
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(client.stdout.close)
        self.assertEqual(client.stdout.readline(), "started\n")
        return client

    def end(self, client):
        said = json.loads(client.stdout.readline())
        self.assertEqual(client.wait(30), 0)
        return said

    def test_all_are_answered(self):
        said = self.end(self.begin("--rate", 500, "--duration", 1, "--timeout", 30000))
        self.assertEqual((said["offered"], said["answered"]), (500, 500))
        self.assertEqual(sum(said["failed"].values()), 0)
        self.assertEqual(said["connections"], CONNECTIONS)
        self.assertEqual(said["answered_by"], {"task=t1 host=- port=31000": 500})

    def test_a_stall_costs_every_request_that_was_due_meanwhile(self):
        client = self.begin("--rate", 1000, "--duration", 2, "--timeout", 60000, "--above", 200)
        time.sleep(0.5)
        os.kill(self.app.pid, signal.SIGSTOP)
        time.sleep(0.6)
        os.kill(self.app.pid, signal.SIGCONT)
        said = self.end(client)
        self.assertEqual(said["answered"], 2000)
        # By the intended time at least 0.4 s of requests waited for over 0.2 s. By the time of sending, which is all that a client knows
        # that waits for its answers, one on each connection did: so much a stall hides.
        self.assertGreaterEqual(said["latency_us"]["above"], 300)
        self.assertGreaterEqual(said["service_us"]["above"], 1)
        self.assertGreater(said["latency_us"]["above"], 10 * said["service_us"]["above"])

    def test_a_server_that_never_answers(self):
        client = self.begin("--rate", 200, "--duration", 0.5, "--timeout", 300)
        os.kill(self.app.pid, signal.SIGSTOP)
        said = self.end(client)
        self.assertEqual(said["answered"] + sum(said["failed"].values()), said["offered"])
        self.assertGreaterEqual(said["failed"]["timeout"], 1)
        self.assertGreaterEqual(said["failed"]["unsent"], 1)

    def test_nobody_listens(self):
        client = self.begin("--rate", 100, "--duration", 0.5, port=31999)
        said = self.end(client)
        self.assertEqual(said["answered"], 0)
        # those that opened the connections count too
        self.assertEqual(said["failed"]["refused"], said["offered"] + CONNECTIONS)

    def test_turns_end_a_connection(self):
        said = self.end(self.begin("--rate", 400, "--duration", 0.5, "--turns", 1, "--timeout", 30000))
        self.assertEqual((said["answered"], said["connections"]), (200, 200))
        said = self.end(self.begin("--rate", 400, "--duration", 0.5, "--turns", 10, "--timeout", 30000))
        self.assertEqual(said["answered"], 200)
        self.assertGreaterEqual(said["connections"], 200 // 10)
        self.assertLessEqual(said["connections"], 200 // 10 + CONNECTIONS)

    def test_idle_connections_stay(self):
        said = self.end(self.begin("--rate", 100, "--duration", 0.5, "--idle", 50, "--timeout", 30000))
        self.assertEqual((said["idle_open"], said["connections"]), (50, 50 + CONNECTIONS))

    def test_wrong_usage(self):
        for args in (["--rate", "1"], ["--target", "nowhere:80", "--rate", "1", "--duration", "1"],
                     ["--target", "127.0.0.1:0", "--rate", "1", "--duration", "1"], ["--target", "127.0.0.1:80", "--rate", "x"]):
            done = subprocess.run([OPENLOOP, *args], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2, args)
            self.assertTrue(done.stderr)


if __name__ == "__main__":
    unittest.main()
