# SPDX-License-Identifier: GPL-2.0-only
"""HAProxy as a peer, in both of its modes: one process, threads as the variant says, told of changes by reload or by its runtime API."""
import signal
import socket

from sluicelab import processes
from sluicelab.failure import LabError, wait_until

from .peer import ProcessPeer


def ask(path, command):
    """One command to the runtime API; what it says."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(path)
        connection.sendall(command.encode() + b"\n")
        connection.shutdown(socket.SHUT_WR)  # a master's socket would wait for more
        said = b""
        while chunk := connection.recv(4096):
            said += chunk
    return said.decode().strip()


class HaproxyPeer(ProcessPeer):
    mode = ""
    threads = 2
    template = ""
    can_change = True
    by_reload = False
    checks = ""  # how it watches its servers, in its own words
    programs = ("haproxy",)

    def config(self, host, backends):
        return self.template.format(threads=self.threads, balance=self.balance, address=host.address, socket=self.socket(host),
                                    servers="\n".join(f"    server s{port} {host.address}:{port} {self.checks}".rstrip()
                                                      for port in backends))

    def socket(self, host):
        return host.work("haproxy.sock")

    def master_socket(self, host):
        return host.work("haproxy-master.sock")

    def check(self, host, backends):
        processes.run("haproxy", "-c", "-f", host.write(f"{self.name}.check", self.config(host, backends)))

    def argv(self, path):
        # -W: a master that re-executes itself at SIGUSR2, which is what a reload is; -S: where it can be asked whether it is there
        return ["haproxy", "-W", "-S", self.master_socket(self.host), "-f", path] if self.by_reload else ["haproxy", "-db", "-f", path]

    def _wait_master(self):
        """Until the master is in its loop: 2.6 loses a signal that comes while it begins or re-executes itself, its workers serving already."""
        def answers():
            try:
                return "master" in ask(self.master_socket(self.host), "show proc")
            except OSError:
                return False

        wait_until(answers, 10, f"{self.name}: its master answers", self.child.log)

    def change(self, backends):
        if self.by_reload:
            self.write(self.host, backends)
            self._wait_master()
            self.child.popen.send_signal(signal.SIGUSR2)
            return
        for port in self.backends:
            wanted = "ready" if port in backends else "drain"
            said = ask(self.socket(self.host), f"set server web/s{port} state {wanted}")
            if said:
                raise LabError(f"{self.name}: {said}")

    def served(self):
        """The ports that it gives new connections to, in order, by its own words: a reload is asked for, never acknowledged."""
        found = []
        for line in ask(self.socket(self.host), "show servers state web").splitlines():
            words = line.split()
            if len(words) > 6 and words[1] == "web" and words[6] == "0":  # srv_admin_state: neither drained nor in maintenance
                found.append(int(words[3].removeprefix("s")))
        return sorted(found)

    def wait_served(self, backends):
        wait_until(lambda: self.served() == sorted(backends), 10, f"{self.name} serves what it was told last")

    def version(self, host):
        return processes.run("haproxy", "-v").stdout.splitlines()[0]


def variants(base):
    """1 and 2 threads, roundrobin and leastconn, of one mode."""
    made = []
    for threads in (1, 2):
        for balance in ("roundrobin", "leastconn"):
            made.append(type(base.__name__, (base,), {"name": f"haproxy-{base.mode}-{threads}t-{balance}", "threads": threads,
                                                      "balance": balance, "family": f"haproxy-{base.mode}"}))
    return made
