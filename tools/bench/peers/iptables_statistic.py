# SPDX-License-Identifier: GPL-2.0-only
"""iptables' statistic match: what many hosts did before there were nftables, a rule for each backend."""
from sluicebench.peer import Peer
from sluicelab import processes

# Rule k of n takes every (n-k+1)th connection that comes to it, so that each backend gets its share. Restored as a whole, in one step.
# iptables-nft, for its tables can be taken away again; the older iptables-legacy would leave connection tracking on for the rows to come.
_RULE = ("-A PREROUTING -d {address}/32 -p tcp -m tcp --dport 80{match} -j REDIRECT --to-ports {port}")


class IptablesStatistic(Peer):
    name = family = "iptables-statistic"
    programs = ("iptables-nft-restore", "nft")

    def config(self, host, backends):
        rules = []
        for number, port in enumerate(backends):
            left = len(backends) - number
            match = f" -m statistic --mode nth --every {left} --packet 0" if left > 1 else ""
            rules.append(_RULE.format(address=host.address, match=match, port=port))
        return "\n".join(["*nat", ":PREROUTING ACCEPT [0:0]", *rules, "COMMIT"]) + "\n"

    def check(self, host, backends):
        host.run("iptables-nft-restore", "--test", host.write("iptables.check", self.config(host, backends)))

    def _start(self):
        self.host.run("iptables-nft-restore", self.host.write("iptables.rules", self.config(self.host, self.backends)))
        self.host.wait_for(self.port(), self.name)

    def _stop(self):
        self.host.run("nft", "delete", "table", "ip", "nat")

    def version(self, host):
        return processes.run("iptables-nft", "--version").stdout.strip()


PEERS = [IptablesStatistic]
