# SPDX-License-Identifier: GPL-2.0-only
"""The event stream on the wire: headers, framing, heartbeats, refusals, filters, slow readers."""

import json
import os
import select
import threading

from simtest import DATA, SimCase, EventStream, dry_agent, wait_for


def read_all(sock):
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


class Framing(SimCase):
    def test_headers_are_those_of_jetty(self):
        sim = self.sim([dry_agent(1)])
        lines = self.stream(sim).head.decode().split("\r\n")
        self.assertEqual(lines[0], "HTTP/1.1 200 OK")
        lines = [line for line in lines[1:] if not line.startswith("Date: ")]
        self.assertEqual(lines, [f"X-Marathon-Leader: http://127.0.0.1:{sim.port}",
                                 "Cache-Control: no-cache, no-store, must-revalidate",
                                 "Pragma: no-cache", "Expires: 0",
                                 "Content-Type: text/event-stream;charset=utf-8",
                                 "Connection: close"])

    def test_events_have_the_recorded_frame(self):
        sim = self.sim([dry_agent(1)])
        stream = self.stream(sim)
        sim.control("/sim/emit", {"eventType": "x", "text": "a\nb \u00e9"})
        stream.until("x", lambda event: event["eventType"] == "x")
        name = os.path.join(DATA, "sse", "body.crlf.heartbeats.v0.11plus.bin")
        with open(name, "rb") as file:
            recorded = file.read()
        blocks = stream.body.split(b"\r\n\r\n")
        self.assertEqual(blocks.pop(), b"")
        recorded = recorded.split(b"\r\n\r\n")[0]
        self.assertEqual([line.split(b" ")[0] for line in recorded.split(b"\r\n")],
                         [line.split(b" ")[0] for line in blocks[0].split(b"\r\n")])
        self.assertEqual(blocks[0].split(b"\r\n")[0], recorded.split(b"\r\n")[0])
        for block in blocks:
            kind, data = block.split(b"\r\n")
            self.assertNotIn(b"\n", data)
            self.assertEqual(kind.decode(), "event: " + json.loads(data[6:])["eventType"])

    def test_heartbeats_are_a_cr_and_then_an_lf(self):
        sim = self.sim([dry_agent(1)], "--heartbeat", "0.2")
        stream = self.stream(sim)
        first = len(stream.reads)
        while not {b"\r", b"\n"} <= set(stream.reads[first:]):
            stream.read_more()
        self.assertEqual(bytes(stream.body.split(b"}\r\n\r\n")[-1]).strip(b"\r\n"), b"")

    def test_only_the_exact_accept_is_taken(self):
        sim = self.sim([dry_agent(1)])
        for accept in ("text/event-stream, */*", "*/*", "text/event-stream;q=1"):
            with self.subTest(accept=accept):
                status, headers, body = sim.call("GET", "/v2/events", headers={"Accept": accept})
                self.assertEqual(status, 405)
                self.assertEqual(headers["Content-Type"], "text/html;charset=iso-8859-1")
                self.assertEqual(headers["Cache-Control"], "must-revalidate,no-cache,no-store")
                self.assertIn("<h2>HTTP ERROR 405 HTTP method GET is not supported by this URL</h2>",
                              body)
        stream = self.stream(sim, accept="*/*\r\nAccept: text/event-stream")
        self.assertIn(b" 200 OK", stream.head)

    def test_filter(self):
        sim = self.sim([dry_agent(1)])
        stream = self.stream(sim, "?event_type=wanted&event_type=also")
        for kind in ("other", "wanted", "other", "also"):
            sim.control("/sim/emit", {"eventType": kind})
        stream.until("also", lambda event: event["eventType"] == "also")
        self.assertEqual([event["eventType"] for event in stream.events()], ["wanted", "also"])

    def test_attached_and_detached_are_told(self):
        sim = self.sim([dry_agent(1)])
        watcher = self.stream(sim)
        other = EventStream(sim.port)
        watcher.until("attached twice", lambda _event: sum(
            event["eventType"] == "event_stream_attached" for event in watcher.events()) == 2)
        other.close()
        watcher.until("detached", lambda event: event["eventType"] == "event_stream_detached"
                      and event["remoteAddress"] == "127.0.0.1")


