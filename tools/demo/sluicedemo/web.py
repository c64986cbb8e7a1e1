# SPDX-License-Identifier: GPL-2.0-only
"""The demonstration's steps, in order. Every step shows what sluicectl says and ends with claims that were checked."""
import signal
import subprocess
import sys
import time

from .labdriver import DemoError, LabDriver
from .report import Report

APP = "/web"
KEEP_ALIVE = ("--connections", "16", "--rate", "1500")
NEW_EACH = ("--connections", "16", "--rate", "700", "--close")


def short(task):
    """Enough of a task id to tell it from the others."""
    return task.split("instance-")[-1].split("._app")[0].split("-")[0] if "instance-" in task else task[-12:]


def failures(result):
    kinds = [f"{count} {kind}" for kind, count in result["failures"].items() if count]
    first = result["first_failures"][:3]
    return f"{', '.join(kinds)}; first: {first}"


class Story:
    def __init__(self, driver, report):
        self.driver = driver
        self.report = report

    def run(self):
        for step in (self.bring_up, self.deploy, self.spread, self.scale_under_load, self.kill_container, self.kill_daemon):
            step()

    # --- what several steps do

    def show(self, slave, *args):
        self.report.quote(*self.driver.ctl(slave, *args))

    def up_ports(self, slave):
        return sorted(backend["port"] for backend in self.driver.ctl_json(slave, "backends") if backend["state"] == "up")

    def scale(self, count):
        started = time.monotonic()
        self.driver.lab("scale", APP, str(count))
        self.report.tell(f"lab scale {APP} {count}: one call to Marathon, and {time.monotonic() - started:.1f} s later "
                         f"sluicectl shows exactly the {count} running containers as up.")

    def claim_matches_marathon(self, count):
        """Both sides were asked separately: Marathon for its tasks, the kernel's maps for the backends."""
        tasks = self.driver.tasks()
        for slave in self.driver.slaves:
            wanted = sorted(task["port"] for task in tasks if task["host"] == slave)
            got = self.up_ports(slave)
            self.report.claim(got == wanted, f"{slave}: the backends that are up are Marathon's {len(wanted)} containers there",
                              f"Marathon has {wanted}, up are {got}")
        self.report.claim(len(tasks) == count, f"Marathon runs {count} containers", f"it runs {len(tasks)}")

    def claim_local(self, result):
        strays = [task for task in result["tasks"] if self.slave_of(task["target"]) != task["host"]]
        self.report.claim(not strays and result["tasks"], "every request was answered by a container of the slave it was sent to",
                          str(strays))

    def claim_no_failure(self, result, what):
        self.report.claim(result["failed"] == 0 and result["answered"] > 0, f"{what}: {result['requests']} requests, none failed",
                          failures(result))

    @staticmethod
    def slave_of(target):
        return {"10.80.0.2:80": "slave1", "10.80.0.3:80": "slave2"}.get(target)

    def who_answered(self, result):
        rows = [[self.slave_of(task["target"]), task["port"], short(task["task"]), task["requests"], task["connections"]]
                for task in sorted(result["tasks"], key=lambda task: (task["target"], task["port"]))]
        self.report.table(["sent to", "host-port", "container", "requests", "connections"], rows)

    def both_loads(self):
        return {"keep-alive": self.driver.load(*KEEP_ALIVE), "new connection each": self.driver.load(*NEW_EACH)}

    def finish(self, loads, what, excused=False):
        results = {name: load.finish() for name, load in loads.items()}
        for name, result in results.items():
            self.report.add_load(f"{what}, {name}", result, excused)
        return results

    # --- the steps

    def bring_up(self):
        self.report.step("A data centre of one machine", """
            Two slaves, each a network namespace with a Docker engine and a Consul agent of its own; a master with Marathon's
            stand-in and a Consul server; and the ELB, which is where the requests come from. On each slave sluicectl attach has
            put the eBPF programs on eth0, and sluiced runs without any right to the machine.""")
        print(self.driver.lab("up", "--slaves", "2"), end="", flush=True)
        for slave in self.driver.slaves:
            status = self.driver.ctl_json(slave, "status")
            self.report.claim(status["attached"], f"{slave}: the programs are attached", str(status))
        self.show("slave1", "status")

    def deploy(self):
        self.report.step("Deploy", f"""
            The app {APP} with six containers, as an operator does it: a POST to Marathon. Docker publishes each on a host-port from
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
        self.driver.lab("scale", APP, "6")
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

    @staticmethod
    def wait_until(condition, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise DemoError(f"not within {seconds} s: {what}")
            time.sleep(0.1)


def _interrupt(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    driver, report = LabDriver(), Report()
    code = 1
    try:
        Story(driver, report).run()
        code = 1 if report.broken else 0
        report.step("Summary", "")
        report.summary()
    except (DemoError, subprocess.TimeoutExpired, KeyError, ValueError) as error:
        print(f"demo: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        code = 130
    finally:
        if code:
            print(f"demo: the lab's logs are kept in {driver.keep_logs()}", file=sys.stderr)
        driver.lab("down", check=code == 0)
    return code
