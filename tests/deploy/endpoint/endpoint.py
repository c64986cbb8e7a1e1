#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
A local end point for the AWS command line: speaks the wire formats of EC2, IAM, both Elastic Load Balancings and the
Systems Manager's parameter store, as far as deploy/aws uses them, and remembers what was made.

    endpoint.py DIRECTORY

prints its URL, then writes into DIRECTORY: `calls`, a line "service Operation" a call; `state.json`, all that exists,
after every call; `user-data-NAME`, what each machine was started with. It refuses what AWS would refuse: a second thing
of the same name, removal of what is in use, a call for something that is not there, a filter it does not know. It must
know nothing of the scripts under test.
"""
import json
import pathlib
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer
from xml.sax.saxutils import escape

from account import AwsError
from balancing import Balancing, BalancingV2
from compute import Compute
from identity import Identity
from parameters import Parameters

# the versions of the APIs tell two services with one host name apart
VERSIONS = {"2016-11-15": "ec2", "2010-05-08": "iam", "2012-06-01": "elb", "2015-12-01": "elbv2"}


def nested(pairs):
    """{"A.1.B": "x"} to {"A": [{"B": "x"}]}; the word "member" of the query protocol is left out"""
    root = {}
    for name, value in pairs:
        at = root
        parts = [part for part in name.split(".") if part != "member"]
        for part in parts[:-1]:
            at = at.setdefault(part, {})
        at[parts[-1]] = value

    def lists(node):
        if not isinstance(node, dict):
            return node
        if node and all(key.isdigit() for key in node):
            return [lists(node[key]) for key in sorted(node, key=int)]
        return {key: lists(value) for key, value in node.items()}

    return lists(root)


def xml(value, item):
    if isinstance(value, dict):
        return "".join(f"<{key}>{xml(inner, item)}</{key}>" for key, inner in value.items())
    if isinstance(value, list):
        return "".join(f"<{item}>{xml(inner, item)}</{item}>" for inner in value)
    return str(value).lower() if isinstance(value, bool) else escape(str(value))


class World:
    """all services of one account, and the record of what was asked of them"""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        identity = Identity()
        compute = Compute(identity, self.directory)
        self.services = {"iam": identity, "ec2": compute, "elb": Balancing(compute), "elbv2": BalancingV2(compute),
                         "ssm": Parameters()}
        self.save()

    def call(self, service, action, request):
        with open(self.directory / "calls", "a", encoding="utf-8") as calls:
            print(service, action, file=calls)
        method = getattr(self.services[service], action, None)
        if method is None:
            raise AwsError("InvalidAction", f"{service} {action}: this end point does not know it")
        try:
            return method(request) or {}
        finally:
            self.save()

    def save(self):
        state = {name: service.state() for name, service in self.services.items()}
        (self.directory / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        target = self.headers.get("X-Amz-Target")
        if target:
            self.answer_json(target.split(".")[1], json.loads(body))
        else:
            self.answer_xml(dict(urllib.parse.parse_qsl(body, keep_blank_values=True)))

    def answer_json(self, action, request):
        try:
            status, answer = 200, self.server.world.call("ssm", action, request)
        except AwsError as error:
            status, answer = 400, {"__type": error.code, "message": str(error)}
        self.send(status, "application/x-amz-json-1.1", json.dumps(answer))

    def answer_xml(self, pairs):
        action, service = pairs.pop("Action"), VERSIONS[pairs.pop("Version")]
        ec2 = service == "ec2"
        try:
            answer = xml(self.server.world.call(service, action, nested(pairs.items())), "item" if ec2 else "member")
            answer = answer if ec2 else f"<{action}Result>{answer}</{action}Result>"
            self.send(200, "text/xml", f"<{action}Response>{answer}</{action}Response>")
        except AwsError as error:
            answer = f"<Error><Code>{error.code}</Code><Message>{escape(str(error))}</Message></Error>"
            self.send(400, "text/xml", f"<Response><Errors>{answer}</Errors></Response>" if ec2
                      else f"<ErrorResponse>{answer}</ErrorResponse>")

    def send(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.world = World(sys.argv[1])
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
