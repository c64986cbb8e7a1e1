# SPDX-License-Identifier: GPL-2.0-only
"""Editing an INI file as a person would: change the lines that are meant, leave all others as they are. Pure text in, text out."""
import re

from .failure import LabError

_SECTION = re.compile(r"\s*\[([^]]*)\]")
_KEY = re.compile(r"\s*([^=;#\s][^=:]*?)\s*[=:]")


def split_name(name):
    """`node.mode` -> (`node`, `mode`); `service.web.port` -> (`service web`, `port`)."""
    parts = name.split(".")
    if len(parts) == 2 and all(parts):
        return parts[0], parts[1]
    if len(parts) == 3 and all(parts):
        return f"{parts[0]} {parts[1]}", parts[2]
    raise LabError(f"not section.key or service.NAME.key: {name!r}")


def _bounds(lines, section):
    """First line after the section's head, and the line after its last one that is not blank; None if it is not there."""
    start = None
    for number, line in enumerate(lines):
        match = _SECTION.match(line)
        if match and start is not None:
            break
        if match and match.group(1).strip() == section:
            start = number + 1
    else:
        number = len(lines)
    if start is None:
        return None
    while number > start and not lines[number - 1].strip():
        number -= 1
    return start, number


def set_value(text, section, key, value):
    """The text with that key set, in a new section at the end if there is none."""
    lines = text.splitlines()
    line = f"{key} = {value}".rstrip()
    bounds = _bounds(lines, section)
    if not bounds:
        return "\n".join([*lines, "", f"[{section}]", line]) + "\n"
    for number in range(*bounds):
        match = _KEY.match(lines[number])
        if match and match.group(1) == key:
            lines[number] = line
            break
    else:
        lines.insert(bounds[1], line)
    return "\n".join(lines) + "\n"


def remove_section(text, section):
    lines = text.splitlines()
    bounds = _bounds(lines, section)
    if not bounds:
        raise LabError(f"no section [{section}]")
    del lines[bounds[0] - 1:bounds[1]]
    return "\n".join(lines) + "\n"


def sections(text):
    """name -> {key: value}, for a reader that needs a few values; comments after a value are cut off."""
    found, current = {}, None
    for line in text.splitlines():
        match = _SECTION.match(line)
        if match:
            current = found.setdefault(match.group(1).strip(), {})
        elif current is not None and _KEY.match(line):
            key, _, value = line.partition("=")
            current[key.strip()] = re.sub(r"(^|\s)[;#].*", "", value).strip()
    return found
