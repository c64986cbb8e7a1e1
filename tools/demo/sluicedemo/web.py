# SPDX-License-Identifier: GPL-2.0-only
"""The demonstration: scaling, a container that dies and a daemon that dies, under load, with the lab's own small app."""
from .steps import Steps


class WebStory(Steps):
    app = "/web"
    keep_alive = ("--connections", "16", "--rate", "1500")
    new_each = ("--connections", "16", "--rate", "700", "--close")

    def run(self):
        for step in (self.bring_up, self.deploy, self.spread, self.scale_under_load, self.kill_container, self.kill_daemon):
            step()

    def deploy(self):
        self.report.step("Deploy", f"""
            The app {self.app} with six containers, as an operator does it: a POST to Marathon. Docker publishes each on a host-port from
            31000 to 32000; the programs will spread port 80 over the host-ports of their own slave.""")
        self.scale(6)
        for slave in self.driver.slaves:
            self.show(slave, "backends")
        self.claim_matches_marathon(6)
        for slave in self.driver.slaves:
            count = len(self.driver.tasks(slave))
            self.report.claim(count == 3, f"{slave} runs three containers", f"it runs {count}")

    def spread(self):
        self.report.step("Who answers?", """
            3,000 requests, each over a new connection, half of them to port 80 of each slave. Who answered is read from the
            answers themselves: the app says which container it is.""")
        result = self.driver.load("--requests", "3000", "--connections", "8", "--close").wait()
        self.report.add_load("spread", result)
        self.who_answered(result)
        self.claim_no_failure(result, "spread")
        self.claim_local(result)
        for target in sorted({task["target"] for task in result["tasks"]}):
            counts = [task["connections"] for task in result["tasks"] if task["target"] == target]
            shares = [100 * count / sum(counts) for count in counts]
            self.report.claim(len(counts) == 3 and all(abs(share - 100 / 3) <= 2 for share in shares),
                              f"{self.slave_of(target)}: each of its three containers got a third of the connections, +- 2 %",
                              ", ".join(f"{share:.1f} %" for share in shares))

    def scale_under_load(self):
        self.report.step("Scale up and down under load", """
            16 connections that are kept alive and 16 clients that connect anew for each request ask both slaves all the
            time, while the app goes from 6 containers to 12, to 4, and back to 6. Marathon announces which container will end
            (TASK_KILLING), and the container itself accepts for another second (lame duck); by then nothing is sent to it.""")
        loads = self.both_loads()
        for load in loads.values():
            load.wait_for_more(500)
        for count in (12, 4, 6):
            self.scale(count)
            self.show("slave1", "backends")
            self.claim_matches_marathon(count)
            loads["new connection each"].wait_for_more(1500)
        results = self.finish(loads, "scaling")
        self.who_answered(results["new connection each"])
        for name, result in results.items():
            self.claim_no_failure(result, f"scaling, {name}")
            self.claim_local(result)
            self.report.claim(result["moved"] == 0, f"{name}: no connection ever changed its container",
                              f"{result['moved']} answers came from another one")
        took_part = len(results["new connection each"]["tasks"])
        self.report.claim(took_part >= 12, f"all the containers that ever ran took part ({took_part})")

    def kill_container(self):
        victim = self.driver.tasks("slave1")[0]
        self.report.step("A container dies", f"""
            SIGKILL for the container behind slave1:{victim['port']}, under load. What it was answering dies with it, and so do the
            requests of the instant before its end is known: no balancer can save them; they are counted apart. Then Marathon starts
            another one in its place.""")
        loads = self.both_loads()
        for load in loads.values():
            load.wait_for_more(300)
        self.driver.lab("kill", victim["id"])
        self.wait_until(lambda: victim["port"] not in self.up_ports("slave1"), "the dead container is not up any more")
        self.show("slave1", "backends")
        probe = self.driver.load("--requests", "1500", "--connections", "4", "--close").wait()
        results = self.finish(loads, "container killed", excused=True)
        self.report.add_load("after its end was known", probe)
        lost = sum(result["failed"] for result in results.values())
        self.report.tell(f"Lost with the container: {lost} of {sum(result['requests'] for result in results.values())} requests.")
        self.claim_no_failure(probe, "after its end was known")
        self.report.claim(all(task["task"] != victim["id"] for task in probe["tasks"]),
                          "no new connection went to the dead container", str(victim["id"]))
        self.driver.lab("scale", self.app, "6")
        self.show("slave1", "backends")
        self.claim_matches_marathon(6)

    def kill_daemon(self):
        self.report.step("The daemon dies", """
            SIGKILL for sluiced on both slaves, under load. The packets' way needs no daemon: the programs and their maps stay in
            the kernel, and sluicectl reads them as before. Then sluiced is started again.""")
        loads = self.both_loads()
        for load in loads.values():
            load.wait_for_more(300)
        before = loads["keep-alive"].so_far()
        ports = {slave: self.up_ports(slave) for slave in self.driver.slaves}
        for slave in self.driver.slaves:
            self.driver.lab("kill", slave, "sluiced")
        for load in loads.values():
            load.wait_for_more(2000)
        self.show("slave1", "status")
        self.report.claim(all(self.up_ports(slave) == ports[slave] for slave in self.driver.slaves),
                          "with the daemon dead, sluicectl shows the same backends up")
        for slave in self.driver.slaves:
            self.driver.lab("start", slave, "sluiced")
        for load in loads.values():
            load.wait_for_more(1000)
        self.show("slave1", "status")
        self.claim_matches_marathon(6)
        results = self.finish(loads, "sluiced killed")
        for name, result in results.items():
            self.claim_no_failure(result, f"sluiced killed, {name}")
        after = results["keep-alive"]
        self.report.claim(after["connections"] == before["connections"] == 16 and after["moved"] == 0,
                          "the 16 kept connections lived through it, each with its container",
                          f"{before['connections']} before, {after['connections']} opened in all, {after['moved']} moved")
