# SPDX-License-Identifier: GPL-2.0-only
"""HAProxy as a layer 4 balancer: the peer that does the same job, one backend for a connection's life."""
from sluicebench.haproxy import HaproxyPeer, variants

# splice-auto: the kernel moves bulk data past the process where HAProxy finds it worth it.
# tcp-smart-accept, tcp-smart-connect: fewer packets for each handshake, as the manual advises for short connections.
# maxconn 7500, maxpipes 1000: two files each, the most that fits into 20,000. No logs, no checks: nothing that the others do not do.
# redispatch 1: a connection that is refused goes to another server at once.
# expose-fd listeners: a reload hands the listening sockets over, so that none is closed meanwhile.
_CONFIG = """\
global
    maxconn 7500
    maxpipes 1000
    nbthread {threads}
    stats socket {socket} mode 600 level admin expose-fd listeners
defaults
    mode tcp
    option splice-auto
    option redispatch 1
    option tcp-smart-accept
    option tcp-smart-connect
    timeout connect 2s
    timeout client 300s
    timeout server 300s
frontend web
    bind {address}:80 backlog 65535
    default_backend web
backend web
    balance {balance}
{servers}
"""


class HaproxyTcp(HaproxyPeer):
    mode = "tcp"
    template = _CONFIG


PEERS = variants(HaproxyTcp)