class Load(SimCase):
    FLOOD = 1400

    def test_200_clients_hear_every_event_in_order(self):
        sim = self.sim([dry_agent(1)])
        streams = [self.stream(sim, "?event_type=n") for _ in range(200)]
        wait_for("200 streams", lambda: sim.control("/sim/status")["streams"] == 200)
        for number in range(100):
            sim.control("/sim/emit", {"eventType": "n", "number": number})
        for stream in streams:
            stream.until("the last", lambda event: event["number"] == 99)
            self.assertEqual([event["number"] for event in stream.events()], list(range(100)))

    def flood(self, version):
        """A stream that does not read while far more is sent than fits; and the simulator."""
        sim = self.sim([dry_agent(1)], version=version)
        stream = self.stream(sim)
        big = "x" * 100000
        for number in range(self.FLOOD):
            sim.control("/sim/emit", {"eventType": "n", "number": number, "big": big})
        return sim, stream

    def test_a_slow_reader_is_closed_by_1_8(self):
        sim, stream = self.flood("1.8.222")
        wait_for("the end of the stream", lambda: sim.control("/sim/status")["streams"] == 0)
        with self.assertRaises((EOFError, ConnectionError)):
            while True:
                stream.read_more()

    def test_a_slow_reader_loses_events_in_1_4(self):
        sim, stream = self.flood("1.4.13")
        done = threading.Event()

        def mark():
            while not done.wait(0.05):
                sim.control("/sim/emit", {"eventType": "last"})
        marker = threading.Thread(target=mark)
        marker.start()
        try:
            stream.until("an event after the gap", lambda event: event["eventType"] == "last")
        finally:
            done.set()
            marker.join()
        numbers = [event["number"] for event in stream.events() if event["eventType"] == "n"]
        self.assertEqual(numbers, sorted(numbers))
        self.assertLess(len(numbers), self.FLOOD)
        self.assertEqual(sim.control("/sim/status")["streams"], 1)


class Credentials(SimCase):
    def test_the_recorded_refusal(self):
        sim = self.sim([dry_agent(1)], "--credentials", "user:secret")
        for path in ("/v2/apps", "/v2/events", "/ping"):
            status, headers, body = sim.call("GET", path)
            self.assertEqual((status, body), (401, ""))
            self.assertEqual(headers["WWW-Authenticate"], 'basic realm="null"')
            self.assertEqual(headers["Cache-Control"], "must-revalidate,no-cache,no-store")
            self.assertEqual(headers["Content-Length"], "0")
        good = {"Authorization": "Basic dXNlcjpzZWNyZXQ="}
        self.assertEqual(sim.call("GET", "/ping", headers=good)[2], "pong")
        bad = {"Authorization": "Basic dXNlcjp3cm9uZw=="}
        self.assertEqual(sim.call("GET", "/ping", headers=bad)[0], 401)


class Silence(SimCase):
    def test_a_silent_stream_stays_open_and_loses_events(self):
        sim = self.sim([dry_agent(1)], "--heartbeat", "0.1")
        stream = self.stream(sim)
        sim.control("/sim/misbehave", {"mode": "silent"})
        while select.select([stream.sock], [], [], 0.5)[0]:
            stream.read_more()
        sim.control("/sim/emit", {"eventType": "lost"})
        self.assertFalse(select.select([stream.sock], [], [], 1)[0])
        self.assertEqual(sim.get("/v2/apps"), {"apps": []})
        sim.control("/sim/misbehave", {"mode": "normal"})
        sim.control("/sim/emit", {"eventType": "heard"})
        stream.until("heard", lambda event: event["eventType"] == "heard")
        self.assertNotIn("lost", [event["eventType"] for event in stream.events()])

    def test_error_and_noleader_cut_streams(self):
        sim = self.sim([dry_agent(1)])
        for body in ({"mode": "error", "status": 500}, {"mode": "noleader"},
                     {"mode": "normal", "cut": True}):
            sim.control("/sim/misbehave", {"mode": "normal"})
            stream = self.stream(sim)
            sim.control("/sim/misbehave", body)
            read_all(stream.sock)
