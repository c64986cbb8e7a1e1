# SPDX-License-Identifier: GPL-2.0-only
"""
Elastic Load Balancing, the classic one and the one with target groups. A removed load balancer's interfaces hold its
security groups a little longer, as AWS's do.
"""
from account import find, new_id, refuse_if


class Front:
    """what both kinds take from EC2"""

    def __init__(self, compute):
        self.compute = compute

    def check(self, request):
        subnets, groups = request["Subnets"], request["SecurityGroups"]
        for subnet in subnets:
            find(self.compute.subnets, subnet, "SubnetNotFound")
        for group in groups:
            find(self.compute.groups, group, "InvalidSecurityGroup")
        refuse_if(not request.get("Tags"), "NoTags", "the load balancer has no tags")
        return subnets, groups

    def running(self, instance):
        thing = find(self.compute.instances, instance, "InvalidInstance")
        refuse_if(thing["state"] != "running", "InvalidInstance", f"{instance} is {thing['state']}")

    def linger(self, balancer):
        for group in balancer["groups"]:
            self.compute.lingering[group] = 1


class Balancing(Front):
    GONE = "LoadBalancerNotFound"

    def state(self):
        return {"balancers": {name: thing for name, thing in self.compute.balancers.items() if thing["kind"] == "classic"}}

    def one(self, request):
        return find(self.compute.balancers, request["LoadBalancerName"], self.GONE)

    def CreateLoadBalancer(self, request):
        subnets, groups = self.check(request)
        name = request["LoadBalancerName"]
        refuse_if(name in self.compute.balancers, "DuplicateLoadBalancerName", name)
        self.compute.balancers[name] = {
            "kind": "classic", "subnets": subnets, "groups": groups, "listeners": request["Listeners"], "instances": [],
            "check": {"Target": "TCP:80", "Interval": "30", "Timeout": "5", "UnhealthyThreshold": "2",
                      "HealthyThreshold": "10"},
            "attributes": {"CrossZoneLoadBalancing": {"Enabled": "false"}, "ConnectionDraining": {"Enabled": "false"},
                           "ConnectionSettings": {"IdleTimeout": "60"}}}
        return {"DNSName": f"{name}.elb.example.com"}

    def DescribeLoadBalancers(self, request):
        found = []
        for name in request["LoadBalancerNames"]:
            thing = self.compute.balancers.get(name)
            refuse_if(thing is None or thing["kind"] != "classic", self.GONE, f"no load balancer {name}")
            found.append({"LoadBalancerName": name, "DNSName": f"{name}.elb.example.com", "HealthCheck": thing["check"],
                          "Instances": [{"InstanceId": instance} for instance in thing["instances"]]})
        return {"LoadBalancerDescriptions": found}

    def DescribeLoadBalancerAttributes(self, request):
        return {"LoadBalancerAttributes": self.one(request)["attributes"]}

    def ModifyLoadBalancerAttributes(self, request):
        self.one(request)["attributes"].update(request["LoadBalancerAttributes"])

    def ConfigureHealthCheck(self, request):
        check = request["HealthCheck"]
        refuse_if(int(check["Timeout"]) >= int(check["Interval"]), "ValidationError", "time-out not below interval")
        self.one(request)["check"] = check

    def RegisterInstancesWithLoadBalancer(self, request):
        thing = self.one(request)
        for instance in request["Instances"]:
            self.running(instance["InstanceId"])
            thing["instances"].append(instance["InstanceId"])

    def DeregisterInstancesFromLoadBalancer(self, request):
        for instance in request["Instances"]:
            self.one(request)["instances"].remove(instance["InstanceId"])

    def DescribeInstanceHealth(self, request):
        known = self.one(request)["instances"]
        for instance in request["Instances"]:
            refuse_if(instance["InstanceId"] not in known, "InvalidInstance", instance["InstanceId"])
        return {"InstanceStates": [{"InstanceId": one["InstanceId"], "State": "InService"} for one in request["Instances"]]}

    def DeleteLoadBalancer(self, request):
        self.linger(self.one(request))
        del self.compute.balancers[request["LoadBalancerName"]]


