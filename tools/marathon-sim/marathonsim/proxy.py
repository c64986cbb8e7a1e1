# SPDX-License-Identifier: GPL-2.0-only
"""What a standby does with a request: hand it to the leader and bring back the answer."""

import http.client
import socket
import urllib.parse

_HOP = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "te",
                  "trailer", "upgrade", "proxy-connection", "host", "expect"))
_CONNECT_SECONDS = 5.0


class LeaderTrouble(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Leader:
    """The master that a standby stands by; `url` may be changed while running."""

    def __init__(self, url, read_timeout):
        self.url = url
        self._read_timeout = read_timeout

    def location(self, uri):
        return self.url.rstrip("/") + uri

    def ask(self, method, uri, headers, body, via):
        """(connection, response), the body unread. Raises LeaderTrouble."""
        parts = urllib.parse.urlsplit(self.url)
        if headers.get("X-Marathon-Via"):
            raise LeaderTrouble(502, "Detected proxying loop.")
        connection = http.client.HTTPConnection(parts.hostname, parts.port or 80,
                                                timeout=_CONNECT_SECONDS)
        passed = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        passed["X-Marathon-Via"] = via
        try:
            connection.connect()
            connection.sock.settimeout(self._read_timeout)
            connection.request(method, uri, body or None, passed)
            return connection, connection.getresponse()
        except socket.timeout as error:
            connection.close()
            raise LeaderTrouble(504, "Connection to leader timed out") from error
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise LeaderTrouble(502, "Connection to leader refused") from error


def headers_of(response, via):
    kept = [(name, value) for name, value in response.getheaders()
            if name.lower() not in _HOP | {"date", "server"}]
    return kept + [("X-Marathon-Via", via)]
