# SPDX-License-Identifier: GPL-2.0-only
"""What every story is told with: a lab that is brought up, scaling, loads, and the claims that are checked again and again."""
import time

from .labdriver import DemoError


def short(task):
    """Enough of a task id to tell it from the others."""
    return task.split("instance-")[-1].split("._app")[0].split("-")[0] if "instance-" in task else task[-12:]


def failures(result):
    kinds = [f"{count} {kind}" for kind, count in result["failures"].items() if count]
    first = result["first_failures"][:3]
    return f"{', '.join(kinds)}; first: {first}"


class Steps:
    """A story has an app, two loads, and run(), which says its steps in order."""

    app = ""
    keep_alive = ()
    new_each = ()

    def __init__(self, driver, report):
        self.driver = driver
        self.report = report

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

    def show(self, slave, *args):
        self.report.quote(*self.driver.ctl(slave, *args))

    def up_ports(self, slave):
        return sorted(backend["port"] for backend in self.driver.ctl_json(slave, "backends") if backend["state"] == "up")

    def scale(self, count):
        started = time.monotonic()
        self.driver.lab("scale", self.app, str(count))
        self.report.tell(f"lab scale {self.app} {count}: one call to Marathon, and {time.monotonic() - started:.1f} s later "
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
        return {"keep-alive": self.driver.load(*self.keep_alive), "new connection each": self.driver.load(*self.new_each)}

    def finish(self, loads, what, excused=False):
        results = {name: load.finish() for name, load in loads.items()}
        for name, result in results.items():
            self.report.add_load(f"{what}, {name}", result, excused)
        return results

    @staticmethod
    def wait_until(condition, what, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise DemoError(f"not within {seconds} s: {what}")
            time.sleep(0.1)
