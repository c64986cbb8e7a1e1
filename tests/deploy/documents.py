#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compares deploy/OPERATING.md, the alert rules and the dashboard with the source: every metric, reason and log event is in the document,
and no metric is named anywhere that sluiced does not export. With --metrics FILE, a real /metrics page is judged too. Exit 1 and a line
for each difference."""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def text_of(path):
    return (ROOT / path).read_text()


def exported():
    """Names in metrics.c; "sluice_backend_%s" stands for each of its list of counters."""
    source = "".join(p.read_text() for p in sorted((ROOT / "userspace/sluiced").glob("metrics*.c")))
    names = set(re.findall(r'"(sluice_[a-z_]+[a-z])[ "{\\]', source))
    suffixes = re.findall(r'\{ "([a-z_]+_total)",', source)
    for stem in re.findall(r'"(sluice_[a-z]+_)%s"', source):
        names |= {stem + suffix for suffix in suffixes}
    return names


def reasons():
    return set(re.findall(r"^\tX\([A-Z0-9_]+, ([a-z0-9_]+),", text_of("include/sluice/reasons.h"), re.M))


def events():
    names = set()
    for path in (ROOT / "userspace").rglob("*.c"):
        names |= set(re.findall(r'log_event\(\s*[^";]+?,\s*"([a-z0-9-]+)"', path.read_text()))
    return names


def named(text):
    return set(re.findall(r"\bsluice_[a-z_]+[a-z]\b", text))


def queries(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def differences(page):
    document, metrics = text_of("deploy/OPERATING.md"), exported()
    rules = text_of("deploy/prometheus/sluice.rules.yml")
    dashboard = json.loads(text_of("deploy/grafana/sluice.json"))
    if min(len(metrics), len(reasons()), len(events())) < 15:
        yield "the source could not be read: too few metrics, reasons or events are found"
    for name in sorted(metrics - named(document)):
        yield f"OPERATING.md does not name the metric {name}"
    for where, text in (("OPERATING.md", document), ("the rules", rules), ("the dashboard", " ".join(queries(dashboard)))):
        for name in sorted(named(text) - metrics):
            yield f"{where} names {name}, which sluiced does not export"
    for name in sorted(metrics - named(" ".join(queries(dashboard))) - {n for n in metrics if "_picks_" in n or "_backend_" in n}):
        yield f"the dashboard does not show {name}"
    for name in sorted(reasons()):
        if f"`{name}`" not in document:
            yield f"OPERATING.md does not name the reason {name}"
    for name in sorted(set(re.findall(r'reason=~"([^"]+)"', rules + " ".join(queries(dashboard))))):
        for part in name.split("|"):
            if not any(re.fullmatch(part, reason) for reason in reasons()):
                yield f"no reason matches {part}"
    for name in sorted(events()):
        if f"`{name}`" not in document:
            yield f"OPERATING.md does not name the log event {name}"
    for name in re.findall(r"alert: (\w+)", rules):
        if f"`{name}`" not in document:
            yield f"OPERATING.md does not say what to do about {name}"
    if page is not None:
        helps = set(re.findall(r"^# HELP (sluice_\w+)", page, re.M))
        for name in sorted(helps ^ metrics):
            yield f"{name} is in only one of /metrics and the source"


def main():
    page = pathlib.Path(sys.argv[2]).read_text() if sys.argv[1:2] == ["--metrics"] else None
    found = list(differences(page))
    print("\n".join(found) or "no difference")
    sys.exit(bool(found))


main()
