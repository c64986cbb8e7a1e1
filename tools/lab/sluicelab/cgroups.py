# SPDX-License-Identifier: GPL-2.0-only
"""The lab's cgroups: below a folder of the lab's own in each hierarchy, version 1 or 2.

A host has three: `host` for what runs on the host itself, `docker` for its containers, `tasks` for processes that stand
in for containers. Only version 2 folders are made here; Docker makes what it needs in the others.
"""
import contextlib
import os
import time

from .failure import LabError


def mounts():
    """All mounts: (place, type)."""
    found = []
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            _, place, kind, *_ = line.split(" ")
            for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\134", "\\")):
                place = place.replace(code, letter)
            found.append((place, kind))
    return found


def unified():
    """Where cgroup version 2 is mounted."""
    for place, kind in mounts():
        if kind == "cgroup2":
            return place
    raise LabError("cgroup version 2 is not mounted: try mount -t cgroup2 none /sys/fs/cgroup/unified")


def slave_folder(lab, host):
    """The folder that holds all processes of a host, its containers' too."""
    return os.path.join(unified(), lab.cgroup, host)


def host_folder(lab, host):
    return os.path.join(slave_folder(lab, host), "host")


def tasks_folder(lab, host):
    return os.path.join(slave_folder(lab, host), "tasks")


def docker_parent(lab, host):
    """As dockerd's --cgroup-parent takes it."""
    return f"/{lab.cgroup}/{host}/docker"


def make(lab, host):
    os.makedirs(host_folder(lab, host), exist_ok=True)
    os.makedirs(tasks_folder(lab, host), exist_ok=True)


def _roots(lab):
    for place, kind in mounts():
        root = os.path.join(place, lab.cgroup)
        if kind in ("cgroup", "cgroup2") and os.path.isdir(root):
            yield root


def _folders(lab):
    """Every cgroup of the lab, children before their parents."""
    for root in _roots(lab):
        for folder, _, _ in os.walk(root, topdown=False):
            yield folder


def members(lab):
    found = set()
    for folder in _folders(lab):
        with contextlib.suppress(OSError), open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as file:
            found.update(int(line) for line in file)
    return found


def remove(lab, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        last = None
        for folder in _folders(lab):
            try:
                os.rmdir(folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                last = error
        if not last:
            return
        if time.monotonic() > deadline:
            raise LabError(f"cgroup stays: {last}")
        time.sleep(0.1)
