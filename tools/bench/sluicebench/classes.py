# SPDX-License-Identifier: GPL-2.0-only
"""The files of a folder that each list classes: a peer or a scenario is added by a file, and nothing else knows of it."""
import importlib.util
import os

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def load(folder, listed):
    """What the files of a folder beside this package have in their lists called so, in the order of the files' names."""
    found = []
    path = os.path.join(HERE, folder)
    for file in sorted(os.listdir(path)):
        if file.endswith(".py"):
            spec = importlib.util.spec_from_file_location(f"bench_{folder}_{file[:-3]}", os.path.join(path, file))
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found += getattr(module, listed)
    return found
