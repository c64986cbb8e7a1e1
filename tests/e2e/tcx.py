#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Puts a pinned program in front of all others at an interface's tcx ingress (Linux 6.6), and pins the link: tcx.py PROGRAM INTERFACE LINK.
Exit status 77: this kernel has no tcx. bpftool and iproute2 of Debian 12 cannot do it."""
import ctypes
import errno
import platform
import socket
import struct
import sys

OBJ_PIN, OBJ_GET, LINK_CREATE = 6, 7, 28
TCX_INGRESS, BEFORE = 46, 1 << 3
NUMBER = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    attributes = ctypes.create_string_buffer(attributes, 128)
    result = _libc.syscall(NUMBER, command, attributes, 128)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}")
    return result


def path_pointer(path):
    buffer = ctypes.create_string_buffer(path.encode())
    return buffer, ctypes.addressof(buffer)


program, interface, link = sys.argv[1:]
kept, pointer = path_pointer(program)
descriptor = bpf(OBJ_GET, struct.pack("=Q", pointer))
try:
    made = bpf(LINK_CREATE, struct.pack("=IIII", descriptor, socket.if_nametoindex(interface), TCX_INGRESS, BEFORE))
except OSError as error:
    sys.exit(77 if error.errno == errno.EINVAL else f"tcx.py: {error}")
kept, pointer = path_pointer(link)
bpf(OBJ_PIN, struct.pack("=QI", pointer, made))
