# SPDX-License-Identifier: GPL-2.0-only
"""Rows of a run as tables of text: medians with spread, and ratios to direct and to HAProxy in the same round."""
from . import bars, stats


def number(value, digits=0):
    if value is None:
        return "-"
    return f"{value:,.{digits}f}".replace(",", " ") if digits == 0 else f"{value:.{digits}f}"


def keys(run, scenario):
    """(peer, point) in the order in which they came first."""
    found = []
    for row in run.rows:
        if row.scenario == scenario.name and (row.peer, row.point) not in found:
            found.append((row.peer, row.point))
    order = list(run.known)
    points = [point for _, point in found]
    return sorted(found, key=lambda key: (points.index(key[1]), order.index(key[0]) if key[0] in order else 99))


def ratio_text(values, digits=3):
    if not values:
        return "-"
    low, high = stats.interval(values)
    return f"{stats.median(values):.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def haproxy(run, scenario, point):
    """HAProxy's best variant there, of either mode."""
    name, _, _ = scenario.metric
    found = {}
    for family in ("haproxy-tcp", "haproxy-http"):
        peer = bars.best(run, family, scenario.name, name, point, scenario.higher_is_better)
        if peer:
            found[peer] = stats.median(run.values(scenario.name, peer, name, point).values())
    if not found:
        return None
    return (max if scenario.higher_is_better else min)(found, key=found.get)


def problems(run, scenario, peer, point):
    """What was wrong with rows that do not count, each kind once."""
    mine = [row for row in run.rows if row.scenario == scenario.name and row.peer == peer and row.point == point]
    bad = [row for row in mine if row.problem]
    kinds = sorted({row.problem.splitlines()[0][:110] for row in bad})
    said = [f"**{len(bad)} rows do not count**: {'; '.join(kinds[:3])}"] if bad else []
    lost = {}
    for row in mine:
        for kind, count in row.failed.items() if not row.problem else ():
            lost[kind] = lost.get(kind, 0) + count
    if lost:
        said.append(f"failed in all rounds: {', '.join(f'{count} {kind}' for kind, count in lost.items())}")
    loud = sum(1 for row in mine if not row.problem and run.loud(row))
    return "; ".join([*said, f"{loud} left out, too much beside them"] if loud else said)


def table(run, scenario):
    """A list of lists; the first one is the head."""
    name, unit, digits = scenario.metric
    pointed = any(point for _, point in keys(run, scenario))
    head = ["peer", *(["at"] if pointed else []), f"{unit}: median", "spread"]
    head += [text for _, text, _ in scenario.more] + ["to direct", "to HAProxy's best", "rounds", ""]
    lines = [head]
    for peer, point in keys(run, scenario):
        mine = run.values(scenario.name, peer, name, point)
        line = [peer, *([point] if pointed else [])]
        if mine:
            low, high = stats.spread(list(mine.values()))
            line += [number(stats.median(mine.values()), digits), f"{number(low, digits)} - {number(high, digits)}"]
        else:
            line += ["-", "-"]
        for more, _, more_digits in scenario.more:
            values = run.values(scenario.name, peer, more, point)
            line.append(number(stats.median(values.values()), more_digits) if values else "-")
        other = haproxy(run, scenario, point)
        line.append(ratio_text(stats.paired(mine, run.values(scenario.name, "direct", name, point))) if peer != "direct" else "1")
        line.append(ratio_text(stats.paired(mine, run.values(scenario.name, other, name, point)))
                    if other and peer != other else "1" if other else "-")
        line += [str(len(mine)), problems(run, scenario, peer, point)]
        lines.append(line)
    return lines


def bar_lines(judged):
    lines = [["bar", "limit", "median", "95 % interval", "rounds", "compared", "verdict"]]
    for found in judged:
        interval = "-" if found.low is None else f"{found.low:.3f} - {found.high:.3f}"
        verdict = found.verdict + (f" (resolution {found.resolution_us:.2f} us)" if found.resolution_us is not None else "")
        lines.append([found.text, f"{found.bar.sense} {found.bar.limit:g}", "-" if found.median is None else f"{found.median:.3f}",
                      interval, str(len(found.values)), f"{found.top} / {found.bottom}", verdict])
    return lines


def again_lines(found):
    """What bars.against_itself() found."""
    lines = [["direct against itself", "median", "95 % interval", "rounds"]]
    for what, apart, values in found:
        low, high = stats.interval(values)
        sign = "+" if apart else ""
        lines.append([what, f"{stats.median(values):{sign}.3f}", f"{low:{sign}.3f} - {high:{sign}.3f}", str(len(values))])
    return lines


def markdown(lines):
    out = ["| " + " | ".join(lines[0]) + " |", "|" + "---|" * len(lines[0])]
    out += ["| " + " | ".join(line) + " |" for line in lines[1:]]
    return "\n".join(out)


def plain(lines, width=48):
    cut = [[cell if len(cell) <= width else cell[:width - 2] + ".." for cell in line] for line in lines]
    widths = [max(len(line[column]) for line in cut) for column in range(len(cut[0]))]
    return "\n".join("  ".join(cell.ljust(size) for cell, size in zip(line, widths)).rstrip() for line in cut)
