# SPDX-License-Identifier: GPL-2.0-only
"""Tasks as processes in the network namespace of a slave, each in a session of its own.

They outlive the simulator. Their environment carries its id, by which they are found again.
"""

import os
import select
import signal
import subprocess

from . import launch
from .executor import Exit, LaunchError

_KEEP_LOGS = 64


def _signal_number(name):
    return signal.Signals[name if name.startswith("SIG") else "SIG" + name]


def _words_for(code):
    if code < 0:
        return Exit(False, f"Command terminated with signal {signal.strsignal(-code)}")
    return Exit(code == 0, f"Command exited with status {code}")


class ProcessHandle:
    container = None

    def __init__(self, pid, ip, child=None):
        self.pid = pid
        self.ip = ip
        self._child = child
        self._pidfd = os.pidfd_open(pid)

    def wait(self):
        if self._child is not None:
            return _words_for(self._child.wait())
        poller = select.poll()
        poller.register(self._pidfd, select.POLLIN)
        poller.poll()
        return Exit(False, "Command ended while Marathon was away, status unknown")

    def _group(self, number):
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass

    def terminate(self):
        self._group(signal.SIGTERM)

    def destroy(self):
        self._group(signal.SIGKILL)

    def hit(self, name):
        try:
            signal.pidfd_send_signal(self._pidfd, _signal_number(name))
        except ProcessLookupError:
            pass

    def check(self, command, timeout):
        """With the task's environment and network, as Mesos' executor does it."""
        argv = ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", "/bin/sh", "-c", command]
        env = _environ(self.pid)
        env.pop("MARATHON_SIM_ID", None)    # it is no task, and is not to be found again as one
        try:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, env=env, cwd="/",
                                     start_new_session=True)
        except OSError as error:
            return str(error)
        try:
            code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return f"Command timed out after {timeout} secs"
        return None if code == 0 else _words_for(code).message

    def cleanup(self):
        self._group(signal.SIGKILL)
        os.close(self._pidfd)


def _environ(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = file.read().split(b"\0")
    except OSError:
        return {}
    text = (pair.decode(errors="replace").partition("=") for pair in pairs if b"=" in pair)
    return {name: value for name, _, value in text}


class ProcessExecutor:
    def __init__(self, agent, sim_id, log_dir):
        self._agent = agent
        self._sim_id = sim_id
        self._log_dir = log_dir

    def _wrapped(self, argv):
        wrapped = []
        if self._agent.settings.get("cgroup"):
            wrapped += ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"',
                        self._agent.settings["cgroup"]]
        if self._agent.settings.get("netns"):
            wrapped += ["nsenter", f"--net={self._agent.settings['netns']}", "--"]
        return wrapped + argv

    def _trim_logs(self):
        logs = sorted(os.scandir(self._log_dir), key=lambda entry: entry.inode())
        for entry in logs[:-_KEEP_LOGS]:
            try:
                os.unlink(entry.path)
            except FileNotFoundError:
                pass

    def launch(self, task):
        env = launch.environment(task, self._sim_id)
        entrypoint, command = launch.words(task, env, bridged=False)
        argv = (entrypoint or []) + command
        if not argv:
            raise LaunchError("no cmd, no args, and the slave has no command of its own")
        self._trim_logs()
        log = os.path.join(self._log_dir, f"{task.id}.log")
        everything = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")}
        everything.update(env)
        try:
            with open(log, "wb") as output:
                child = subprocess.Popen(self._wrapped(argv), stdin=subprocess.DEVNULL,
                                         stdout=output, stderr=output, env=everything,
                                         cwd="/", start_new_session=True)
        except OSError as error:
            raise LaunchError(f"Failed to launch: {error}") from error
        return ProcessHandle(child.pid, self._agent.address, child)

    def recover(self, known):
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            env = _environ(name)
            if env.get("MARATHON_SIM_ID") != self._sim_id or env.get("HOST") != self._agent.host:
                continue
            try:
                handle = self._recover_one(int(name), env["MESOS_TASK_ID"], known, found)
            except (ProcessLookupError, KeyError):
                continue
            if handle is not None:
                found[env["MESOS_TASK_ID"]] = handle
        return found

    def _recover_one(self, pid, task_id, known, found):
        if task_id not in known:
            os.kill(pid, signal.SIGKILL)
            return None
        if task_id in found or os.getpgid(pid) != pid:
            return None
        return ProcessHandle(pid, self._agent.address)

    def close(self):
        pass
