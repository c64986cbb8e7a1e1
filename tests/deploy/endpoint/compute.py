# SPDX-License-Identifier: GPL-2.0-only
"""
EC2: networks, security groups and machines. As with AWS, a machine takes a moment to start and to go, an instance
profile is unknown at its first use, and a thing that others depend on cannot be removed.
"""
import base64

from account import AwsError, find, matches, new_id, refuse_if, tag_set, tags_of

BUSY = "DependencyViolation"


class Compute:
    def __init__(self, identity, directory):
        self.identity = identity
        self.directory = directory
        self.vpcs, self.gateways, self.subnets, self.tables = {}, {}, {}, {}
        self.groups, self.rules, self.instances = {}, [], {}
        self.known_profiles = set()
        self.balancers = {}  # of both kinds, by name; filled by the load balancing services
        self.lingering = {}  # security group to how often its removal is still refused

    def state(self):
        alive = {name: machine for name, machine in self.instances.items() if machine["state"] != "terminated"}
        return {"vpcs": self.vpcs, "gateways": self.gateways, "subnets": self.subnets, "tables": self.tables,
                "groups": self.groups, "rules": self.rules, "instances": alive}

    # --- network

    def CreateVpc(self, request):
        vpc = new_id("vpc")
        self.vpcs[vpc] = {"tags": tags_of(request, "vpc"), "hostnames": False}
        return {"vpc": {"vpcId": vpc}}

    def DescribeVpcs(self, request):
        return {"vpcSet": [{"vpcId": vpc} for vpc, thing in self.vpcs.items() if matches(thing, request)]}

    def DescribeVpcAttribute(self, request):
        vpc = find(self.vpcs, request["VpcId"], "InvalidVpcID.NotFound")
        return {"vpcId": request["VpcId"], "enableDnsHostnames": {"value": vpc["hostnames"]}}

    def ModifyVpcAttribute(self, request):
        vpc = find(self.vpcs, request["VpcId"], "InvalidVpcID.NotFound")
        vpc["hostnames"] = request["EnableDnsHostnames"]["Value"] == "true"

    def DeleteVpc(self, request):
        vpc = request["VpcId"]
        find(self.vpcs, vpc, "InvalidVpcID.NotFound")
        inside = [thing for table in (self.subnets, self.tables, self.groups, self.gateways) for thing in table.values()]
        refuse_if(any(thing["vpc"] == vpc for thing in inside), BUSY, f"{vpc} has dependencies")
        del self.vpcs[vpc]

    def CreateInternetGateway(self, request):
        gateway = new_id("igw")
        self.gateways[gateway] = {"tags": tags_of(request, "internet-gateway"), "vpc": None}
        return {"internetGateway": {"internetGatewayId": gateway}}

    def DescribeInternetGateways(self, request):
        return {"internetGatewaySet": [
            {"internetGatewayId": gateway, "attachmentSet": [{"vpcId": thing["vpc"]}] if thing["vpc"] else []}
            for gateway, thing in self.gateways.items() if matches(thing, request)]}

    def AttachInternetGateway(self, request):
        gateway = find(self.gateways, request["InternetGatewayId"], "InvalidInternetGatewayID.NotFound")
        find(self.vpcs, request["VpcId"], "InvalidVpcID.NotFound")
        refuse_if(gateway["vpc"], "Resource.AlreadyAssociated", "the gateway is attached")
        gateway["vpc"] = request["VpcId"]

    def DetachInternetGateway(self, request):
        gateway = find(self.gateways, request["InternetGatewayId"], "InvalidInternetGatewayID.NotFound")
        refuse_if(gateway["vpc"] != request["VpcId"], "Gateway.NotAttached", "not attached there")
        gateway["vpc"] = None

    def DeleteInternetGateway(self, request):
        gateway = find(self.gateways, request["InternetGatewayId"], "InvalidInternetGatewayID.NotFound")
        refuse_if(gateway["vpc"], BUSY, "the gateway is attached")
        del self.gateways[request["InternetGatewayId"]]

    def CreateSubnet(self, request):
        find(self.vpcs, request["VpcId"], "InvalidVpcID.NotFound")
        taken = [subnet["cidr"] for subnet in self.subnets.values()]
        refuse_if(request["CidrBlock"] in taken, "InvalidSubnet.Conflict", "the CIDR conflicts with another subnet")
        subnet = new_id("subnet")
        self.subnets[subnet] = {"tags": tags_of(request, "subnet"), "vpc": request["VpcId"],
                                "cidr": request["CidrBlock"], "zone": request["AvailabilityZone"]}
        return {"subnet": {"subnetId": subnet}}

    def DescribeSubnets(self, request):
        return {"subnetSet": [{"subnetId": subnet, "tagSet": tag_set(thing["tags"])}
                              for subnet, thing in self.subnets.items() if matches(thing, request)]}

    def DeleteSubnet(self, request):
        subnet = request["SubnetId"]
        find(self.subnets, subnet, "InvalidSubnetID.NotFound")
        refuse_if(any(machine["subnet"] == subnet for machine in self.alive()) or
                  any(subnet in balancer["subnets"] for balancer in self.balancers.values()), BUSY,
                  f"{subnet} has dependencies")
        del self.subnets[subnet]
        for table in self.tables.values():
            table["subnets"] = [other for other in table["subnets"] if other != subnet]

    def CreateRouteTable(self, request):
        find(self.vpcs, request["VpcId"], "InvalidVpcID.NotFound")
        table = new_id("rtb")
        self.tables[table] = {"tags": tags_of(request, "route-table"), "vpc": request["VpcId"], "subnets": [],
                              "routes": {}}
        return {"routeTable": {"routeTableId": table}}

    def DescribeRouteTables(self, request):
        return {"routeTableSet": [
            {"routeTableId": table, "tagSet": tag_set(thing["tags"]),
             "associationSet": [{"subnetId": subnet} for subnet in thing["subnets"]],
             "routeSet": [{"destinationCidrBlock": to, "gatewayId": by} for to, by in thing["routes"].items()]}
            for table, thing in self.tables.items() if matches(thing, request)]}

    def CreateRoute(self, request):
        table = find(self.tables, request["RouteTableId"], "InvalidRouteTableID.NotFound")
        find(self.gateways, request["GatewayId"], "InvalidInternetGatewayID.NotFound")
        to = request["DestinationCidrBlock"]
        refuse_if(to in table["routes"], "RouteAlreadyExists", to)
        table["routes"][to] = request["GatewayId"]
        return {"return": True}

    def AssociateRouteTable(self, request):
        table = find(self.tables, request["RouteTableId"], "InvalidRouteTableID.NotFound")
        find(self.subnets, request["SubnetId"], "InvalidSubnetID.NotFound")
        refuse_if(request["SubnetId"] in table["subnets"], "Resource.AlreadyAssociated", request["SubnetId"])
        table["subnets"].append(request["SubnetId"])
        return {"associationId": new_id("rtbassoc")}

    def DeleteRouteTable(self, request):
        table = find(self.tables, request["RouteTableId"], "InvalidRouteTableID.NotFound")
        refuse_if(table["subnets"], BUSY, "the table is in use")
        del self.tables[request["RouteTableId"]]

    # --- security groups

    def CreateSecurityGroup(self, request):
        find(self.vpcs, request["VpcId"], "InvalidVpcID.NotFound")
        refuse_if(any(group["name"] == request["GroupName"] for group in self.groups.values()),
                  "InvalidGroup.Duplicate", request["GroupName"])
        group = new_id("sg")
        self.groups[group] = {"tags": tags_of(request, "security-group"), "vpc": request["VpcId"],
                              "name": request["GroupName"]}
        return {"groupId": group}

    def DescribeSecurityGroups(self, request):
        return {"securityGroupInfo": [{"groupId": group, "groupName": thing["name"], "tagSet": tag_set(thing["tags"])}
                                      for group, thing in self.groups.items() if matches(thing, request)]}

    def DescribeSecurityGroupRules(self, request):
        found = []
        for rule in self.rules:
            if matches(rule, request):
                to = {"cidrIpv4": rule["peer"]} if "/" in rule["peer"] else \
                    {"referencedGroupInfo": {"groupId": rule["peer"]}}
                found.append({"groupId": rule["group"], "isEgress": False, "ipProtocol": rule["protocol"],
                              "fromPort": rule["from"], "toPort": rule["to"], **to})
        return {"securityGroupRuleSet": found}

    def rules_of(self, request):
        group = request["GroupId"]
        find(self.groups, group, "InvalidGroup.NotFound")
        for permission in request["IpPermissions"]:
            peers = [pair["GroupId"] for pair in permission.get("Groups", [])]
            for peer in peers:
                find(self.groups, peer, "InvalidGroup.NotFound")
            peers += [pair["CidrIp"] for pair in permission.get("IpRanges", [])]
            refuse_if(not peers, "InvalidParameterValue", "a permission for nobody")
            for peer in peers:
                yield {"group": group, "protocol": permission["IpProtocol"], "from": permission["FromPort"],
                       "to": permission["ToPort"], "peer": peer}

    def AuthorizeSecurityGroupIngress(self, request):
        for rule in list(self.rules_of(request)):
            refuse_if(rule in self.rules, "InvalidPermission.Duplicate", str(rule))
            self.rules.append(rule)
        return {"return": True}

    def RevokeSecurityGroupIngress(self, request):
        for rule in list(self.rules_of(request)):
            refuse_if(rule not in self.rules, "InvalidPermission.NotFound", str(rule))
            self.rules.remove(rule)
        return {"return": True}

    def DeleteSecurityGroup(self, request):
        group = request["GroupId"]
        find(self.groups, group, "InvalidGroup.NotFound")
        refuse_if(any(rule["peer"] == group and rule["group"] != group for rule in self.rules) or
                  any(group in machine["groups"] for machine in self.alive()) or
                  any(group in balancer["groups"] for balancer in self.balancers.values()), BUSY,
                  f"{group} has a dependent object")
        if self.lingering.get(group, 0) > 0:
            self.lingering[group] -= 1
            raise AwsError(BUSY, f"{group} has a dependent object")
        del self.groups[group]
        self.rules = [rule for rule in self.rules if rule["group"] != group]
        return {"return": True}

    # --- machines

    def alive(self):
        return [machine for machine in self.instances.values() if machine["state"] != "terminated"]

    def RunInstances(self, request):
        profile = request["IamInstanceProfile"]["Name"]
        roles = self.identity.profiles.get(profile)
        if not roles or profile not in self.known_profiles:
            self.known_profiles.add(profile)
            raise AwsError("InvalidParameterValue", f"Value ({profile}) for parameter iamInstanceProfile.name is "
                           "invalid. Invalid IAM Instance Profile name")
        interface, tags = request["NetworkInterface"][0], tags_of(request, "instance")
        find(self.subnets, interface["SubnetId"], "InvalidSubnetID.NotFound")
        for group in interface["SecurityGroupId"]:
            find(self.groups, group, "InvalidGroup.NotFound")
        net = self.subnets[interface["SubnetId"]]["cidr"].rsplit(".", 1)[0]
        address = interface.get("PrivateIpAddress", f"{net}.{100 + len(self.instances)}")
        refuse_if(not address.startswith(net + "."), "InvalidParameterValue", f"{address} is not in the subnet")
        refuse_if(any(machine["address"] == address for machine in self.alive()), "InvalidIPAddress.InUse", address)
        data = base64.b64decode(request["UserData"], validate=True)
        refuse_if(len(data) > 16384, "InvalidParameterValue", "User data is limited to 16384 bytes")
        (self.directory / f"user-data-{tags['Name']}").write_bytes(data)
        instance = new_id("i")
        self.instances[instance] = {"tags": tags, "state": "pending", "subnet": interface["SubnetId"],
                                    "groups": interface["SecurityGroupId"], "address": address,
                                    "metadata": request["MetadataOptions"],
                                    "disk": request["BlockDeviceMapping"][0]["Ebs"], "profile": profile}
        return {"instancesSet": [{"instanceId": instance}]}

    def DescribeInstances(self, request):
        wanted = request.get("InstanceId")
        for instance in wanted or []:
            find(self.instances, instance, "InvalidInstanceID.NotFound")
        found = []
        for instance, thing in self.instances.items():
            if (wanted is None or instance in wanted) and matches(thing, request):
                # each look finds it one step on
                thing["state"] = {"pending": "running", "shutting-down": "terminated"}.get(thing["state"], thing["state"])
                found.append({"instanceId": instance, "instanceState": {"code": 0, "name": thing["state"]},
                              "privateIpAddress": thing["address"], "tagSet": tag_set(thing["tags"])})
        return {"reservationSet": [{"instancesSet": [machine]} for machine in found]}

    def StartInstances(self, request):
        for instance in request["InstanceId"]:
            thing = find(self.instances, instance, "InvalidInstanceID.NotFound")
            refuse_if(thing["state"] != "stopped", "IncorrectInstanceState", thing["state"])
            thing["state"] = "pending"
        return {"instancesSet": [{"instanceId": instance} for instance in request["InstanceId"]]}

    def StopInstances(self, request):
        for instance in request["InstanceId"]:
            find(self.instances, instance, "InvalidInstanceID.NotFound")["state"] = "stopped"
        return {"instancesSet": [{"instanceId": instance} for instance in request["InstanceId"]]}

    def TerminateInstances(self, request):
        for instance in request["InstanceId"]:
            find(self.instances, instance, "InvalidInstanceID.NotFound")["state"] = "shutting-down"
        return {"instancesSet": [{"instanceId": instance} for instance in request["InstanceId"]]}
