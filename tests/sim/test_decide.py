# SPDX-License-Identifier: GPL-2.0-only
"""The pure parts: what to do next for an app, placement, host-ports, selectors, identifiers."""

import unittest

import simtest
from marathonsim import deploy, selector, wire
from marathonsim.agent import Agent, place
from marathonsim.appdef import Invalid, parse, update
from marathonsim.cluster import App
from marathonsim.task import Health, Task
from marathonsim.versions import Version

VERSION = Version("1.8.222")


def agents(count, ports=(31000, 31009), reuse="lru"):
    return [Agent({"name": f"s{number}", "type": "dry", "ports": list(ports)}, number, reuse)
            for number in range(count)]


def definition(**body):
    return parse(VERSION, {"id": "/web", **body}).stamped("v1", True)


class World:
    """Applies decisions at once, so that a deployment can be played through."""

    def __init__(self, wanted, slaves=2):
        self.app = App(wanted)
        self.slaves = agents(slaves)
        self.order = 0
        self.fewest = self.most = None

    def launch(self):
        load = {slave: sum(task.agent is slave for task in self.app.tasks) for slave in self.slaves}
        slave, ports = place(self.slaves, self.app.definition, self.app.tasks, load)
        task = Task(VERSION, self.app, slave, wire.new_uuid(), 1, ports)
        self.order += 1
        task.order = self.order
        task.state = "TASK_RUNNING"
        self.app.tasks.append(task)

    def play(self):
        for _ in range(100):
            decision = deploy.decide(self.app.definition, self.app.deleting, self.app.tasks)
            if decision.done:
                return
            for task in decision.kill:
                self.app.tasks.remove(task)
                task.agent.release(task.ports)
            if self.fewest is not None:
                self.fewest = min(self.fewest, len(self.app.tasks))
            for _ in range(decision.launch):
                self.launch()
            if self.most is not None:
                self.most = max(self.most, len(self.app.tasks))
        raise AssertionError("the deployment has no end")

    def crowd(self):
        return [sum(task.agent is slave for task in self.app.tasks) for slave in self.slaves]


class Deployments(unittest.TestCase):
    def test_tasks_are_spread_evenly_up_and_down(self):
        world = World(definition(instances=6))
        world.play()
        self.assertEqual(world.crowd(), [3, 3])
        world.app.define(world.app.definition.with_instances(2).stamped("v2", False))
        world.play()
        self.assertEqual(world.crowd(), [1, 1])
        self.assertEqual({task.order for task in world.app.tasks}, {1, 2})

    def test_rolling_upgrade_keeps_within_its_limits(self):
        for least, over, fewest, most in ((1.0, 1.0, 4, 8), (0.5, 0.0, 2, 4), (1.0, 0.0, 4, 5),
                                          (0.0, 0.0, 0, 4), (1.0, 0.25, 4, 5)):
            with self.subTest(minimumHealthCapacity=least, maximumOverCapacity=over):
                world = World(definition(instances=4, upgradeStrategy={
                    "minimumHealthCapacity": least, "maximumOverCapacity": over}))
                world.play()
                new = update(VERSION, world.app.definition, {"env": {"A": "b"}})
                self.assertFalse(new.same_but_scale(world.app.definition))
                world.app.define(new.stamped("v2", True))
                world.fewest = world.most = 4
                world.play()
                self.assertEqual([task.version for task in world.app.tasks], ["v2"] * 4)
                self.assertGreaterEqual(world.fewest, fewest)
                self.assertLessEqual(world.most, most)

    def test_tasks_that_have_not_passed_their_checks_do_not_count(self):
        world = World(definition(instances=1, healthChecks=[{}]))
        world.launch()
        task = world.app.tasks[0]
        self.assertFalse(deploy.usable(task))
        task.health[0] = Health()
        self.assertFalse(deploy.usable(task))
        task.health[0].last_success = wire.now()
        self.assertTrue(deploy.usable(task))
        task.ready = False
        self.assertFalse(deploy.usable(task))

    def test_deleting_is_done_when_nothing_lives(self):
        world = World(definition(instances=3))
        world.play()
        world.app.deleting = True
        world.play()
        self.assertEqual(world.app.tasks, [])


class Ports(unittest.TestCase):
    def test_longest_unused_first(self):
        slave = agents(1, (31000, 31003))[0]
        self.assertEqual(slave.take_ports([0, 0]), [31000, 31001])
        slave.release([31000])
        self.assertEqual(slave.take_ports([0]), [31002])
        slave.release([31001])
        self.assertEqual(slave.take_ports([0, 0, 0]), [31003, 31000, 31001])
        self.assertIsNone(slave.take_ports([0]))

    def test_last_freed_first_on_demand(self):
        slave = agents(1, (31000, 31009), "fast")[0]
        self.assertEqual(slave.take_ports([0, 0]), [31000, 31001])
        slave.release([31001])
        self.assertEqual(slave.take_ports([0]), [31001])

    def test_a_fixed_port_is_taken_once_and_a_failure_takes_nothing(self):
        slave = agents(1, (31000, 31001))[0]
        self.assertEqual(slave.take_ports([31001]), [31001])
        self.assertIsNone(slave.take_ports([31001]))
        self.assertIsNone(slave.take_ports([31000, 0]))
        self.assertEqual(slave.take_ports([31000]), [31000])

    def test_require_ports(self):
        wanted = definition(requirePorts=True, portDefinitions=[{"port": 31005}])
        first, ports = place(agents(2), wanted, [], _Zero())
        self.assertEqual((first.name, ports), ("s0", [31005]))

    def test_unique_constraint(self):
        world = World(definition(instances=3, constraints=[["hostname", "UNIQUE"]]))
        for _ in range(2):
            world.launch()
        self.assertEqual(world.crowd(), [1, 1])
        self.assertEqual(place(world.slaves, world.app.definition, world.app.tasks, _Zero()),
                         (None, None))


