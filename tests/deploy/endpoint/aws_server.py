#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
The AWS command line, started once: it needs a second to load, and the test calls it two hundred times.

    aws_server.py SOCKET                  the server: loads the installed command line, then forks a child a call
    AWS_SERVER=SOCKET aws_server.py ...   the client, which stands in for `aws`: hands its arguments, folder and three
                                          streams to the server, and exits as that child does

What runs in the child is the command line's own main function, with its parser, its parameter check and its wire format;
nothing of it is changed. The server must be started with the environment that the calls shall see.
"""
import array
import importlib
import json
import os
import signal
import socket
import sys
import traceback

SERVICES = ("ec2", "iam", "elb", "elbv2", "ssm")


def load():
    """a driver that has read what it wants to know of the services. It must not run a command yet: that starts a thread,
    and a process with threads cannot be forked."""
    driver = importlib.import_module("awscli.clidriver").create_clidriver()
    commands = driver._get_command_table()
    for service in SERVICES:
        commands[service]._get_command_table()
        driver.session.create_client(service, region_name="eu-central-1", endpoint_url="http://127.0.0.1:1")
    return driver


def child(driver, connection):
    fds = array.array("i")
    text, ancillary, _, _ = connection.recvmsg(1 << 20, socket.CMSG_SPACE(3 * fds.itemsize))
    fds.frombytes(ancillary[0][2][:3 * fds.itemsize])
    while not text.endswith(b"\n"):
        text += connection.recv(1 << 20)
    call = json.loads(text)
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    os.chdir(call["folder"])
    status = 255
    try:
        status = driver.main(call["arguments"])
    except SystemExit as leaving:
        status = leaving.code
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(bytes([status or 0]))


def serve(path):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    driver = load()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen(16)
    os.rename(path + ".new", path)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            child(driver, connection)
            os._exit(0)
        connection.close()


def call(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    text = json.dumps({"arguments": sys.argv[1:], "folder": os.getcwd()}).encode() + b"\n"
    sent = socket.send_fds(connection, [text], [0, 1, 2])
    connection.sendall(text[sent:])
    status = connection.recv(1)
    sys.exit(status[0] if status else 255)


if __name__ == "__main__":
    if "AWS_SERVER" in os.environ:
        call(os.environ["AWS_SERVER"])
    else:
        serve(sys.argv[1])
