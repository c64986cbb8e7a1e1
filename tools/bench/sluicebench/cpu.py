# SPDX-License-Identifier: GPL-2.0-only
"""CPU time of a row, on all cores, in microseconds.

Two accounts. `lab`: what the lab's cgroups and the kernel's softirq threads have used, to the nanosecond, whoever else is on the
machine; on veth a balancer's packet work is done in the sender's context and so is in it. `all`: every core's time that was not
idle, from /proc/stat in ticks; other load on a shared machine is in it. `steal` is what the hypervisor gave to other machines. Where the kernel keeps interrupt time apart from tasks
(CONFIG_IRQ_TIME_ACCOUNTING) that time is added to `lab`, for it is in no cgroup.
"""
import contextlib
import glob
import gzip
import os

_TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


def irq_time_is_apart():
    texts = ["/proc/config.gz", f"/boot/config-{os.uname().release}"]
    for path in texts:
        with contextlib.suppress(OSError):
            opener = gzip.open if path.endswith(".gz") else open
            with opener(path, "rt", encoding="ascii", errors="replace") as file:
                return "CONFIG_IRQ_TIME_ACCOUNTING=y" in file.read()
    return False


def parse_stat(line):
    """(not idle, interrupts, stolen) in microseconds, of the first line of /proc/stat."""
    user, nice, system, _idle, _wait, irq, softirq, steal, *_ = (int(word) for word in line.split()[1:])
    return (user + nice + system + irq + softirq) * _TICK_US, (irq + softirq) * _TICK_US, steal * _TICK_US


def _stat():
    with open("/proc/stat", encoding="ascii") as file:
        return parse_stat(file.readline())


def _softirq_threads():
    found = []
    for path in glob.glob("/proc/[0-9]*/comm"):
        with contextlib.suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
            if file.read().startswith("ksoftirqd/"):
                found.append(os.path.dirname(path) + "/schedstat")
    return found


class Meter:
    def __init__(self, cgroup):
        self.usage = os.path.join(cgroup, "cpu.stat")
        self.threads = _softirq_threads()
        self.irq = irq_time_is_apart()

    def read(self):
        with open(self.usage, encoding="ascii") as file:
            lab = float(file.readline().split()[1])
        for path in self.threads:
            with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
                lab += int(file.read().split()[0]) / 1000
        busy, irq, steal = _stat()
        return {"lab": lab + (irq if self.irq else 0), "all": busy, "steal": steal}

    @staticmethod
    def since(before, after):
        return {key: after[key] - before[key] for key in before}
