# SPDX-License-Identifier: GPL-2.0-only
"""HTTP callbacks of 1.4: subscribing, delivery, back-off, what a restart keeps."""

import http.server
import json
import threading
import urllib.parse

from simtest import SimCase, dry_agent, fixture, wait_for
from test_shapes import same_shape


class Receiver:
    """Somebody who is called back, and what he heard. `status` is what he answers."""

    def __init__(self, case):
        receiver = self
        self.heard = []
        self.status = 200

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format, *args):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.heard.append((dict(self.headers), body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}/cb?x=1"
        case.addCleanup(server.server_close)
        case.addCleanup(server.shutdown)

    def kinds(self):
        return [body["eventType"] for _, body in self.heard]


class Callbacks(SimCase):
    def start(self, *options):
        return self.sim([dry_agent(1)], "--event-subscriber", "http_callback", *options,
                        version="1.4.13")

    @staticmethod
    def subscribe(sim, url, method="POST"):
        return sim.call(method, "/v2/eventSubscriptions?callbackUrl="
                        + urllib.parse.quote(url, safe=""))

    def test_subscribe_deliver_unsubscribe(self):
        sim = self.start()
        one, two = Receiver(self), Receiver(self)
        for receiver in (one, one, two):
            status, _, answer = self.subscribe(sim, receiver.url)
            self.assertEqual(status, 200)
            same_shape(self, answer, fixture("events/subscribe.json"), "subscribe")
        self.assertEqual(sim.get("/v2/eventSubscriptions"),
                         {"callbackUrls": sorted([one.url, two.url])})
        sim.create("/web")
        for receiver in (one, two):
            wait_for("the success", lambda receiver=receiver:
                     "deployment_success" in receiver.kinds())
            self.assertEqual(receiver.kinds().count("deployment_success"), 1)
        headers, _ = one.heard[0]
        self.assertEqual(headers["Content-Type"], "application/json; charset=UTF-8")
        self.assertEqual(headers["Accept"], "application/json")
        _, _, answer = self.subscribe(sim, two.url, "DELETE")
        self.assertEqual(answer["eventType"], "unsubscribe_event")
        count = len(two.heard)
        sim.control("/sim/emit", {"eventType": "later"})
        wait_for("the later event", lambda: "later" in one.kinds())
        self.assertEqual(len(two.heard), count)

    def test_a_failing_subscriber_is_left_alone_for_a_while(self):
        sim = self.start()
        bad, good = Receiver(self), Receiver(self)
        bad.status = 500
        self.subscribe(sim, good.url)
        self.subscribe(sim, bad.url)
        wait_for("the first failure", lambda: bad.heard)
        wait_for("the back-off", lambda: self.is_skipped(sim, bad, good))
        bad.status = 200
        wait_for("the end of the back-off", lambda: not self.is_skipped(sim, bad, good))

    @staticmethod
    def is_skipped(sim, receiver, other):
        """Whether an event that the other one hears does not come."""
        before = len(receiver.heard)
        kind = f"probe{len(other.heard)}"
        sim.control("/sim/emit", {"eventType": kind})
        wait_for("the probe", lambda: kind in other.kinds())
        return len(receiver.heard) == before

    def test_fixed_endpoints_and_dropping(self):
        fixed = Receiver(self)
        sim = self.start("--http-endpoints", fixed.url)
        sim.control("/sim/emit", {"eventType": "x"})
        wait_for("x", lambda: "x" in fixed.kinds())
        sim.control("/sim/misbehave", {"mode": "drop-subscriptions"})
        self.assertEqual(sim.get("/v2/eventSubscriptions"), {"callbackUrls": []})

    def test_subscriptions_outlive_a_restart(self):
        sim = self.start("--keep-tasks", "--adopt")
        receiver = Receiver(self)
        self.subscribe(sim, receiver.url)
        sim.end()
        sim.start()
        self.assertEqual(sim.get("/v2/eventSubscriptions"), {"callbackUrls": [receiver.url]})

    def test_a_url_without_scheme_is_refused(self):
        status, _, answer = self.subscribe(self.start(), "127.0.0.1:80/x")
        self.assertEqual((status, answer["details"][0]["path"]), (422, "/callbackUrl"))
