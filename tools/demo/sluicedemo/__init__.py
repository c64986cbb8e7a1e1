# SPDX-License-Identifier: GPL-2.0-only
"""What make demo runs: drives the lab's command as a person would, and checks every claim that it prints."""
