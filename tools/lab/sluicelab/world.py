# SPDX-License-Identifier: GPL-2.0-only
"""Bringing a whole lab up, and leaving nothing of it behind."""
import concurrent.futures
import json
import os
import shutil
import signal
import time

from . import cgroups, consul, docker, enter, master, net, processes, slave
from .failure import LabError, cancelled
from .processes import run


def up(lab, options, say):
    """Build the lab. If that fails or is interrupted, whatever was made is removed again before the error goes on."""
    try:
        os.mkdir(lab.work, 0o755)
    except FileExistsError:
        raise LabError(f"lab {lab.name} is up already, or was cut off: {lab.work} exists (lab down removes it)") from None
    try:
        _build(lab, options, say)
    except BaseException:
        cancelled.set()
        if options["keep"]:
            say(f"left as it is for a look: {lab.work}")
        else:
            say("failed, cleaning up")
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            down(lab)
        raise


def _build(lab, options, say):
    started = time.monotonic()
    lab.data = {"name": lab.name, "work": lab.work, "build": lab.build, **options, "processes": {}}
    with open(lab.path("state.json"), "w", encoding="utf-8") as file:
        json.dump(lab.data, file)
    for folder in ("log", "bpf", *lab.hosts):
        os.mkdir(lab.path(folder))
    for host in lab.hosts:
        cgroups.make(lab, host)
    run("mount", "-t", "bpf", "-o", "mode=0755", f"sluice-lab-{lab.name}", lab.bpffs)
    net.build(lab, options["mtu"])
    say(f"network: {', '.join(f'{host} {lab.address(host)}' for host in lab.hosts)}")
    for host in lab.slaves:
        slave.write_config(lab, host, options["events"])
    if options["daemon"]:
        with lab.changed() as data:
            data["consul"] = consul.find(lab)
        if options["containers"] == "docker":
            docker.make_image(lab)
        _parallel([_start_master_consul, *[_start_slave for _ in lab.slaves]], lab, ["master", *lab.slaves])
        say(f"consul and {options['containers'].replace('process', 'no docker')} on {', '.join(lab.slaves)}")
        master.start(lab)
        master.wait(lab)
        say(f"marathon {options['version']} on {master.API}")
    enter.write_scripts(lab)
    _parallel([_start_sluice for _ in lab.slaves], lab, lab.slaves)
    say(f"sluice on {', '.join(lab.slaves)}; lab {lab.name} is up after {time.monotonic() - started:.1f} s")


def _parallel(calls, lab, hosts):
    """Run call(lab, host) side by side; the first failure ends the others' waits and is raised when all have ended."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(call, lab, host) for call, host in zip(calls, hosts)]
        try:
            done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
            failed = [future.exception() for future in done if future.exception()]
            if failed:
                raise failed[0]
        except BaseException:
            cancelled.set()
            raise


def _start_master_consul(lab, host):
    consul.start(lab, host)
    consul.wait(lab, host)
    if lab.data["consul_acl"]:
        consul.write_token(lab)


def _start_slave(lab, host):
    consul.start(lab, host)
    if lab.data["containers"] == "docker":
        docker.start(lab, host)
        docker.wait(lab, host)
        docker.load_image(lab, host)
    consul.wait(lab, host)


def _start_sluice(lab, host):
    slave.attach(lab, host)
    if lab.data["daemon"]:
        slave.start(lab, host)
        slave.wait(lab, host)


def down(lab):
    """Remove the lab, by names and places alone. Doing it twice is fine; whatever cannot be removed is a LabError."""
    problems = []
    for step in (processes.end_all, _unmount, net.remove, cgroups.remove,
                 docker.remove_settings_folder, _remove_work):
        try:
            step(lab)
        except (LabError, OSError) as error:
            problems.append(str(error))
    if problems:
        raise LabError("not everything could be removed:\n" + "\n".join(problems))


def _unmount(lab):
    below = [place for place, _ in cgroups.mounts() if place == lab.work or place.startswith(lab.work + "/")]
    for place in sorted(below, key=len, reverse=True):
        run("umount", place)


def _remove_work(lab):
    if os.path.isdir(lab.work):
        shutil.rmtree(lab.work)