class _Zero(dict):
    def __missing__(self, key):
        return 0


class Definitions(unittest.TestCase):
    BRIDGE = {"id": "/web", "container": {"type": "DOCKER", "docker": {
        "image": "i", "network": "BRIDGE",
        "portMappings": [{"containerPort": 3000}, {"containerPort": 3001, "hostPort": 31007}]}}}

    def test_the_old_form_is_migrated_and_shown_in_the_form_of_the_version(self):
        new = parse(VERSION, self.BRIDGE).stamped("v", True).render(VERSION)
        self.assertEqual(new["networks"], [{"mode": "container/bridge"}])
        self.assertEqual([port["hostPort"] for port in new["container"]["portMappings"]], [0, 31007])
        self.assertNotIn("portMappings", new["container"]["docker"])
        self.assertNotIn("portDefinitions", new)
        old_version = Version("1.4.13")
        old = parse(old_version, self.BRIDGE).stamped("v", True).render(old_version)
        self.assertEqual(old["container"]["docker"]["network"], "BRIDGE")
        self.assertEqual(len(old["container"]["docker"]["portMappings"]), 2)
        self.assertEqual(len(old["portDefinitions"]), 2)

    def test_one_port_by_default_on_the_host_network(self):
        self.assertEqual(definition().wanted_host_ports(), [0])
        self.assertEqual(definition(portDefinitions=[]).wanted_host_ports(), [])
        self.assertEqual(definition(ports=[0, 0]).wanted_host_ports(), [0, 0])

    def test_a_mapping_without_host_port_gets_none(self):
        mixed = definition(networks=[{"mode": "container", "name": "n"}], container={
            "type": "DOCKER", "docker": {"image": "i"},
            "portMappings": [{"containerPort": 1}, {"containerPort": 2, "hostPort": 0}]})
        self.assertEqual(mixed.wanted_host_ports(), [0])
        self.assertEqual([index for _, index in mixed.named_ports()], [None, 0])

    def test_service_ports_are_distinct(self):
        one = definition(ports=[0, 10000, 0])
        one.assign_service_ports([10001])
        self.assertEqual(one.service_ports(), [10002, 10000, 10003])

    def test_what_is_refused_names_the_place(self):
        for body, path in (({"instances": -1}, "/instances"), ({"instances": "2"}, "/instances"),
                           ({"instances": True}, "/instances"), ({"cpus": None, "mem": "x"}, "/mem"),
                           ({"healthChecks": {}}, "/healthChecks"),
                           ({"healthChecks": [{"portIndex": 1}]}, "/healthChecks(0)/portIndex"),
                           ({"healthChecks": [{"protocol": "COMMAND"}]}, "/healthChecks(0)/command"),
                           ({"healthChecks": [{"protocol": "COMMAND", "command": {}}]}, "/healthChecks(0)/command/value"),
                           ({"healthChecks": [{"protocol": "X"}]}, "/healthChecks(0)/protocol"),
                           ({"labels": {"a": 1}}, "/labels/a"), ({"env": []}, "/env"),
                           ({"cmd": "a", "args": ["b"]}, "/"),
                           ({"portDefinitions": [{"port": 70000}]}, "/portDefinitions(0)/port"),
                           ({"networks": [{"mode": "x"}]}, "/networks(0)/mode"),
                           ({"constraints": [["hostname"]]}, "/constraints(0)"),
                           ({"upgradeStrategy": {"minimumHealthCapacity": 2}},
                            "/upgradeStrategy/minimumHealthCapacity"),
                           ({"container": {"docker": {}, "type": "DOCKER"}},
                            "/container/docker/image")):
            with self.subTest(body=body):
                with self.assertRaises(Invalid) as caught:
                    parse(VERSION, {"id": "/web", **body})
                self.assertEqual(caught.exception.path, path)
        with self.assertRaises(Invalid) as caught:
            parse(Version("1.4.13"), {"id": "/web", "networks": [{"mode": "host"}]})
        self.assertEqual(caught.exception.path, "/networks")

    def test_ids(self):
        self.assertEqual(wire.canonical_app_id("a/b.c"), "/a/b.c")
        self.assertEqual(wire.safe_path("/a/b"), "a_b")
        for bad in ("", "/", "/A", "/a_b", "/-a", 7):
            with self.assertRaises(ValueError):
                wire.canonical_app_id(bad)


class Selectors(unittest.TestCase):
    def test_selectors(self):
        labels = {"consul": "", "tier": "web"}
        for text, holds in (("consul", True), ("nope", False), ("tier==web", True),
                            ("tier!=web", False), ("tier in (a, web)", True),
                            ("tier notin (a,b)", True), ("consul,tier==api", False)):
            with self.subTest(text=text):
                self.assertEqual(selector.parse(text)(labels), holds)
        for bad in ("==", "tier in web", "a b"):
            with self.assertRaises(ValueError):
                selector.parse(bad)


assert simtest.TOOL     # its import makes marathonsim findable
