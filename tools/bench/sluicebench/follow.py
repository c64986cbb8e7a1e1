# SPDX-License-Identifier: GPL-2.0-only
"""What consul-template does for HAProxy: waits for Consul with a blocking query, writes the file, has HAProxy reload it. No pause is added."""
import http.client
import json
import threading

from sluicelab.consul import HTTP
from sluicelab.net import inside

from .host import SLAVE


class Follower:
    def __init__(self, host, apply, known):
        """apply(ports) is called in a thread of its own for each set that differs from the last, which is known at first."""
        self.host, self.apply, self.known = host, apply, known
        self.stopped, self.ready = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        index = 0
        with inside(self.host.lab, SLAVE):
            while not self.stopped.is_set():
                connection = http.client.HTTPConnection(*HTTP.split(":"), timeout=5)
                try:
                    connection.request("GET", f"/v1/health/service/web?passing&index={index}&wait=1s")
                    answer = connection.getresponse()
                    found = sorted(entry["Service"]["Port"] for entry in json.loads(answer.read()))
                    index = int(answer.getheader("X-Consul-Index") or 0)
                except (OSError, ValueError, http.client.HTTPException):
                    self.stopped.wait(0.2)
                    continue
                finally:
                    connection.close()
                self.ready.set()
                if found and found != self.known and not self.stopped.is_set():
                    self.known = found
                    self.apply(found)

    def end(self):
        self.stopped.set()
        self.thread.join(10)
