#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A server that answers with all that it was sent: in the reason, in headers, in the body. echo.py ADDRESS PORT MODE-FILE: the file says
how, by status and form (text, json, sse, cut); what was asked then stands in MODE-FILE.served. A client that quotes what it gets tells its own secrets."""
import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _answer(self):
        with open(sys.argv[3], encoding="ascii") as file:
            status, form = file.read().split()
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        sent = " ".join(value for name, value in self.headers.items() if name in ("Authorization", "X-Consul-Token"))
        body = {"text": sent, "json": json.dumps({"apps": sent, "app": sent, "message": sent, "Config": sent}), "cut": sent,
                "sse": f"event: {sent}\ndata: {{{sent}\n\ndata: {json.dumps({'eventType': 'status_update_event', 'taskStatus': [sent]})}\n\n"}
        data = body[form].encode()
        self.send_response(int(status), sent)
        for name in ("X-Marathon-Leader", "X-Consul-Index", "X-Consul-Knownleader"):
            self.send_header(name, sent)
        self.send_header("Location", f"http://{sent.replace(' ', '-')}@10.80.0.250:9998/{sent.replace(' ', '-')}")
        self.send_header("Content-Type", "text/event-stream" if form == "sse" else "application/json")
        if form == "cut":
            self.send_header("Transfer-Encoding", "chunked")
            data = b"zz" + data + b"\r\n"
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        with open(sys.argv[3] + ".served", "a", encoding="ascii") as file:
            file.write(f"{status} {form} {self.path}\n")

    do_GET = do_PUT = do_POST = _answer


http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
