# SPDX-License-Identifier: GPL-2.0-only
"""No balancer: the client asks a host-port itself. The ceiling for everything that stands in between."""
from sluicebench.peer import Peer


class Direct(Peer):
    name = family = "direct"

    def config(self, host, backends):
        return f"nothing; clients connect to {host.address}:{backends[0]} and the ports that follow"

    def _start(self):
        self.host.wait_for(self.backends[0], "a host-port")

    def _stop(self):
        pass

    def targets(self):
        return [f"{self.host.address}:{port}" for port in self.backends]

    def port(self):
        return self.backends[0]


class DirectAgain(Direct):
    """The same once more in each round. How far it seems to be from `direct` is what a run cannot tell from nothing."""
    name = family = "direct-again"


PEERS = [Direct, DirectAgain]
