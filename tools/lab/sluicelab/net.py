# SPDX-License-Identifier: GPL-2.0-only
"""The network: a namespace for each host, and one that holds the bridge between them. Nothing is made in the root namespace.

With an MTU, a router stands between the ELB and the rest. It answers ARP and neighbour solicitations for both sides, so no host
knows of it, and its routes carry the MTU while all interfaces keep 1500: whoever sends too much gets "fragmentation needed".
"""
import contextlib
import ctypes
import os

from .failure import LabError
from .processes import run
from .state import NETWORK, NETWORK6, ROUTER_ADDRESS, ROUTER_ADDRESS6

_FOLDER = "/run/netns"
_MADE_FOLDER = "made-run-netns"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(lab, host):
    """Sockets that this thread makes inside, and /proc/sys/net, are the host's."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(lab.netns_path(host), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def _setns(fd):
    if _libc.setns(fd, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise LabError(f"cannot enter a network namespace: {os.strerror(code)}")


def _sysctl(lab, host, **values):
    with inside(lab, host):
        for name, value in values.items():
            with open(f"/proc/sys/net/{name.replace('__', '/')}", "w", encoding="ascii") as file:
                file.write(str(value))


def _note_first_use(lab):
    """The first `ip netns add` of a machine mounts its folder over itself; the marker tells `down` that it was this lab."""
    if not os.path.ismount(_FOLDER):
        with open(lab.path(_MADE_FOLDER), "w", encoding="ascii"):
            pass


def _add_namespace(lab, host):
    run("ip", "netns", "add", lab.netns(host))
    run("ip", "-n", lab.netns(host), "link", "set", "lo", "up")


def _add_link(lab, host, interface, other_host, other_interface):
    run("ip", "link", "add", interface, "netns", lab.netns(host), "type", "veth",
        "peer", "name", other_interface, "netns", lab.netns(other_host))
    run("ip", "-n", lab.netns(host), "link", "set", "dev", interface, "up")
    run("ip", "-n", lab.netns(other_host), "link", "set", "dev", other_interface, "up")


def _to_switch(lab, host):
    _add_link(lab, host, "eth0", "switch", host)
    run("ip", "-n", lab.netns("switch"), "link", "set", "dev", host, "master", "br0")


def _address(lab, host, address, address6):
    run("ip", "-n", lab.netns(host), "address", "add", f"{address}/24", "dev", "eth0")
    run("ip", "-n", lab.netns(host), "address", "add", f"{address6}/64", "dev", "eth0", "nodad")


def _add_router(lab, mtu):
    _add_namespace(lab, "router")
    _to_switch(lab, "router")
    _add_link(lab, "elb", "eth0", "router", "elb")
    _address(lab, "router", ROUTER_ADDRESS, ROUTER_ADDRESS6)
    run("ip", "-n", lab.netns("router"), "route", "replace", f"{NETWORK}.0/24", "dev", "eth0", "src", ROUTER_ADDRESS,
        "mtu", "lock", str(mtu))
    run("ip", "-n", lab.netns("router"), "route", "add", f"{lab.address('elb')}/32", "dev", "elb", "src", ROUTER_ADDRESS,
        "mtu", "lock", str(mtu))
    _sysctl(lab, "router", ipv4__ip_forward=1, ipv4__conf__eth0__proxy_arp=1, ipv4__conf__elb__proxy_arp=1,
            ipv4__conf__all__send_redirects=0, ipv4__conf__eth0__send_redirects=0, ipv4__conf__elb__send_redirects=0)
    _add_router6(lab, mtu)


def _add_router6(lab, mtu):
    _sysctl(lab, "router", ipv6__conf__all__forwarding=1, ipv6__conf__eth0__proxy_ndp=1, ipv6__conf__elb__proxy_ndp=1)
    run("ip", "-n", lab.netns("router"), "route", "replace", f"{NETWORK6}/64", "dev", "eth0", "mtu", "lock", str(mtu))
    run("ip", "-n", lab.netns("router"), "route", "add", f"{lab.address6('elb')}/128", "dev", "elb", "mtu", "lock", str(mtu))
    run("ip", "-n", lab.netns("router"), "neighbour", "add", "proxy", lab.address6("elb"), "dev", "eth0")
    for host in lab.hosts:
        if host != "elb":
            run("ip", "-n", lab.netns("router"), "neighbour", "add", "proxy", lab.address6(host), "dev", "elb")


def build(lab, mtu=None):
    _note_first_use(lab)
    _add_namespace(lab, "switch")
    run("ip", "-n", lab.netns("switch"), "link", "add", "br0", "type", "bridge")
    run("ip", "-n", lab.netns("switch"), "link", "set", "dev", "br0", "up")
    for host in lab.hosts:
        _add_namespace(lab, host)
        if host != "elb" or not mtu:
            _to_switch(lab, host)
    if mtu:
        _add_router(lab, mtu)
    for host in lab.hosts:
        _address(lab, host, lab.address(host), lab.address6(host))
    # Host-ports of tasks lie in 31000-32000: no client of any host may take one of them as its own.
    for host in lab.slaves + ["master"]:
        _sysctl(lab, host, ipv4__ip_local_port_range="32768 60999", core__somaxconn=65535)
    _sysctl(lab, "elb", ipv4__ip_local_port_range="10000 30999", ipv4__tcp_tw_reuse=1)


def remove(lab):
    for host in lab.netns_hosts():
        run("ip", "netns", "delete", lab.netns(host))
    if os.path.exists(lab.path(_MADE_FOLDER)):
        run("umount", _FOLDER, check=False)  # refused while it holds somebody else's namespaces
