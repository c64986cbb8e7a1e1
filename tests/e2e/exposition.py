#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judges Prometheus' text format on stdin: each family has HELP and TYPE before its samples and stays together, counters and only they
end in _total, no series comes twice, labels and values can be parsed, units are base units. Exit 1 and a line for each offence."""
import re
import sys

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL})(?:,{_LABEL})*),?\}})? (\S+)(?: -?\d+)?")
_OTHER_UNITS = ("_ms", "_milliseconds", "_us", "_microseconds", "_ns", "_minutes", "_hours", "_kilobytes", "_percent")


def offences(text):
    if not text.endswith("\n"):
        yield "the last line has no end"
    helps, kinds, series, families, current = set(), {}, set(), set(), None
    for line in text.splitlines():
        comment = re.fullmatch(rf"# (HELP|TYPE) ({_NAME}) (.+)", line)
        if comment:
            what, name, rest = comment.groups()
            known = helps if what == "HELP" else kinds
            if name in known or name in families:
                yield f"{what} of {name} comes twice or after samples"
            helps.add(name) if what == "HELP" else kinds.update({name: rest})
            continue
        sample = _SAMPLE.fullmatch(line)
        if not sample:
            yield f"cannot be parsed: {line!r}"
            continue
        name, labels, value = sample.groups()
        if name != current and name in families:
            yield f"{name}: its samples are not together"
        current = name
        families.add(name)
        if name not in helps or name not in kinds:
            yield f"{name}: a sample without HELP and TYPE before it"
        if (kinds.get(name) == "counter") != name.endswith("_total"):
            yield f"{name} is a {kinds.get(name)}"
        if name.removesuffix("_total").endswith(_OTHER_UNITS):
            yield f"{name}: not a base unit"
        key = (name, tuple(sorted(re.findall(_LABEL, labels or ""))))
        if key in series:
            yield f"comes twice: {line}"
        series.add(key)
        try:
            float(value)
        except ValueError:
            yield f"no number: {line!r}"
    if not series:
        yield "there is no sample"


def main():
    found = list(dict.fromkeys(offences(sys.stdin.read())))
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
