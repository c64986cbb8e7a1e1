# SPDX-License-Identifier: GPL-2.0-only
"""One SVG a scenario, by gnuplot: the median of each peer as a bar, smallest and largest round as its whisker."""
import os
import shutil
import subprocess

from . import stats, tables

_SCRIPT = """\
set terminal svg size 960,{height} font "sans-serif,12" background "#ffffff"
set output "{out}"
set title "{title}"
set xlabel "{unit}"
set style fill solid 0.8
set grid xtics
set offsets 0, 0, 0.6, 0.6
set xrange [0:*]
set yrange [{last}:-1]
set lmargin 42
unset key
set ytics ({ticks})
plot "{data}" using ($2/2):0:($2/2):(0.36):5 with boxxyerror lc rgb variable, \\
     "{data}" using 2:0:3:4 with xerrorbars lc rgb "#222222" pt 0
"""
_COLOURS = {"direct": 0x777777, "sluice": 0x2E7D32, "haproxy-tcp": 0x1565C0, "haproxy-http": 0x5E92D6}
_OTHER = 0xB08040


def draw(run, scenario, out):
    """The file's name, or None where there is nothing to draw or nothing to draw with."""
    name, unit, _ = scenario.metric
    lines, ticks = [], []
    for peer, point in tables.keys(run, scenario):
        values = list(run.values(scenario.name, peer, name, point).values())
        if values:
            low, high = stats.spread(values)
            label = f"{peer} {point}".strip().replace('"', "")
            ticks.append(f'"{label.replace("%", "%%")}" {len(lines)}')  # a label is a format to gnuplot
            colour = _COLOURS.get(run.known[peer].family, _OTHER) if peer in run.known else _OTHER
            lines.append(f'"{label}" {stats.median(values)} {low} {high} {colour}')
    if not lines or not shutil.which("gnuplot"):
        return None
    data, svg = os.path.join(out, f"{scenario.name}.dat"), f"{scenario.name}.svg"
    with open(data, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    script = _SCRIPT.format(height=110 + 26 * len(lines), out=os.path.join(out, svg), title=scenario.title, unit=unit,
                            last=len(lines), ticks=", ".join(ticks), data=data)
    done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
    if done.returncode:
        run.problems.append(f"gnuplot, {scenario.name}: {done.stderr.strip()}")
        return None
    return svg
