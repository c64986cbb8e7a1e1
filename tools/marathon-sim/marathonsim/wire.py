# SPDX-License-Identifier: GPL-2.0-only
"""How values look on the wire: time stamps, compact JSON, identifiers of apps."""

import datetime
import json
import re
import uuid

_SEGMENT = re.compile(r"([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])(\.([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9]))*")


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def stamp(moment):
    """None stays None, as Marathon writes null for a time that has not come."""
    if moment is None:
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_stamp(text):
    if text is None:
        return None
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return moment.replace(tzinfo=datetime.timezone.utc)


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def new_uuid():
    return str(uuid.uuid1())


def canonical_app_id(text):
    """'/a/b' of 'a/b'. Raises ValueError for what Marathon does not take as a path."""
    if not isinstance(text, str):
        raise ValueError("id must be a string")
    segments = [part for part in text.split("/") if part]
    if not segments:
        raise ValueError("id must not be empty")
    for segment in segments:
        if not _SEGMENT.fullmatch(segment):
            raise ValueError(f"'{segment}' in id must be made of a-z, 0-9, '-' and inner '.'")
    return "/" + "/".join(segments)


def safe_path(app_id):
    return app_id.strip("/").replace("/", "_")
