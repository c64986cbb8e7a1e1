# SPDX-License-Identifier: GPL-2.0-only
"""The Systems Manager's parameter store."""
from account import refuse_if


class Parameters:
    def __init__(self):
        self.values = {}

    def state(self):
        return {"parameters": self.values}

    def PutParameter(self, request):
        name = request["Name"]
        refuse_if(name in self.values, "ParameterAlreadyExists", f"The parameter {name} already exists.")
        refuse_if(request["Type"] != "SecureString", "NotSecure", f"{name} would be stored in the clear")
        refuse_if(not 0 < len(request["Value"]) <= 4096, "ValidationException", f"{name}: 1 to 4096 characters")
        self.values[name] = request["Value"]
        return {"Version": 1}

    def DescribeParameters(self, request):
        path = None
        for wanted in request.get("ParameterFilters", []):
            refuse_if(wanted["Key"] != "Path" or wanted["Option"] != "Recursive", "InvalidFilterKey", wanted["Key"])
            path = wanted["Values"][0] + "/"
        return {"Parameters": [{"Name": name, "Type": "SecureString"} for name in sorted(self.values)
                               if path is None or name.startswith(path)]}

    def DeleteParameters(self, request):
        refuse_if(len(request["Names"]) > 10, "ValidationException", "at most 10 names")
        gone = [name for name in request["Names"] if self.values.pop(name, None) is not None]
        return {"DeletedParameters": gone, "InvalidParameters": [n for n in request["Names"] if n not in gone]}
