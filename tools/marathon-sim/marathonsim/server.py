# SPDX-License-Identifier: GPL-2.0-only
"""The HTTP server in front: framing, authentication, leader or standby, misbehaviour, streams.

Knows the API only as a function from Request to Answer. Every answer leaves in one write.
"""

import base64
import collections
import http.client
import http.server
import socket
import ssl
import sys
import threading
import urllib.parse

from . import jetty, proxy, wire
from .api import Request
from .stream import Stream

_BODY_LIMIT = 16 << 20
_CHUNKED_FROM = 32 << 10        # Jetty's output buffer: longer answers have no length
_NO_LEADER_SECONDS = 2.75


class RequestLog:
    """How often each client asked for what."""

    def __init__(self):
        self._lock = threading.Lock()
        self._counts = collections.Counter()

    def add(self, client, method, path):
        with self._lock:
            self._counts[(client, method, path)] += 1

    def reset(self):
        with self._lock:
            self._counts.clear()

    def render(self):
        with self._lock:
            rows = [{"client": client, "method": method, "path": path, "count": count}
                    for (client, method, path), count in sorted(self._counts.items())]
        return {"total": sum(row["count"] for row in rows), "requests": rows}


class Front:
    """What all connections share."""

    def __init__(self, version, address, bus, misbehaviour, settings, api=None, leader=None):
        """Either api (a leader) or leader, a proxy.Leader (a standby)."""
        self.version = version
        self.address = address
        self.bus = bus
        self.misbehaviour = misbehaviour
        self.heartbeat = settings.heartbeat
        self.api = api
        self.leader = leader
        self.requests = RequestLog()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address, front, credentials=None, certificate=None):
        """certificate: a PEM file with certificate and key, for https."""
        self.front = front
        self._credentials = credentials
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, Handler)

    def authorized(self, header):
        if self._credentials is None:
            return True
        wanted = base64.b64encode(self._credentials.encode()).decode()
        scheme, _, given = (header or "").partition(" ")
        return scheme.lower() == "basic" and given.strip() == wanted

    def get_request(self):
        """The handshake comes with the first read, in the connection's own thread: one that does not end holds up nobody."""
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True,
                                               do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        """A client that goes away in the middle is no news; a defect is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30
    server_version = "Jetty(9.3.z-SNAPSHOT)"

    def log_message(self, format, *args):
        pass

    # -- in --------------------------------------------------------------------------

    def _read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _BODY_LIMIT:
            return None
        return self.rfile.read(int(length))

    def _read_chunks(self):
        body = b""
        while True:
            size = int(self.rfile.readline(64).split(b";")[0], 16)
            if len(body) + size > _BODY_LIMIT:
                return None
            body += self.rfile.read(size)
            self.rfile.readline(64)
            if size == 0:
                return body

    def _handle(self):
        front = self.server.front
        parts = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(parts.path)
        try:
            body = self._read_body()
        except ValueError:
            body = None
        if body is None:
            self.close_connection = True
            self._page(413 if self.headers.get("Content-Length", "").isdigit() else 400)
            return
        if not self.server.authorized(self.headers.get("Authorization")):
            self._answer(401, [("WWW-Authenticate", 'basic realm="null"'),
                               ("Cache-Control", "must-revalidate,no-cache,no-store")], b"")
            return
        if path == "/ping":
            self._answer(200, jetty.NO_STORE + [("Content-Type", "text/plain")], b"pong")
            return
        front.requests.add(self.client_address[0], self.command, path)
        if self._misbehaves(path):
            return
        if front.leader is not None:
            self._stand_by(path, body)
        elif path == "/v2/events":
            self._events(parts.query)
        else:
            query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
            self._rest(Request(self.command, path, query, body, self.client_address[0],
                               self.path))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _handle

    # -- out -------------------------------------------------------------------------

    def _head(self, status, headers):
        lines = [f"HTTP/1.1 {status} {jetty.reason(status)}", f"Date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if self.close_connection and not any(name == "Connection" for name, _ in headers):
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _answer(self, status, headers, body):
        if self.command == "HEAD":
            body = b""
        if len(body) > _CHUNKED_FROM:
            head = self._head(status, headers + [("Transfer-Encoding", "chunked")])
            self.wfile.write(head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
            return
        if status not in (204, 304):
            headers = headers + [("Content-Length", str(len(body)))]
        self.wfile.write(self._head(status, headers) + body)

    def _page(self, status, message=None, headers=(), **servlet):
        page_headers, body = jetty.page(status, message or jetty.reason(status), self.path,
                                        **servlet)
        self._answer(status, list(headers) + page_headers, body)

    def _leader_header(self):
        return [("X-Marathon-Leader", f"http://{self.server.front.address}")]

    # -- misbehaviour ----------------------------------------------------------------

    def _misbehaves(self, path):
        """True if the request has been dealt with, badly."""
        front = self.server.front
        state = front.misbehaviour.state
        if state["mode"] == "error":
            self._page(state["status"], headers=self._leader_header())
            return True
        if state["mode"] == "hang":
            front.misbehaviour.over().wait()
            self.close_connection = True
            return True
        if state["mode"] == "noleader" and path != "/v2/leader":
            if not front.misbehaviour.over().wait(_NO_LEADER_SECONDS):
                self._page(front.version.no_leader_status,
                           "Could not determine the current leader")
                return True
        return False

    def _cut_short(self, status, headers, body):
        """Announces a whole body and sends half of it."""
        self.close_connection = True
        half = body[:len(body) // 2]
        if self.server.front.misbehaviour.state.get("chunked"):
            head = self._head(status, headers + [("Transfer-Encoding", "chunked")])
            self.wfile.write(head + b"%x\r\n" % len(body) + half)
        else:
            head = self._head(status, headers + [("Content-Length", str(len(body)))])
            self.wfile.write(head + half)

    @staticmethod
    def _emptied(body):
        if "apps" in body:
            return {"apps": []}
        if "tasks" in body:
            return {"tasks": []}
        if "app" in body:
            counts = dict.fromkeys(("tasksStaged", "tasksRunning", "tasksHealthy",
                                    "tasksUnhealthy"), 0)
            return {"app": dict(body["app"], tasks=[], **counts)}
        return body

    # -- the leader ------------------------------------------------------------------

    def _rest(self, request):
        front = self.server.front
        answer = front.api.handle(request)
        headers = self._leader_header() + jetty.NO_STORE + answer.headers
        if isinstance(answer.body, str):
            self._answer(answer.status, headers + [("Content-Type", "text/plain")],
                         answer.body.encode())
            return
        body = answer.body
        plain_read = request.method == "GET" and answer.status == 200
        if front.misbehaviour.mode == "empty" and plain_read and isinstance(body, dict):
            body = self._emptied(body)
        body = wire.compact(body).encode()
        headers.append(("Content-Type", "application/json"))
        if front.misbehaviour.mode == "half" and plain_read:
            self._cut_short(answer.status, headers, body)
        else:
            self._answer(answer.status, headers, body)

    def _events(self, query):
        front = self.server.front
        accepts = self.headers.get_all("Accept") or []
        if self.command != "GET" or "text/event-stream" not in accepts:
            self._page(405, f"HTTP method {self.command} is not supported by this URL",
                       self._leader_header() + [("X-Frame-Options", "DENY"),
                                                ("X-XSS-Protection", "1; mode=block"),
                                                ("Pragma", "no-cache")], servlet="Sse")
            return
        kinds = urllib.parse.parse_qs(query).get("event_type", [])
        self.close_connection = True
        self.connection.settimeout(None)
        client = Stream(self.connection, self.client_address[0], kinds,
                        front.version.stream_queue, front.version.closes_slow_streams)
        # Known to the bus before the client sees an answer: whoever has the head is told of every event, and is cut.
        front.bus.attach(client)
        try:
            self.wfile.write(self._head(200, self._leader_header() + jetty.NO_STORE
                                        + [("Content-Type", "text/event-stream;charset=utf-8"),
                                           ("Connection", "close")]))
            client.serve(front.heartbeat)
        finally:
            front.bus.detach(client)

    # -- a standby -------------------------------------------------------------------

    def _stand_by(self, path, body):
        front = self.server.front
        if path == "/v2/events" and front.version.redirects_events:
            self._answer(302, [("Location", front.leader.location(self.path))], b"")
            return
        via = f"1.1 {front.address}"
        try:
            connection, response = front.leader.ask(self.command, self.path, self.headers, body,
                                                    via)
        except proxy.LeaderTrouble as trouble:
            self._page(trouble.status, str(trouble))
            return
        headers = proxy.headers_of(response, via)
        try:
            if path == "/v2/events" and response.status == 200:
                self._pass_stream(response, headers)
            else:
                self._answer(response.status, headers, response.read())
        except (http.client.HTTPException, socket.timeout) as error:
            self.close_connection = True
            self._page(502, f"Connection to leader failed: {type(error).__name__}")
        finally:
            connection.close()

    def _pass_stream(self, response, headers):
        """Relays until the leader is silent for too long, which its heartbeats only just avoid."""
        self.close_connection = True
        self.connection.settimeout(None)
        self.wfile.write(self._head(200, headers + [("Transfer-Encoding", "chunked")]))
        try:
            while data := response.read1(65536):
                self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            return
