# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for Marathon: see ../README.md."""
