# SPDX-License-Identifier: GPL-2.0-only
"""The lab, driven through its command line and nothing else."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
SHOWN = "lab"  # how the command is written in quotes: tools/lab/lab is noise


class DemoError(Exception):
    """The demo cannot go on."""


class LabDriver:
    def __init__(self):
        self.environment = dict(os.environ, LAB=f"demo-{os.getpid()}")
        self.environment.pop("LAB_DIR", None)
        self.slaves = ["slave1", "slave2"]
        self.load_count = 0
        self.scale_seconds = 60  # until so many containers are up

    def lab(self, *args, check=True, timeout=90):
        environment = self.environment | {"LAB_SCALE_SECONDS": str(self.scale_seconds)}
        done = subprocess.run([os.path.join(ROOT, "tools", "lab", "lab"), *args], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=max(timeout, self.scale_seconds + 30),
                              check=False)
        if check and done.returncode:
            raise DemoError(f"lab {' '.join(args)}: exit {done.returncode}\n{done.stderr.strip()}")
        return done.stdout

    def status(self):
        return json.loads(self.lab("status", "--json"))

    def tasks(self, slave=None):
        return [task for task in self.status()["tasks"] if slave in (None, task["host"])]

    def ctl(self, slave, *args):
        """(the command as a person types it, its output)"""
        return (f"{SHOWN} exec {slave} -- sluicectl {' '.join(args)}", self.lab("exec", slave, "--", "sluicectl", *args))

    def ctl_json(self, slave, verb):
        return json.loads(self.lab("exec", slave, "--", "sluicectl", "--json", verb))

    def load(self, *args):
        return Load(self, args)

    def keep_logs(self):
        """Where the logs were copied to, for a reader whose demo failed."""
        kept = os.path.join(ROOT, "build", "demo-logs")
        with contextlib.suppress(OSError, DemoError, ValueError):
            work = self.status()["work"]
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(os.path.join(work, "log"), kept)
        return kept


class Load:
    """Requests from the ELB to port 80 of every slave, until finish()."""

    def __init__(self, driver, args):
        driver.load_count += 1
        work = driver.status()["work"]
        self.file = os.path.join(work, f"load-{driver.load_count}.json")
        urls = [part for address in ("10.80.0.2", "10.80.0.3") for part in ("--url", f"http://{address}:80/")]
        self.process = subprocess.Popen([os.path.join(ROOT, "tools", "lab", "lab"), "exec", "elb", "--", "load", *urls, *args,
                                         "--json", "--status", self.file], env=driver.environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def so_far(self):
        """The counts of a tenth of a second ago, or None if there are none yet."""
        try:
            with open(self.file, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def wait_for_more(self, count, seconds=30):
        """Until so many more requests were answered or have failed."""
        deadline = time.monotonic() + seconds
        first = self.done()
        while self.done() < first + count:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"the load does not get on: {self.so_far()}")
            time.sleep(0.1)

    def done(self):
        """How many requests were answered or have failed."""
        counts = self.so_far()
        return counts["answered"] + counts["failed"] if counts else 0

    def wait(self):
        return self._result(60)

    def finish(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._result(20)

    def _result(self, seconds):
        output, errors = self.process.communicate(timeout=seconds)
        try:
            return json.loads(output)
        except ValueError:
            raise DemoError(f"load: exit {self.process.returncode}: {errors.strip() or output[:200]}") from None
