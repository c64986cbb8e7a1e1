# SPDX-License-Identifier: GPL-2.0-only
"""The command line: one function a verb. Exit 0 done, 1 failed, 2 usage.

A verb imports what it needs itself: tests run `lab exec` hundreds of times, and HTTP alone takes longer to load than it does.
"""
import argparse
import json
import os
import signal
import sys

from . import command, enter, processes
from .failure import LabError
from .state import Lab

_EPILOG = """\
LAB=NAME picks a lab (default sluice); several can be up at once. Its things lie in $LAB_DIR, default
$TMPDIR/sluice-lab-NAME: logs in log/, each slave's configuration in SLAVE/sluice.conf."""


def say(text):
    print(f"lab: {text}", flush=True)


def cmd_up(args):
    from . import consul, world
    events = args.events or "sse"
    if events == "callback" and args.version != "1.4":
        raise LabError("--events callback needs --version 1.4: later ones have no event subscriptions")
    if not 1 <= args.slaves <= 200:
        raise LabError(f"--slaves: not from 1 to 200: {args.slaves}")
    if args.mtu and not 576 <= args.mtu <= 1500:
        raise LabError(f"--mtu: not from 576 to 1500: {args.mtu}")
    options = {"slaves": args.slaves, "containers": args.containers, "mtu": args.mtu, "version": args.version,
               "events": events, "features": "" if args.features == "none" else args.features, "daemon": not args.no_daemon, "consul_acl": consul.new_manager() if args.consul_acl else None, "keep": args.keep}
    world.up(Lab(), options, say if not args.quiet else lambda text: None)


def cmd_down(_args):
    from . import world
    world.down(Lab())


def cmd_exec(args):
    lab = Lab().load()
    lab.check_host(args.host)
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise LabError("exec: no command")
    environment = os.environ | enter.variables(lab, args.host)
    environment["PATH"] = ":".join([*enter.folders(lab), os.environ.get("PATH", "")])
    sys.stdout.flush()
    os.execvpe("nsenter", processes.on_host(lab, args.host, *command), environment)


def cmd_config(args):
    from . import inifile, slave
    lab = Lab().load()
    lab.check_host(args.host, only_slaves=True)
    changes = []
    for text in args.setting:
        name, equals, value = text.partition("=")
        if not equals:
            raise LabError(f"config: not section.key=value: {text!r}")
        changes.append((*inifile.split_name(name), value))
    removals = [name.replace(".", " ", 1) for name in args.remove]
    if not changes and not removals:
        print(slave.read_config(lab, args.host), end="")
        return
    slave.configure(lab, args.host, changes, removals)


def cmd_scale(args):
    from . import scale
    options = {"on_term": args.on_term or "lameduck:1000", "health": args.health or "http", "network": args.network or "bridge",
               "arg": args.arg, "json": args.json,
               "given": bool(args.on_term or args.health or args.network or args.arg or args.json)}
    scale.scale(Lab().load(), args.app, args.count, options, wait=not args.no_wait)


def cmd_kill(args):
    """Either a task, or a host and one of its processes."""
    from . import master
    lab = Lab().load()
    if args.process:
        _signal(lab, args.task, args.process, signal.SIGKILL)
    elif args.marathon:
        master.kill(lab, args.task)
    else:
        master.kill(lab, args.task, args.signal.removeprefix("SIG"))


def _signal(lab, host, process, number):
    lab.check_host(host)
    processes.stop(lab, host, process, number, seconds=60)


def cmd_stop(args):
    _signal(Lab().load(), args.host, args.process, signal.SIGTERM)


def cmd_start(args):
    from . import consul, docker, master, slave
    lab = Lab().load()
    lab.check_host(args.host)
    if processes.pid_of(lab, args.host, args.process):
        raise LabError(f"{args.process} runs on {args.host} already")
    if args.process not in lab.data["processes"].get(args.host, {}):
        raise LabError(f"{args.host} has no {args.process}")
    if args.process == "marathon":
        master.start(lab)
        master.wait(lab)
        return
    module = {"sluiced": slave, "consul": consul, "dockerd": docker}[args.process]
    module.start(lab, args.host)
    module.wait(lab, args.host)


def cmd_marathon(args):
    from . import master
    lab = Lab().load()
    settings, rest = {}, list(args.setting)
    if args.mode == "error":
        if len(rest) != 1 or not rest[0].isdigit():
            raise LabError("marathon error: wants one HTTP status")
        settings["status"] = int(rest.pop())
    for text in rest:
        name, equals, value = text.partition("=")
        if not equals:
            raise LabError(f"marathon: not name=value: {text!r}")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    master.misbehave(lab, args.mode, settings)


