# SPDX-License-Identifier: GPL-2.0-only
"""Sluice by tc alone, which is what mode `auto` takes on veth."""
from sluicebench.sluice import SluicePeer


class SluiceTc(SluicePeer):
    name = "sluice-tc"
    mode = "tc"


PEERS = [SluiceTc]
