# SPDX-License-Identifier: GPL-2.0-only
"""The two load generators: wrk as fast as it goes (raw rate, bulk), and the project's own open-loop client (latency).

Both run in the client's namespace on the last core, and both report what failed by kind.
"""
import json
import subprocess

from sluicelab import processes

from .host import BenchError, generator_core

_LUA = """\
wrk.method = "%(method)s"
%(body)s
%(addresses)s
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '\\n{"requests": %%d, "seconds": %%.6f, "bytes": %%d, "failed": {"connect": %%d, "read": %%d, "write": %%d, "status": %%d, "timeout": %%d}}\\n',
        summary.requests, summary.duration / 1e6, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout))
end
"""


# wrk has one address; each new connection takes the thread's of that moment. So direct has its connections on all host-ports in turn, as
# every balancer has, and the servers accept from as many sockets. The same lines run for all, with one address or four.
_IN_TURN = """\
wrk.headers["Connection"] = "close"
local ready, addresses, at = nil, {}, 0
function init(args)
    ready = wrk.format()
    for host, port in string.gmatch("%s", "([^:,]+):([0-9]+)") do
        addresses[#addresses + 1] = wrk.lookup(host, port)[1]
    end
end
function request()
    at = at %% #addresses + 1
    wrk.thread.addr = addresses[at]
    return ready
end
"""

# Kept connections are a thread's, and so is their address: each thread has the next one.
_SPREAD = """\
local addresses, threads = {}, 0
function setup(thread)
    if threads == 0 then
        for host, port in string.gmatch("%s", "([^:,]+):([0-9]+)") do
            addresses[#addresses + 1] = wrk.lookup(host, port)[1]
        end
    end
    thread.addr = addresses[threads %% #addresses + 1]
    threads = threads + 1
end
"""


def _script(host, name, method="GET", body_bytes=0, in_turn=(), spread=()):
    text = _LUA % {"method": method, "body": f'wrk.body = string.rep("x", {body_bytes})' if body_bytes else "",
                   "addresses": _IN_TURN % ",".join(in_turn) if in_turn else _SPREAD % ",".join(spread) if spread else ""}
    path = host.client_path(f"wrk-{name}.lua")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def wrk(host, url, seconds, connections, in_turn=(), spread=(), threads=1, upload=0):
    """{requests, seconds, rate, bytes, failed: {kind: count}} of one run.

    in_turn: a connection for each request, to these addresses. spread: each thread's kept connections go to the next one of these.
    """
    kind = "close" if in_turn else f"upload{upload}" if upload else "spread" if spread else "keep"
    script = _script(host, kind, "POST" if upload else "GET", upload, in_turn, spread)
    argv = ["taskset", "-c", str(generator_core()), "wrk", "-t", str(threads), "-c", str(connections), "-d", f"{int(seconds)}s",
            "--timeout", "2s", "-s", script, url]
    done = processes.run(*host.client_argv(argv))
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise BenchError(f"wrk has not said what it did:\n{done.stdout}")
    result = json.loads(lines[-1])
    result["rate"] = result["requests"] / result["seconds"]
    return result


class OpenLoop:
    """One run of the open-loop client in the background; `result` waits for it."""

    def __init__(self, host, targets, rate, seconds, **options):
        argv = ["taskset", "-c", str(generator_core()), host.tool("bench", "openloop"), "--rate", str(rate), "--duration",
                str(seconds)]
        for target in targets:
            argv += ["--target", target]
        for name, value in options.items():
            if value is True:
                argv.append(f"--{name.replace('_', '-')}")
            elif value not in (None, False):
                argv += [f"--{name.replace('_', '-')}", str(value)]
        self.popen = subprocess.Popen(host.client_argv(argv), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True, start_new_session=True, stdin=subprocess.DEVNULL)

    def line(self):
        """The next line that it says: "started" when all its connections stand and the clock runs."""
        return self.popen.stdout.readline()

    def result(self):
        """What it says at its end, as soon as it says it: its connections may still be open."""
        said = self.popen.stdout.readline()
        if not said.startswith("{"):
            self.popen.kill()
            raise BenchError(f"openloop: exit {self.popen.wait()}: {said.strip()} {self.popen.stderr.read().strip()}")
        return json.loads(said)

    def end(self):
        """Its connections are closed and it is gone."""
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()
        self.popen.stderr.close()
