# SPDX-License-Identifier: GPL-2.0-only
"""nftables alone: a NAT rule that counts connections and redirects each to the next host-port. The kernel's own way to do this job."""
from sluicebench.peer import Peer
from sluicelab import processes

# redirect, not dnat: the address stays the host's own. One map look-up a connection; after that connection tracking remembers.
_CONFIG = """\
table ip bench {{
    chain prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr {address} tcp dport 80 redirect to :numgen inc mod {count} map {{ {pairs} }}
    }}
}}
"""


class NftNumgen(Peer):
    name = family = "nft-numgen"
    programs = ("nft",)

    def config(self, host, backends):
        pairs = ", ".join(f"{number} : {port}" for number, port in enumerate(backends))
        return _CONFIG.format(address=host.address, count=len(backends), pairs=pairs)

    def check(self, host, backends):
        host.run("nft", "-c", "-f", host.write("nft-numgen.check", self.config(host, backends)))

    def _start(self):
        self.host.run("nft", "-f", self.host.write("nft-numgen.nft", self.config(self.host, self.backends)))
        self.host.wait_for(self.port(), self.name)

    def _stop(self):
        self.host.run("nft", "delete", "table", "ip", "bench")

    def version(self, host):
        return processes.run("nft", "--version").stdout.strip()


PEERS = [NftNumgen]
