# SPDX-License-Identifier: GPL-2.0-only
"""HAProxy as marathon-lb runs it: it reads HTTP, picks a backend for each request and keeps connections to backends open."""
from sluicebench.haproxy import HaproxyPeer, variants

# maxconn 7500, maxpipes 1000: two files each, the most that fits into 20,000.
# http-reuse always: one pool of connections to the backends for all clients, which spares HAProxy most of the handshakes.
# redispatch 1: a connection that is refused goes to another server at once. retry-on is left at its default: not every request may be
# sent twice.
# pool-purge-delay: connections in that pool outlive the pauses of a row. http-no-delay is left off: its manual calls it bad for rate.
_CONFIG = """\
global
    maxconn 7500
    maxpipes 1000
    nbthread {threads}
    stats socket {socket} mode 600 level admin expose-fd listeners
defaults
    mode http
    option splice-auto
    option redispatch 1
    option tcp-smart-accept
    http-reuse always
    timeout connect 2s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 290s
    default-server pool-purge-delay 60s
frontend web
    bind {address}:80 backlog 65535
    default_backend web
backend web
    balance {balance}
{servers}
"""


class HaproxyHttp(HaproxyPeer):
    mode = "http"
    template = _CONFIG


class HaproxyHttpNoReuse(HaproxyHttp):
    """A connection to a server for each of a client's, as every layer 4 balancer has them: what `http-reuse` saves is the difference."""
    name = family = "haproxy-http-no-reuse"
    template = _CONFIG.replace("http-reuse always", "http-reuse never")


PEERS = [*variants(HaproxyHttp), HaproxyHttpNoReuse]
