#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Either side of the admin socket. admin.py ask SOCKET REQUEST prints the answer; admin.py answer SOCKET FILE gives every caller what
stands in the file, until it is ended."""
import os
import socket
import sys


def ask(path, request):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(request.encode() + b"\n")
        while data := client.recv(65536):
            sys.stdout.write(data.decode())


def answer(path, file):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path + ".new")
        server.listen()
        os.rename(path + ".new", path) # who sees it can connect
        while True:
            client, _ = server.accept()
            with client, open(file, "rb") as text:
                while not client.recv(4096).endswith(b"\n"):
                    pass
                client.sendall(text.read())


{"ask": ask, "answer": answer}[sys.argv[1]](*sys.argv[2:])
