# SPDX-License-Identifier: GPL-2.0-only
"""The command line. Exit 0 done, 1 failed, 2 usage, 130 interrupted."""
import argparse
import os
import time

from sluicelab import command
from sluicelab.failure import LabError

from . import compare, floors, report, target
from .host import need
from .run import Options, Run, need_root

QUICK_LIMIT_S, WHOLE_LIMIT_S = 170, 1470


def say(text):
    print(f"bench: {time.strftime('%H:%M:%S')} {text.rstrip()}", flush=True)


def words(text):
    return (text or "").replace(",", " ").split()


def options_of(args):
    rounds = args.rounds or ("3" if args.quick else "5")
    if not rounds.isdigit():
        raise LabError(f"ROUNDS: not a number: {rounds!r}")
    rounds = int(rounds)
    if not 1 <= rounds <= 50:
        raise LabError(f"ROUNDS: not from 1 to 50: {rounds}")
    return Options(rounds=rounds, chosen=words(args.scenarios), peers_wanted=words(args.peers), quick=args.quick,
                   limit_s=args.limit or (QUICK_LIMIT_S if args.quick else WHOLE_LIMIT_S), seconds=args.seconds, more=not args.rounds)


def cmd_run(args):
    if args.target not in ("", "lab", "host"):
        raise LabError(f"TARGET: neither lab nor host: {args.target!r}")
    need("wrk", "taskset")
    if args.target == "host":
        run = target.TargetRun(options_of(args), say, args.cpu_command)
    else:
        need_root()
        need("nginx", "haproxy", "nft", "iptables-nft-restore", "ethtool")
        run = Run(options_of(args), say)
    try:
        run.all()
    finally:
        if run.rows:
            report.write(run, args.out, say)
    return 0


def cmd_check(args):
    need_root()
    need("wrk", "nginx", "taskset")
    known = floors.read(args.floors)
    run = Run(Options(rounds=3, quick=True, limit_s=QUICK_LIMIT_S), say)
    try:
        run.all()
    finally:
        if run.rows:
            report.write(run, args.out, say)
    return floors.say_and_judge(run, known)


def cmd_compare(args):
    return compare.say_and_judge(args.one, args.other)


def _parser():
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    sub = verbs.add_parser("run", help="measure and write the report", allow_abbrev=False)
    sub.set_defaults(function=cmd_run)
    sub.add_argument("--rounds", default="", help="exactly so many; default: 5, and more where a bar is unresolved")
    sub.add_argument("--scenarios", default="")
    sub.add_argument("--peers", default="")
    sub.add_argument("--quick", action="store_true")
    sub.add_argument("--seconds", type=int, default=1, help="of each of wrk's rows; the open loop's are twice as long")
    sub.add_argument("--limit", type=int, default=0, help="seconds for the whole run")
    sub.add_argument("--target", default="", help="lab (default) or host: measure addresses that PEERS gives, NAME=ADDRESS:PORT")
    sub.add_argument("--cpu-command", default=os.environ.get("CPU_COMMAND", ""),
                     help="with host: prints the target's /proc/stat, as in `ssh HOST cat /proc/stat`")
    sub.add_argument("--out", default=os.path.join("build", "bench"))
    sub = verbs.add_parser("check", help="the quick set against the floors", allow_abbrev=False)
    sub.set_defaults(function=cmd_check)
    sub.add_argument("--floors", default=floors.FILE)
    sub.add_argument("--out", default=os.path.join("build", "bench", "check"))
    sub = verbs.add_parser("compare", help="two runs' report.json: fails if one calls a bar met that the other calls missed",
                           allow_abbrev=False)
    sub.set_defaults(function=cmd_compare)
    sub.add_argument("one")
    sub.add_argument("other")
    return parser


def main(argv):
    args = _parser().parse_args(argv)
    return command.run("bench", args.function, args)
