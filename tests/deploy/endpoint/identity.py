# SPDX-License-Identifier: GPL-2.0-only
"""IAM: roles with policies, and the instance profiles that carry them."""
import json

from account import find, refuse_if

GONE = "NoSuchEntity"


class Identity:
    def __init__(self):
        self.roles = {}
        self.profiles = {}

    def state(self):
        return {"roles": self.roles, "profiles": self.profiles}

    def CreateRole(self, request):
        name = request["RoleName"]
        refuse_if(name in self.roles, "EntityAlreadyExists", f"Role with name {name} already exists.")
        trust = json.loads(request["AssumeRolePolicyDocument"])
        refuse_if(not trust.get("Statement"), "MalformedPolicyDocument", "no statement")
        refuse_if(not request.get("Tags"), "NoTags", "the role has no tags")
        self.roles[name] = {}
        return {"Role": {"RoleName": name}}

    def GetRole(self, request):
        find(self.roles, request["RoleName"], GONE)
        return {"Role": {"RoleName": request["RoleName"]}}

    def DeleteRole(self, request):
        name = request["RoleName"]
        refuse_if(find(self.roles, name, GONE), "DeleteConflict", "Must delete policies first.")
        refuse_if(any(name in roles for roles in self.profiles.values()), "DeleteConflict",
                  "Must remove role from instance profile first.")
        del self.roles[name]

    def PutRolePolicy(self, request):
        policy = json.loads(request["PolicyDocument"])
        refuse_if(not policy.get("Statement"), "MalformedPolicyDocument", "no statement")
        find(self.roles, request["RoleName"], GONE)[request["PolicyName"]] = policy

    def GetRolePolicy(self, request):
        find(find(self.roles, request["RoleName"], GONE), request["PolicyName"], GONE)
        return {"RoleName": request["RoleName"], "PolicyName": request["PolicyName"], "PolicyDocument": "%7B%7D"}

    def ListRolePolicies(self, request):
        return {"PolicyNames": list(find(self.roles, request["RoleName"], GONE)), "IsTruncated": False}

    def DeleteRolePolicy(self, request):
        policies = find(self.roles, request["RoleName"], GONE)
        find(policies, request["PolicyName"], GONE)
        del policies[request["PolicyName"]]

    def CreateInstanceProfile(self, request):
        name = request["InstanceProfileName"]
        refuse_if(name in self.profiles, "EntityAlreadyExists", f"Instance Profile {name} already exists.")
        self.profiles[name] = []

    def GetInstanceProfile(self, request):
        name = request["InstanceProfileName"]
        roles = [{"RoleName": role} for role in find(self.profiles, name, GONE)]
        return {"InstanceProfile": {"InstanceProfileName": name, "Roles": roles}}

    def DeleteInstanceProfile(self, request):
        name = request["InstanceProfileName"]
        refuse_if(find(self.profiles, name, GONE), "DeleteConflict", "Must remove roles first.")
        del self.profiles[name]

    def AddRoleToInstanceProfile(self, request):
        roles = find(self.profiles, request["InstanceProfileName"], GONE)
        find(self.roles, request["RoleName"], GONE)
        refuse_if(roles, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
        roles.append(request["RoleName"])

    def RemoveRoleFromInstanceProfile(self, request):
        roles = find(self.profiles, request["InstanceProfileName"], GONE)
        refuse_if(request["RoleName"] not in roles, GONE, "the role is not in the profile")
        roles.remove(request["RoleName"])
