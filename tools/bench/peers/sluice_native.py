# SPDX-License-Identifier: GPL-2.0-only
"""Sluice with XDP in the driver. Right on real NICs; on veth it costs the sender its TSO (bulk shows that)."""
from sluicebench.sluice import SluicePeer


class SluiceNative(SluicePeer):
    name = "sluice-native"
    mode = "native"


PEERS = [SluiceNative]
