# SPDX-License-Identifier: GPL-2.0-only
"""Processes: starting one on a host, knowing it again later by pid and start time, and ending all that is a lab's own.

A process is a lab's own if it is in one of the lab's network namespaces or cgroups. Nothing is ever ended by name.
"""
import contextlib
import os
import signal
import subprocess
import time

from . import cgroups
from .failure import LabError

_INTO_CGROUP = 'echo 0 > "$1/cgroup.procs" && shift && exec "$@"'
_WRAPPER_LEN = 8  # what on_host() puts before a command


def run(*argv, check=True, **kwargs):
    """Run to the end. A failure is a LabError with what the program said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=kwargs.pop("stdin", subprocess.DEVNULL),
                          **kwargs)
    if check and done.returncode:
        shown = argv[_WRAPPER_LEN:] if argv[0] == "nsenter" else argv
        raise LabError(f"{' '.join(shown)}: exit {done.returncode}\n{(done.stderr or done.stdout).strip()}")
    return done


def on_host(lab, host, *argv):
    """The command line that runs argv in the host's network namespace and cgroup."""
    return ["nsenter", f"--net={lab.netns_path(host)}", "--", "sh", "-c", _INTO_CGROUP, "sh",
            cgroups.host_folder(lab, host), *argv]


def start_time(pid):
    """When the process was started, in the kernel's ticks; None if there is none or it is only waiting to be reaped."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def spawn(lab, host, process, argv, env=None):
    """Start argv on the host under the name process, its output into the log. Returns the pid."""
    with open(lab.log(host, process), "ab") as log:
        child = subprocess.Popen(on_host(lab, host, *argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 start_new_session=True, env=env)
    started = start_time(child.pid)
    with lab.changed() as data:
        data.setdefault("processes", {}).setdefault(host, {})[process] = {"pid": child.pid, "start": started}
    _children[child.pid] = child
    return child.pid


_children = {}


def pid_of(lab, host, process):
    """The pid if that process of the host is alive, else None."""
    entry = lab.data.get("processes", {}).get(host, {}).get(process)
    if not entry:
        return None
    child = _children.get(entry["pid"])
    if child:
        child.poll()
    return entry["pid"] if entry["start"] is not None and start_time(entry["pid"]) == entry["start"] else None


def pids_of(lab, host):
    """name -> pid of what is alive on the host."""
    found = {name: pid_of(lab, host, name) for name in lab.data.get("processes", {}).get(host, {})}
    return {name: pid for name, pid in found.items() if pid}


def stop(lab, host, process, number, seconds=20):
    """Send the signal to that process and return when it is gone."""
    pid = pid_of(lab, host, process)
    if not pid:
        raise LabError(f"{process} does not run on {host}")
    os.kill(pid, number)
    deadline = time.monotonic() + seconds
    while pid_of(lab, host, process):
        if time.monotonic() > deadline:
            raise LabError(f"{process} on {host} (pid {pid}) is still there {seconds} s after signal {number}")
        time.sleep(0.02)


def _all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _in_namespaces(lab):
    wanted = set()
    for host in lab.netns_hosts():
        with contextlib.suppress(OSError):
            info = os.stat(lab.netns_path(host))
            wanted.add((info.st_dev, info.st_ino))
    found = set()
    for pid in _all_pids() if wanted else []:
        with contextlib.suppress(OSError):
            info = os.stat(f"/proc/{pid}/ns/net")
            if (info.st_dev, info.st_ino) in wanted and start_time(pid) is not None:
                found.add(pid)
    return found


def own(lab):
    """The pids of all live processes of the lab, without this one."""
    found = _in_namespaces(lab)
    found |= {pid for pid in cgroups.members(lab) if start_time(pid) is not None}
    return found - {os.getpid()}


def end_all(lab, seconds=20):
    """SIGKILL for everything that is the lab's own, again and again, for a dying parent may just have made a child."""
    deadline = time.monotonic() + seconds
    while True:
        for child in _children.values():
            child.poll()
        left = own(lab)
        if not left:
            return
        if time.monotonic() > deadline:
            raise LabError(f"these processes do not end: {sorted(left)}")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
