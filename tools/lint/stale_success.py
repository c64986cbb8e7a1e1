#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Finds stale successes in C: a `goto out` that leaves while the result still says 0.

The pattern is `err = a(); if (err) goto out; p = b(); if (!p) goto out;`: the second goto reports success for a
failure. A goto to a label whose function then returns a variable is right when

  - the condition it hangs on mentions that variable, or
  - the variable is assigned in the goto's own block, or
  - the last assignment before it is a constant that is not 0 (failure as the default).

It reads text, not a syntax tree, and knows only code in the house style. `--self-test` runs it on its own cases.
"""
import re
import sys

TOKEN = re.compile(r"""/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""", re.S)
FUNCTION = re.compile(r"^(?:static\s+|const\s+|inline\s+)*(?:int|long|ssize_t|__s64)\s+(\w+)\([^;{]*\)\s*\n\{\n(.*?)^\}", re.S | re.M)
CONSTANT = re.compile(r"^\(*-?\s*(?:E[A-Z0-9]+|errno|[1-9]\d*|EXIT_FAILURE)\b")

CASES = [
    ("stale", True, "int f(void)\n{\n\tint err;\n\n\terr = a();\n\tif (err)\n\t\tgoto out;\n\tp = b();\n"
                    "\tif (!p)\n\t\tgoto out;\nout:\n\treturn err;\n}\n"),
    ("stale in a block", True, "int f(void)\n{\n\tint err = 0;\n\n\tif (!b()) {\n\t\tlog();\n\t\tgoto out;\n\t}\n"
                               "out:\n\treturn err;\n}\n"),
    ("own block", False, "int f(void)\n{\n\tint err = 0;\n\n\tif (!b()) {\n\t\terr = -ENOMEM;\n\t\tgoto out;\n\t}\n"
                         "out:\n\treturn err;\n}\n"),
    ("condition", False, "int f(void)\n{\n\tint err;\n\n\terr = a();\n\tif (err)\n\t\tgoto out;\n\tb();\n"
                         "out:\n\treturn err;\n}\n"),
    ("failure by default", False, "int f(void)\n{\n\tint err = -1;\n\n\tif (!b())\n\t\tgoto out;\n\terr = 0;\n"
                                  "out:\n\treturn err;\n}\n"),
    ("assigned in the condition", False, "int f(void)\n{\n\tint n;\n\n\tif ((n = a()) < 0)\n\t\tgoto out;\n"
                                         "out:\n\treturn n;\n}\n"),
]


def blank(match):
    """Comments and strings become blanks, so that positions and lines stay."""
    return re.sub(r"[^\n]", " ", match.group(0))


def condition_before(body, position):
    """The `if (...)` that the statement or block at position hangs on: (start, text), or None."""
    head = body[:position].rstrip()
    if head.endswith("{"):
        head = head[:-1].rstrip()
    if not head.endswith(")"):
        return None
    depth = 0
    for at in range(len(head) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[at], 0)
        if depth == 0:
            break
    if not re.search(r"\b(?:if|while|for)\s*$|\w+_for_each\w*\s*$", head[:at]):
        return None
    return at, head[at:]


def block_start(body, position):
    """Where the innermost block around position opens, or 0 for the function's own."""
    depth = 0
    for at in range(position - 1, -1, -1):
        if body[at] == "}":
            depth += 1
        elif body[at] == "{":
            if depth == 0:
                return at + 1
            depth -= 1
    return 0


def is_stale(body, position, var):
    assignment = re.compile(r"(?<![\w.>])" + var + r"\s*=(?!=)\s*")
    mention = re.compile(r"(?<![\w.>])" + var + r"\b")
    condition = condition_before(body, position)
    if condition and mention.search(condition[1]):
        return False
    before = list(assignment.finditer(body, 0, position))
    if before and CONSTANT.match(body[before[-1].end():]):
        return False
    if condition:
        return True
    start = block_start(body, position)
    if any(a.start() >= start for a in before) and start > 0:
        return False
    if start == 0:
        return False
    outer = condition_before(body, start)
    return not (outer and mention.search(outer[1]))


def findings(text):
    text = TOKEN.sub(blank, text)
    for function in FUNCTION.finditer(text):
        body, offset = function.group(2), function.start(2)
        for goto in re.finditer(r"\bgoto\s+(\w+)\s*;", body):
            label = re.search(r"^" + goto.group(1) + r":", body, re.M)
            result = re.search(r"\breturn\s+(\w+)\s*;", body[label.end():]) if label else None
            if not result or not re.match(r"[a-z]", result.group(1)):
                continue
            if is_stale(body, goto.start(), result.group(1)):
                yield text.count("\n", 0, offset + goto.start()) + 1, function.group(1), result.group(1)


def self_test():
    wrong = [name for name, stale, text in CASES if bool(list(findings(text))) != stale]
    for name in wrong:
        print(f"stale_success: own case '{name}' is judged wrongly")
    return 1 if wrong else 0


def main(args):
    if args == ["--self-test"]:
        return self_test()
    found = 0
    for path in args:
        with open(path, encoding="utf-8") as source:
            for line, function, var in findings(source.read()):
                print(f"{path}:{line}: {function}() may leave with a stale '{var}'")
                found = 1
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
