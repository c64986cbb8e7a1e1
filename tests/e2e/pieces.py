#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""ICMP errors whose quote does not lie in the packet's first piece, as drivers leave it that pull no more than the headers.

    pieces.py probe                     0 if this kernel's tap devices can do that (IFF_NAPI_FRAGS)
    pieces.py run SLUICECTL CONFIG      in a network namespace of its own: makes tap0, attaches, and prints for IPv4 and
                                        IPv6 and each length of the first piece how many more quotes were read
"""
import fcntl
import ipaddress
import json
import os
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
FLAGS = 0x2 | 0x1000 | 0x10 | 0x20  # IFF_TAP, IFF_NO_PI, IFF_NAPI, IFF_NAPI_FRAGS
DEADLINE = 20
PIECES = (None, 14, 42, 60)  # eth_get_headlen() finds 42 bytes of an ICMP error over IPv4


def tap():
    """A tap device tap0; it lives as long as what is returned is open."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"tap0", FLAGS))
    return device


def checksum(data):
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def ip(source, target, protocol, body):
    """A packet without options."""
    source, target = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + source.packed + target.packed + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0x4000, 64, protocol, 0) + source.packed + target.packed
    return head[:10] + checksum(head) + head[12:] + body


def error(client, local):
    """What a router says of a segment from local:80 to client that is too long."""
    segment = struct.pack("!HHIIBBHHH", 80, 40000, 5001, 1001, 5 << 4, 0x10, 1000, 0, 0) + b"x" * 400
    quote = ip(local, client, 6, segment)
    if ":" in local:
        head, protocol = struct.pack("!BBHI", 2, 0, 0, 1300), 58
        pseudo = ipaddress.ip_address(client).packed + ipaddress.ip_address(local).packed
        pseudo += struct.pack("!II", len(head + quote), protocol)
    else:
        head, protocol, pseudo = struct.pack("!BBHHH", 3, 4, 0, 0, 1300), 1, b""
    head = head[:2] + checksum(pseudo + head + quote) + head[4:]
    return ip(client, local, protocol, head + quote)


def main():
    """One of the two."""
    device = tap()
    if sys.argv[1] == "probe":
        return
    ctl = [sys.argv[2], "--config", sys.argv[3]]
    for command in ("link set lo up", "addr add 10.99.0.2/24 dev tap0", "link set tap0 up",
                    "addr add fd99::2/64 dev tap0 nodad"):
        subprocess.run(["ip"] + command.split(), check=True)
    link = json.loads(subprocess.check_output(["ip", "-j", "link", "show", "tap0"]))
    mac = bytes.fromhex(link[0]["address"].replace(":", ""))
    subprocess.run(ctl + ["attach"], check=True, stdout=subprocess.DEVNULL)

    def read():
        return json.loads(subprocess.check_output(ctl + ["--json", "counters"]))["icmp_no_flow"]

    for client, local, kind in (("10.99.0.1", "10.99.0.2", b"\x08\0"), ("fd99::1", "fd99::2", b"\x86\xdd")):
        frame = mac + b"\x02\0\0\0\0\1" + kind + error(client, local)
        for first in PIECES:
            before, end = read(), time.monotonic() + DEADLINE
            os.writev(device, [frame] if first is None else [frame[:first], frame[first:]])
            while read() == before and time.monotonic() < end:
                time.sleep(0.05)
            print(f"IPv{6 if ':' in local else 4} {first or 'whole'} {read() - before}", flush=True)
    subprocess.run(ctl + ["detach"], check=True, stdout=subprocess.DEVNULL)


main()
