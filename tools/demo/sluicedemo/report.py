# SPDX-License-Identifier: GPL-2.0-only
"""What the reader sees: steps, quoted commands, tables, claims, and the sums at the end."""
import shutil
import sys
import textwrap
import time


class Report:
    def __init__(self):
        self.started = time.monotonic()
        self.broken = []
        self.held = 0
        self.loads = []  # (what, result of load, excused failures)
        self.colour = sys.stdout.isatty()
        self.width = min(shutil.get_terminal_size((100, 24)).columns, 110)

    def _paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def step(self, title, text):
        seconds = time.monotonic() - self.started
        print(f"\n{self._paint('1', f'== {title}')}  ({seconds:.0f} s)", flush=True)
        if text:
            self.tell(text)

    def tell(self, text):
        print(textwrap.fill(textwrap.dedent(text).strip().replace("\n", " "), self.width), flush=True)

    def quote(self, command, output):
        print(f"\n  {self._paint('36', f'$ {command}')}")
        print(textwrap.indent(output.rstrip(), "  ") + "\n", flush=True)

    def table(self, heads, rows):
        rows = [[str(cell) for cell in row] for row in rows]
        widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
        print()
        for row in [heads, ["-" * width for width in widths], *rows]:
            cells = [cell.rjust(width) if cell[:1].isdigit() else cell.ljust(width) for cell, width in zip(row, widths)]
            print("  " + "  ".join(cells).rstrip())
        print(flush=True)

    def claim(self, holds, text, otherwise=""):
        """One sentence that the reader may rely on. It is printed whether it holds or not, and counted."""
        if holds:
            self.held += 1
            print(f"  {self._paint('32', 'holds ')}  {text}", flush=True)
        else:
            self.broken.append(text)
            print(f"  {self._paint('1;31', 'BROKEN')}  {text}{': ' if otherwise else ''}{otherwise}", flush=True)

    def add_load(self, what, result, excused=False):
        self.loads.append((what, result, excused))

    def summary(self):
        rows = []
        for what, result, excused in self.loads:
            rows.append([what, result["requests"], result["connections"], result["failed"],
                         "killed container's own" if excused and result["failed"] else ""])
        sums = [sum(result[key] for _, result, _ in self.loads) for key in ("requests", "connections", "failed")]
        excused = sum(result["failed"] for _, result, excused in self.loads if excused)
        self.table(["load", "requests", "connections", "failed", ""], [*rows, ["all", *sums, ""]])
        lost = f"; {excused} more were lost with the container that got SIGKILL" if any(row[2] for row in self.loads) else ""
        print(f"  {sums[0]} requests sent, {sums[2] - excused} failed{lost}.")
        print(f"  {self.held} claims hold, {len(self.broken)} are broken; {time.monotonic() - self.started:.0f} s.")
        for text in self.broken:
            print(f"  {self._paint('1;31', 'BROKEN')}  {text}")
        sys.stdout.flush()
