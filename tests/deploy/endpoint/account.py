# SPDX-License-Identifier: GPL-2.0-only
"""What the services of the end point share: errors, ids, tags and filters in AWS's words."""
import itertools


class AwsError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


_numbers = itertools.count(1)


def new_id(prefix):
    return f"{prefix}-{next(_numbers):017x}"


def find(table, key, code):
    if key not in table:
        raise AwsError(code, f"{key} does not exist")
    return table[key]


def refuse_if(condition, code, message):
    if condition:
        raise AwsError(code, message)


def tags_of(request, kind):
    """the tags that a creating call of EC2 gives to a thing of this kind; all of ours must have some"""
    for spec in request.get("TagSpecification", []):
        if spec["ResourceType"] == kind:
            return {tag["Key"]: tag["Value"] for tag in spec["Tag"]}
    raise AwsError("NoTags", f"the call gives no tags to the {kind}")


def tag_set(tags):
    return [{"key": key, "value": value} for key, value in tags.items()]


def matches(thing, request):
    for wanted in request.get("Filter", []):
        name, values = wanted["Name"], wanted["Value"]
        if name.startswith("tag:"):
            have = thing["tags"].get(name[4:])
        elif name == "instance-state-name":
            have = thing["state"]
        elif name == "group-id":
            have = thing["group"]
        else:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
        if have not in values:
            return False
    return True
