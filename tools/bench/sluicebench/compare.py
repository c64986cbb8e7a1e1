# SPDX-License-Identifier: GPL-2.0-only
"""Two runs on one machine must never contradict each other: what one calls met the other may not call missed."""
import json

from . import stats, tables
from .host import BenchError


def read(path):
    """bar's name -> what report.json says of it."""
    try:
        with open(path, encoding="utf-8") as file:
            return {bar["name"]: bar for bar in json.load(file)["bars"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path}: not a report.json: {error}") from None


def judge(one, other):
    """[(bar's name, its text, both verdicts, word)]: contradiction, agree, or undecided where one of them could not tell."""
    found = []
    for name, first in one.items():
        if name not in other:
            continue
        verdicts = first["verdict"], other[name]["verdict"]
        word = "undecided" if stats.UNRESOLVED in verdicts else "agree" if verdicts[0] == verdicts[1] else "contradiction"
        found.append((name, first["text"], verdicts, word))
    return found


def _figure(bar):
    if bar["median"] is None:
        return "-"
    return f"{bar['median']:.3f} [{bar['low']:.3f}, {bar['high']:.3f}] {bar['verdict']}"


def say_and_judge(path, other_path):
    """Exit status: 0 if no bar is contradicted, 1 if one is, or if there is nothing to compare."""
    one, other = read(path), read(other_path)
    judged = judge(one, other)
    if not judged:
        raise BenchError(f"{path} and {other_path} have no bar in common")
    print(tables.plain([["bar", path, other_path, ""],
                        *([text, _figure(one[name]), _figure(other[name]), word] for name, text, _, word in judged)], 90))
    count = sum(word == "contradiction" for _, _, _, word in judged)
    print(f"bench-compare: {count} contradictions in {len(judged)} bars, {sum(word == 'agree' for *_, word in judged)} agree")
    return 1 if count else 0
