# SPDX-License-Identifier: GPL-2.0-only
"""The story this project began with: a Rails app in Docker on Marathon, scaled and replaced by a new version under load.

The app, its image and its Marathon document are those of deploy/rails; only the image's base is made without a registry.
"""
import json
import os
import re
import subprocess
import time

from .labdriver import ROOT, DemoError
from .steps import Steps

RAILS = os.path.join(ROOT, "deploy", "rails")
LEAST_REQUESTS = 20000
LOAD_SECONDS = 1800  # Rails boots and answers from two processors that others may use too
PAGES = 20  # looked at on each slave
BASE = "rails-base"


class RailsStory(Steps):
    app = "/rails"
    keep_alive = ("--connections", "8", "--rate", "150", "--timeout", "30000")
    new_each = ("--connections", "8", "--rate", "150", "--timeout", "30000", "--close")

    def __init__(self, driver, report):
        super().__init__(driver, report)
        driver.scale_seconds = 300
        with open(os.path.join(RAILS, "marathon.json"), encoding="utf-8") as file:
            self.definition = json.load(file)

    def run(self):
        for step in (self.bring_up, self.build, self.deploy):
            step()
        loads = self.both_loads()
        self.scale_under_load(loads)
        self.roll(loads)

    # --- what several steps do

    def document(self, version):
        """The Marathon document for a version, as a file."""
        path = os.path.join(self.driver.status()["work"], f"rails-{version}.json")
        definition = json.loads(json.dumps(self.definition))
        definition["container"]["docker"]["image"] = f"rails:{version}"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(definition, file, indent=1)
        return path

    def docker(self, slave, *args):
        return self.driver.lab("exec", slave, "--", "env", "DOCKER_BUILDKIT=0", "/usr/bin/docker", *args, timeout=300)

    def versions_seen(self, slave):
        """Which versions say so on their page, each asked for over a connection of its own."""
        address = {"slave1": "10.80.0.2", "slave2": "10.80.0.3"}[slave]
        pages = self.driver.lab("exec", "elb", "--", "curl", "-sS", "--fail", "--max-time", "60", "-H", "Connection: close",
                                *[f"http://{address}/"] * PAGES, timeout=300)
        return re.findall(r"version (\w+) of the app", pages)

    def claim_version(self, version):
        for slave in self.driver.slaves:
            seen = self.versions_seen(slave)
            self.report.claim(seen == [version] * PAGES, f"{slave}: {PAGES} of {PAGES} pages are version {version}'s",
                              f"seen: {seen}")

    def claim_memory(self):
        """The most that each container's process has ever taken."""
        most = 0
        for task in self.driver.tasks():
            with open(f"/proc/{task['pid']}/status", encoding="ascii") as file:
                most = max(most, int(re.search(r"VmHWM:\s+(\d+) kB", file.read()).group(1)) // 1024)
        self.report.claim(0 < most <= self.definition["mem"],
                          f"no container took more than its {self.definition['mem']} MiB (the most: {most})", f"one took {most}")

    # --- the steps

    def build(self):
        self.report.step("The image", """
            Ruby, Rails and puma come from Debian's packages, unpacked into the image's base without any registry; the
            app's own Dockerfile puts each of its two versions on top.""")
        base = subprocess.run([os.path.join(RAILS, "offline-base")], stdout=subprocess.PIPE, text=True, check=False)
        if base.returncode:
            raise DemoError(f"offline-base: exit {base.returncode}")
        for slave in self.driver.slaves:
            self.docker(slave, "import", base.stdout.strip(), BASE)
            for version in ("1", "2"):
                self.docker(slave, "build", "-q", "--build-arg", f"BASE={BASE}", "--build-arg", f"VERSION={version}",
                            "-t", f"rails:{version}", RAILS)
            self.driver.lab("config", slave, f"service.web.marathon_app={self.app}")
        self.report.quote("lab exec slave1 -- docker images rails", self.docker("slave1", "images", "rails"))
        size = int(self.docker("slave1", "image", "inspect", "--format", "{{.Size}}", "rails:1")) // 10**6
        self.report.claim(size <= 120, f"the image has {size} MB", "more than 120")

    def deploy(self):
        self.report.step("Deploy", """
            deploy/rails/marathon.json, posted to Marathon: two containers, a health check that waits until Rails has booted, 20 s
            between SIGTERM and SIGKILL.""")
        self.driver.lab("scale", self.app, "2", "--json", self.document("1"))
        for slave in self.driver.slaves:
            self.show(slave, "backends")
        self.claim_matches_marathon(2)
        self.report.quote("lab exec elb -- curl http://10.80.0.2/", self.driver.lab("exec", "elb", "--", "curl", "-sS",
                                                                                "http://10.80.0.2/"))
        self.claim_version("1")

    def scale_under_load(self, loads):
        self.report.step("Scale from 2 to 6 to 3 under load", """
            8 connections that are kept alive and 8 clients that connect anew for each request ask both slaves, from here to the
            end. A container that must go is told so by SIGTERM, by then gets no new connection, and accepts for 3 s more.""")
        for count in (6, 3):
            loads["new connection each"].wait_for_more(500, LOAD_SECONDS)
            self.scale(count)
            self.show("slave1", "backends")
            self.claim_matches_marathon(count)

    def roll(self, loads):
        self.report.step("A new version", """
            The same document with image rails:2, put to Marathon: it starts new containers and ends old ones as the new ones
            become healthy. The load goes on.""")
        old = {task["id"] for task in self.driver.tasks()}
        loads["new connection each"].wait_for_more(500, LOAD_SECONDS)
        started = time.monotonic()
        self.driver.lab("scale", self.app, "3", "--json", self.document("2"), "--no-wait")
        self.wait_until(lambda: not old & {task["id"] for task in self.driver.tasks()}, "the old version's containers are gone",
                        self.driver.scale_seconds)
        self.scale(3)
        self.report.tell(f"{time.monotonic() - started:.0f} s after the call the old version is gone.")
        for slave in self.driver.slaves:
            self.show(slave, "backends")
        self.claim_matches_marathon(3)
        self.claim_version("2")
        self.claim_memory()
        self.report.tell(f"The load goes on until both together have asked {LEAST_REQUESTS} times.")
        while (left := LEAST_REQUESTS - sum(load.done() for load in loads.values())) > 0:
            loads["keep-alive"].wait_for_more(min(left, 200), LOAD_SECONDS)
        self.judge(self.finish(loads, "scaling and new version"), old)

    def judge(self, results, old):
        self.who_answered(results["new connection each"])
        for name, result in results.items():
            self.claim_no_failure(result, name)
            self.claim_local(result)
            self.report.claim(result["moved"] == 0, f"{name}: no connection ever changed its container",
                              f"{result['moved']} answers came from another one")
        total = sum(result["answered"] for result in results.values())
        self.report.claim(total >= LEAST_REQUESTS, f"at least {LEAST_REQUESTS} requests were answered ({total})", "too few")
        names = {task["task"] for task in results["new connection each"]["tasks"]}
        now = {task["id"] for task in self.driver.tasks()}
        self.report.claim(len(names) >= 9 and old | now <= names,
                          f"all the containers of both versions took part ({len(names)})", str(sorted(names)))