class BalancingV2(Front):
    def __init__(self, compute):
        super().__init__(compute)
        self.target_groups = {}
        self.listeners = {}

    def state(self):
        return {"balancers": {name: thing for name, thing in self.compute.balancers.items() if thing["kind"] != "classic"},
                "target_groups": self.target_groups, "listeners": self.listeners}

    def balancer(self, arn):
        return find({thing.get("arn"): thing for thing in self.compute.balancers.values()}, arn, "LoadBalancerNotFound")

    def group(self, request):
        return find(self.target_groups, request["TargetGroupArn"], "TargetGroupNotFound")

    def CreateTargetGroup(self, request):
        name = request["Name"]
        refuse_if(any(thing["name"] == name for thing in self.target_groups.values()), "DuplicateTargetGroupName", name)
        find(self.compute.vpcs, request["VpcId"], "ValidationError")
        arn = f"arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/{name}/{new_id('t')}"
        self.target_groups[arn] = {
            "name": name, "protocol": request["Protocol"], "port": request["Port"], "check": request["HealthCheckPath"],
            "interval": request["HealthCheckIntervalSeconds"], "targets": {},
            "attributes": {"deregistration_delay.timeout_seconds": "300"}}
        return {"TargetGroups": [{"TargetGroupArn": arn}]}

    def DescribeTargetGroups(self, request):
        found = [{"TargetGroupArn": arn, "TargetGroupName": thing["name"], "Protocol": thing["protocol"]}
                 for arn, thing in self.target_groups.items()
                 if thing["name"] in request.get("Names", []) or arn in request.get("TargetGroupArns", [])]
        refuse_if(not found, "TargetGroupNotFound", "One or more target groups not found")
        return {"TargetGroups": found}

    @staticmethod
    def attributes(thing):
        return {"Attributes": [{"Key": key, "Value": value} for key, value in thing["attributes"].items()]}

    @staticmethod
    def modify(thing, request):
        for pair in request["Attributes"]:
            refuse_if(pair["Key"] not in thing["attributes"], "ValidationError", f"Key '{pair['Key']}' not recognized")
            thing["attributes"][pair["Key"]] = pair["Value"]

    def DescribeTargetGroupAttributes(self, request):
        return self.attributes(self.group(request))

    def ModifyTargetGroupAttributes(self, request):
        self.modify(self.group(request), request)

    def DeleteTargetGroup(self, request):
        arn = request["TargetGroupArn"]
        self.group(request)
        refuse_if(any(thing["group"] == arn for thing in self.listeners.values()), "ResourceInUse", arn)
        del self.target_groups[arn]

    def CreateLoadBalancer(self, request):
        subnets, groups = self.check(request)
        name = request["Name"]
        refuse_if(name in self.compute.balancers, "DuplicateLoadBalancerName", name)
        refuse_if(len(subnets) < 2, "ValidationError", "at least two subnets in two zones")
        arn = f"arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/{name}/{new_id('l')}"
        own = {"application": {"idle_timeout.timeout_seconds": "60"},
               "network": {"load_balancing.cross_zone.enabled": "false"}}[request["Type"]]
        self.compute.balancers[name] = {"kind": request["Type"], "arn": arn, "subnets": subnets, "groups": groups,
                                        "attributes": own}
        return {"LoadBalancers": [{"LoadBalancerArn": arn}]}

    def DescribeLoadBalancers(self, request):
        found = [{"LoadBalancerArn": thing["arn"], "LoadBalancerName": name, "DNSName": f"{name}.elb.example.com",
                  "State": {"Code": "active"}}
                 for name, thing in self.compute.balancers.items() if thing["kind"] != "classic" and
                 (name in request.get("Names", []) or thing["arn"] in request.get("LoadBalancerArns", []))]
        refuse_if(not found, "LoadBalancerNotFound", "One or more load balancers not found")
        return {"LoadBalancers": found}

    def DescribeLoadBalancerAttributes(self, request):
        return self.attributes(self.balancer(request["LoadBalancerArn"]))

    def ModifyLoadBalancerAttributes(self, request):
        self.modify(self.balancer(request["LoadBalancerArn"]), request)

    def CreateListener(self, request):
        self.balancer(request["LoadBalancerArn"])
        action = request["DefaultActions"][0]
        group = find(self.target_groups, action["TargetGroupArn"], "TargetGroupNotFound")
        refuse_if(group["protocol"] != request["Protocol"], "ValidationError", "the group speaks another protocol")
        refuse_if(any(one["balancer"] == request["LoadBalancerArn"] and one["port"] == request["Port"]
                      for one in self.listeners.values()), "DuplicateListener", request["Port"])
        self.listeners[new_id("listener")] = {"balancer": request["LoadBalancerArn"], "port": request["Port"],
                                              "group": action["TargetGroupArn"]}

    def DescribeListeners(self, request):
        self.balancer(request["LoadBalancerArn"])
        return {"Listeners": [{"ListenerArn": arn, "Port": one["port"]} for arn, one in self.listeners.items()
                              if one["balancer"] == request["LoadBalancerArn"]]}

    def DeleteLoadBalancer(self, request):
        arn = request["LoadBalancerArn"]
        thing = self.balancer(arn)
        self.linger(thing)
        for name in [name for name, one in self.compute.balancers.items() if one is thing]:
            del self.compute.balancers[name]
        self.listeners = {key: one for key, one in self.listeners.items() if one["balancer"] != arn}

    def RegisterTargets(self, request):
        for target in request["Targets"]:
            self.running(target["Id"])
            self.group(request)["targets"][target["Id"]] = "healthy"

    def DeregisterTargets(self, request):
        for target in request["Targets"]:
            targets = self.group(request)["targets"]
            refuse_if(target["Id"] not in targets, "InvalidTarget", target["Id"])
            targets[target["Id"]] = "draining"

    def DescribeTargetHealth(self, request):
        targets = self.group(request)["targets"]
        wanted = [target["Id"] for target in request.get("Targets", [])] or list(targets)
        found = []
        for name in wanted:
            # asked for by name it has drained, and is unused
            state = targets.get(name, "unused")
            if state == "draining" and request.get("Targets"):
                targets.pop(name)
                state = "unused"
            found.append({"Target": {"Id": name}, "TargetHealth": {"State": state}})
        return {"TargetHealthDescriptions": found}
