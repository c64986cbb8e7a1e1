# SPDX-License-Identifier: GPL-2.0-only
"""HTTP with JSON, spoken from inside a host's network namespace or over a Unix socket."""
import http.client
import json
import socket

from .failure import LabError
from .net import inside


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("sim", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _ask(connection, method, path, body, headers=None):
    try:
        data = None if body is None else json.dumps(body)
        headers = {"Accept": "application/json"} | (headers or {}) | ({"Content-Type": "application/json"} if data else {})
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise OSError(f"{method} {path}: {error or type(error).__name__}") from error
    finally:
        connection.close()
    try:
        return answer.status, json.loads(text) if text else None
    except ValueError:
        return answer.status, text


def ask(lab, host, address, method, path, body=None, timeout=10, headers=None):
    """(status, decoded JSON or the text). OSError if there is no answer."""
    name, port = address.split(":")
    with inside(lab, host):
        return _ask(http.client.HTTPConnection(name, int(port), timeout=timeout), method, path, body, headers)


def ask_unix(path, method, where, body=None, timeout=30):
    return _ask(_UnixConnection(path, timeout), method, where, body)


def must(answer, what):
    status, document = answer
    if status // 100 != 2:
        message = document.get("message", document) if isinstance(document, dict) else document
        raise LabError(f"{what}: {status} {message}")
    return document
