# SPDX-License-Identifier: GPL-2.0-only
"""Label selectors of GET /v2/apps: "k", "k==v", "k!=v", "k in (a,b)", "k notin (a,b)"; comma is AND."""

import re

_TERM = re.compile(r"\s*([A-Za-z0-9_./-]+)\s*(?:(==|!=)\s*([^,\s]+)|(in|notin)\s*\(([^)]*)\))?\s*(,|$)")


def parse(text):
    """A function of labels. Raises ValueError."""
    tests, place = [], 0
    while place < len(text):
        match = _TERM.match(text, place)
        if not match or match.end() == place:
            raise ValueError(f"Parsing error: {text!r} at {place}")
        tests.append(match.groups())
        place = match.end()
    return lambda labels: all(_holds(test, labels) for test in tests)


def _holds(test, labels):
    key, equal, value, member, members, _ = test
    if equal == "==":
        return labels.get(key) == value
    if equal == "!=":
        return labels.get(key) != value
    if member:
        names = [name.strip() for name in members.split(",")]
        return key in labels and (labels[key] in names) == (member == "in")
    return key in labels
