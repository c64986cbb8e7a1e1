# SPDX-License-Identifier: GPL-2.0-only
"""Sluice beside HAProxy and every other way to do its job, measured so that each of them would accept it."""
