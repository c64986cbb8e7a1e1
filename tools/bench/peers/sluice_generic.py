# SPDX-License-Identifier: GPL-2.0-only
"""Sluice with XDP in the stack. Meant for tests only, never chosen by `auto`; here so that nobody has to wonder."""
from sluicebench.sluice import SluicePeer


class SluiceGeneric(SluicePeer):
    name = "sluice-generic"
    mode = "generic"


PEERS = [SluiceGeneric]
