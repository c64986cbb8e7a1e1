#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The program that the simulator's tests run as a task: app.py PORT [ADDRESS].

GET /env tells its environment, /health is 200 until POST /sick, /ready is 503 until POST /ready.
With IGNORE_TERM in the environment it ignores SIGTERM. POST /exit/N ends it with status N.
"""

import http.server
import json
import os
import signal
import sys

STATE = {"sick": False, "ready": False}


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, format, *args):
        pass

    def _answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        bad = {"/health": STATE["sick"], "/ready": not STATE["ready"]}.get(self.path, False)
        self._answer(503 if bad else 200, dict(os.environ))

    def do_POST(self):
        if self.path.startswith("/exit/"):
            os._exit(int(self.path.rpartition("/")[2]))
        STATE[self.path.strip("/")] = True
        self._answer(200, {"done": True})


if "IGNORE_TERM" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
http.server.ThreadingHTTPServer((address, int(sys.argv[1])), Handler).serve_forever()
