# SPDX-License-Identifier: GPL-2.0-only
"""A row made by the open-loop client."""
import contextlib

from .generators import OpenLoop
from .scenario import Row

LATENCY = ("p99", "p99 us", 0)
MORE = (("p50", "p50 us", 0), ("p999", "p99.9 us", 0), ("cpu", "CPU us/req", 1), ("rate", "req/s", 0))


@contextlib.contextmanager
def client(*args, **options):
    """The client at work once its connections stand. It ends with the block."""
    loop = OpenLoop(*args, **options)
    try:
        loop.line()
        yield loop
    except BaseException:
        loop.popen.kill()
        raise
    finally:
        loop.end()


def row(run, scenario, peer, point, result, used, may_fail=False):
    answered = max(result["answered"], 1)
    made = Row(scenario, peer.name, point, p50=result["latency_us"]["p50"], p99=result["latency_us"]["p99"],
               p999=result["latency_us"]["p999"], max=result["latency_us"]["max"], rate=result["achieved_rate"],
               cpu=used["lab"] / answered, cpu_all=used["all"] / answered, other=run.other_load(used, result["seconds"]),
               behind_p99=result["behind_us"]["p99"], failed=sum(result["failed"].values()), result=result)
    if may_fail:
        made.failed = {kind: count for kind, count in result["failed"].items() if count}
        return made
    made.fail_on_errors(result["failed"])
    return made.need_rate(result["achieved_rate"], result["offered_rate"])


def measure(run, scenario, peer, point, rate, seconds, **options):
    """CPU is read when the connections stand and again when the last answer is in."""
    with client(run.host, peer.targets(), rate, seconds, **options) as loop:
        before = run.meter.read()
        result = loop.result()
        used = run.meter.since(before, run.meter.read())
    return row(run, scenario, peer, point, result, used)
