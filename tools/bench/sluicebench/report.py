# SPDX-License-Identifier: GPL-2.0-only
"""Writes report.md, report.json and the plots, and prints the table. What is missing is named, not left out."""
import json
import os
import time

from . import bars, plots, reading, tables


def _facts(run):
    lines = [f"- {name}: {value}" for name, value in run.facts.items() if isinstance(value, str)]
    for name, value in run.facts.items():
        if isinstance(value, dict):
            lines.append(f"- {name}, one second without traffic: the lab used {value['lab']:.1f} % of a core, "
                         f"everything on the machine {value['all']:.1f} %")
    others = [row.metrics["other"] for row in run.rows if row.metrics.get("other") is not None]
    if others:
        lines.append(f"- load of others on this machine during the rows: median {100 * sorted(others)[len(others) // 2]:.0f} % of all "
                     f"cores, at most {100 * max(others):.0f} %")
    return lines


_METHOD = """\
- Rounds are interleaved: each measures every peer once and begins with another one; every second goes backwards.
- A figure is the median of the rounds, beside it the smallest and the largest. Ratios are taken within a round, then the median, in
  brackets the 95 % bootstrap interval (fixed seed).
- A bar is met or missed only if the whole interval lies on one side of it, 0.3 % of the bar away at least; an interval wider than
  +-3 % decides only if the bar lies further away than half its width. Else it is unresolved, and ten rounds at a time are added while
  there is time, of those peers alone that the bar compares.
- `direct-again` is `direct` once more in each round: its ratio to `direct` is the resolution of this run, printed below the bars.
- All of the lab's processes are one group that goes before everything else on the machine. A row beside which others still used more
  than 10 % of all cores (time that the hypervisor took counts), and more than one and a half times as much as beside that peer's other
  rows, is left out, and the tables say so. Where others used more than a quarter of all cores beside most rows no bar is decided.
- No socket stays in TIME_WAIT, on either side nor in containers: a row would meet those of the row before, on the same ports with other timestamps.
- A row with any client-side error, or that achieved less than 99 % of the offered rate, does not count and is shown.
- CPU is that of all cores: what the lab's cgroups and the kernel's softirq threads used, generator and servers included, so the row
  `direct` is what there is to subtract. report.json has the same from /proc/stat (`cpu_all`), where other load of the machine is in it.
- Where a family has several variants (modes, threads, algorithms), a bar takes each family's best one."""


def document(run, judged, svgs):
    out = [f"# Sluice beside HAProxy and the other ways to do its job\n\n{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, "
           f"{(time.monotonic() - run.started_at) / 60:.0f} minutes, {max(run.rounds_done.values(), default=0)} rounds at most.\n"]
    out.append("## Bars\n\n" + (tables.markdown(tables.bar_lines(judged)) if judged else "None: this run has no rows for them.") + "\n")
    again = bars.against_itself(run)
    if again:
        out.append(tables.markdown(tables.again_lines(again)) + "\n")
    out.append("## Reading the report\n\n" + reading.page(run, judged) + "\n")
    for scenario in run.scenarios:
        if run.rounds_done.get(scenario.name) or any(row.scenario == scenario.name for row in run.rows):
            out.append(f"## {scenario.title}\n\n{scenario.text}\n")
            if svgs.get(scenario.name):
                out.append(f"![{scenario.title}]({svgs[scenario.name]})\n")
            out.append(tables.markdown(tables.table(run, scenario)) + "\n")
    out.append("## Method\n\n" + _METHOD + "\n")
    out.append("## Machine\n\n" + "\n".join(_facts(run)) + "\n")
    out.append("## Versions\n\n" + "\n".join(f"- {name}: {version}" for name, version in run.versions.items() if version) + "\n")
    if run.problems:
        out.append("## What went wrong\n\n" + "\n".join(f"- {text}" for text in run.problems) + "\n")
    out.append("## Configurations\n")
    out += [f"### {name}\n\n```\n{shorten(text)}\n```\n" for name, text in run.configs.items()]
    return "\n".join(out)


def shorten(text, most=80):
    lines = text.rstrip().splitlines()
    return "\n".join(lines if len(lines) <= most else [*lines[:most], f"... {len(lines) - most} more lines"])


def write(run, out, say):
    os.makedirs(out, exist_ok=True)
    judged = bars.judge(run)
    svgs = {scenario.name: plots.draw(run, scenario, out) for scenario in run.scenarios}
    with open(os.path.join(out, "report.json"), "w", encoding="utf-8") as file:
        json.dump({"facts": run.facts, "versions": run.versions, "rounds": run.rounds_done, "problems": run.problems,
                   "bars": [found.as_dict() for found in judged],
                   "against_itself": [{"what": what, "difference": apart, "values": values} for what, apart, values in bars.against_itself(run)], "rows": [row.as_dict() for row in run.rows],
                   "configurations": run.configs}, file, indent=1)
        file.write("\n")
    with open(os.path.join(out, "report.md"), "w", encoding="utf-8") as file:
        file.write(document(run, judged, svgs))
    for scenario in run.scenarios:
        if any(row.scenario == scenario.name for row in run.rows):
            print(f"\n{scenario.title}\n{tables.plain(tables.table(run, scenario))}")
    if judged:
        print(f"\nBars\n{tables.plain(tables.bar_lines(judged), 76)}")
    again = bars.against_itself(run)
    if again:
        print(f"\n{tables.plain(tables.again_lines(again))}")
    say(f"report: {os.path.join(out, 'report.md')}")
