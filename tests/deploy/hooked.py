#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What sits on an interface's hooks, whoever put it there and in the order in which it runs: lines `HOOK PROGRAM-ID`.

Debian 12's bpftool and tc do not know tcx, so the kernel is asked itself. For root, in the interface's network namespace.
"""
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
PROG_QUERY = 16
TCX = {"tc_in": 46, "tc_out": 47}
ROOM = 64


def tcx(ifindex, attach_type):
    """Program ids; none where the kernel has no tcx."""
    ids = (ctypes.c_uint32 * ROOM)()
    # target_ifindex, attach_type, query_flags, attach_flags, prog_ids, count, and what later kernels added
    attr = ctypes.create_string_buffer(struct.pack("=IIIIQI", ifindex, attach_type, 0, 0, ctypes.addressof(ids), ROOM), 72)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(SYS_BPF, PROG_QUERY, attr, len(attr)) < 0:
        return []
    return list(ids[:struct.unpack_from("=I", attr, 24)[0]])


def main():
    name = sys.argv[1]
    link = json.loads(subprocess.run(["ip", "-d", "-j", "link", "show", "dev", name], check=True, capture_output=True).stdout)[0]
    if link.get("xdp", {}).get("prog"):
        print("xdp", link["xdp"]["prog"]["id"])
    for hook, attach_type in TCX.items():
        for program in tcx(socket.if_nametoindex(name), attach_type):
            print(hook, program)
    for where in ("ingress", "egress"):
        shown = subprocess.run(["tc", "-j", "filter", "show", "dev", name, where], check=True, capture_output=True).stdout
        for each in json.loads(shown or "[]"):
            if each.get("options", {}).get("prog"):
                print("clsact", where, each["options"]["prog"]["id"])


main()
