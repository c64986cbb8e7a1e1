# SPDX-License-Identifier: GPL-2.0-only
"""The lab goes before everything else on the machine, all its processes alike: one cgroup with the largest share of the processors.

Without it each session (a generator, a server, a proxy, somebody's compiler) is a group of its own to the kernel's autogroups and gets as
much as any other, so that rows on a machine that others use differ by factors. Shares are relative: nothing changes on an idle machine
except that generator, servers and balancers stand side by side in one group, as processes of one slice do.
"""
import contextlib
import os

from sluicelab import cgroups

MOST_SHARES, MOST_WEIGHT = "262144", "10000"


def _write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _shares_root():
    """Where the processor's controller of cgroup version 1 is mounted, or None."""
    for place, kind in cgroups.mounts():
        if kind == "cgroup" and os.path.exists(os.path.join(place, "cpu.shares")):
            return place
    return None


def _here(root):
    """This process's own group in that hierarchy."""
    with open("/proc/self/cgroup", encoding="ascii") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if "cpu" in controllers.split(","):
                return os.path.join(root, path.lstrip("/"))
    return root


@contextlib.contextmanager
def before_all(lab):
    """While the block runs; yields in words what was done. This process is part of it, for generators are its children.

    It has left the lab's group before the block's end is told, for taking a lab down kills all that is in one.
    """
    root = _shares_root()
    if root is None:
        weight = os.path.join(cgroups.unified(), lab.cgroup, "cpu.weight")
        if os.path.exists(weight):
            _write(weight, MOST_WEIGHT)
            yield f"cpu.weight {MOST_WEIGHT}: the lab goes before other processes of the machine"
        else:
            yield "that of any other session: this kernel has no processor controller at the lab's cgroup"
        return
    home, folder = _here(root), os.path.join(root, lab.cgroup)
    os.makedirs(folder, exist_ok=True)
    _write(os.path.join(folder, "cpu.shares"), MOST_SHARES)
    try:
        for pid in [os.getpid(), *cgroups.members(lab)]:
            with contextlib.suppress(ProcessLookupError):
                _write(os.path.join(folder, "cgroup.procs"), str(pid))
        yield f"cpu.shares {MOST_SHARES}: the lab goes before other processes of the machine"
    finally:
        _write(os.path.join(home, "cgroup.procs"), str(os.getpid()))
