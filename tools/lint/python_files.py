#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Checks that Python files compile and import only the standard library and the project's own modules.

One exception, named here: tests may use the third-party Marathon client, for it is what keeps marathon-sim honest.
"""
import ast
import os
import sys

TEST_ONLY = {"marathon"}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module.split(".")[0]


def main(paths):
    own = {os.path.splitext(os.path.basename(path))[0] for path in paths}
    own |= {part for path in paths for part in os.path.dirname(path).split("/")}
    failed = 0
    for path in paths:
        with open(path, encoding="utf-8") as source:
            try:
                tree = ast.parse(source.read(), path)
            except SyntaxError as error:
                print(f"{path}:{error.lineno}: {error.msg}")
                failed = 1
                continue
        for line, module in imports(tree):
            if module in sys.stdlib_module_names or module in own:
                continue
            if module in TEST_ONLY and path.startswith("tests/"):
                continue
            print(f"{path}:{line}: imports {module}, which is not in the standard library")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