def cmd_status(args):
    from . import master
    lab = Lab().load()
    hosts = [{"name": host, "address": lab.address(host), "address6": lab.address6(host),
              "config": lab.config(host) if host in lab.slaves else None, "pids": processes.pids_of(lab, host)} for host in lab.hosts]
    tasks = []
    if processes.pid_of(lab, "master", "marathon"):
        tasks = [{"id": task["id"], "app": task["app"], "host": task["agent"], "port": task["port"],
                  "container": task["container"], "pid": task["pid"], "state": task["state"]} for task in master.tasks(lab)]
    if args.json:
        json.dump({"name": lab.name, "work": lab.work, "hosts": hosts, "tasks": tasks}, sys.stdout, indent=1)
        print()
        return
    for host in hosts:
        alive = ", ".join(f"{name} {pid}" for name, pid in sorted(host["pids"].items()))
        print(f"{host['name']:10} {host['address']:13} {alive or '-'}")
    for task in sorted(tasks, key=lambda task: (task["app"], task["host"], task["port"])):
        where = f"{task['host']}:{task['port']}"
        print(f"{task['app']:10} {where:13} {task['state']:13} pid {task['pid']} {task['id']}")


def _parser():
    parser = argparse.ArgumentParser(prog="lab", description="A small data centre in network namespaces.", epilog=_EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name, function, text):
        sub = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(function=function)
        return sub

    sub = verb("up", cmd_up, "bring the lab up")
    sub.add_argument("--slaves", type=int, default=1, metavar="N")
    sub.add_argument("--containers", choices=("docker", "process"), default="docker")
    sub.add_argument("--mtu", type=int, metavar="N", help="put a router with this MTU between the ELB and the rest")
    sub.add_argument("--version", choices=("1.4", "1.8"), default="1.8", help="of Marathon")
    sub.add_argument("--events", choices=("sse", "callback"), help="how sluiced hears of changes (default sse)")
    sub.add_argument("--features", metavar="NAMES", default="task_killing",
                     help="of Marathon (default task_killing: it says that a task will end before it gets SIGTERM), or none")
    sub.add_argument("--consul-acl", action="store_true", help="with access control: nothing goes without a token")
    sub.add_argument("--no-daemon", action="store_true", help="network and attached programs only")
    sub.add_argument("--keep", action="store_true", help="after a failure leave everything for a look")
    sub.add_argument("--quiet", action="store_true")
    verb("down", cmd_down, "remove the lab, whatever state it is in")
    sub = verb("exec", cmd_exec, "run a command on a host")
    sub.add_argument("host")
    sub.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    sub = verb("config", cmd_config, "change a slave's sluice.conf and apply it; without settings print it")
    sub.add_argument("host")
    sub.add_argument("setting", nargs="*", metavar="SECTION.KEY=VALUE")
    sub.add_argument("--remove", action="append", default=[], metavar="SECTION", help="as service.web")
    sub = verb("scale", cmd_scale, "run so many copies of an app, and wait until all are balanced")
    sub.add_argument("app")
    sub.add_argument("count", type=int)
    sub.add_argument("--on-term", metavar="lameduck:MS|close")
    sub.add_argument("--health", choices=("http", "tcp", "none"))
    sub.add_argument("--network", choices=("bridge", "host"), help="of its containers")
    sub.add_argument("--arg", action="append", default=[], metavar="ARG", help="one more argument for the app")
    sub.add_argument("--json", metavar="FILE", help="the app's whole definition")
    sub.add_argument("--no-wait", action="store_true")
    sub = verb("kill", cmd_kill, "end a task as an accident would (or by Marathon), or a host's process with SIGKILL")
    sub.add_argument("task", metavar="TASK|HOST", help="part of a task's id, SLAVE:PORT, or a host")
    sub.add_argument("process", nargs="?")
    sub.add_argument("--signal", default="KILL", metavar="S")
    sub.add_argument("--marathon", action="store_true", help="ask Marathon to kill it")
    for name, function, text in (("stop", cmd_stop, "end a host's process with SIGTERM"),
                                 ("start", cmd_start, "start a host's process again")):
        sub = verb(name, function, text)
        sub.add_argument("host")
        sub.add_argument("process", choices=("sluiced", "consul", "dockerd", "marathon"))
    sub = verb("marathon", cmd_marathon, "make Marathon misbehave: silent, error N, empty, half, noleader, ..., normal")
    sub.add_argument("mode")
    sub.add_argument("setting", nargs="*", metavar="NAME=VALUE")
    sub = verb("status", cmd_status, "what runs where")
    sub.add_argument("--json", action="store_true")
    return parser


def main(argv):
    args = _parser().parse_args(argv)
    if os.geteuid() != 0:
        print("lab: must be root", file=sys.stderr)
        return 1
    return command.run("lab", args.function, args)
