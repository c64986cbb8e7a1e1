#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A name server on 127.0.0.1. resolver.py NAME ADDRESS MODE-FILE: the file says whether it answers (speaks), knows nobody (none) or takes the
question and is quiet (silent). Each question is noted in MODE-FILE.asked."""
import socket
import struct
import sys


def question(packet):
    """The name that is asked for, its type, and how long header and question are."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("ascii").lower())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack("!H", packet[at + 1:at + 3])[0], at + 5


def answer(packet, known, address):
    name, kind, end = question(packet)
    found = known and name == known.lower()
    records = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(address) if found and kind == 1 else b""
    head = packet[:2] + struct.pack("!HHHHH", 0x8580 if found else 0x8583, 1, 1 if records else 0, 0, 0)
    return head + packet[12:end] + records


def main():
    name, address, mode_file = sys.argv[1:]
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        packet, client = server.recvfrom(4096)
        with open(mode_file, encoding="ascii") as file:
            mode = file.read().strip()
        with open(mode_file + ".asked", "a", encoding="ascii") as file:
            file.write(f"{mode} {question(packet)[0]}\n")
        if mode != "silent":
            server.sendto(answer(packet, name if mode == "speaks" else None, address), client)


main()
