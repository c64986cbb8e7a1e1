# SPDX-License-Identifier: GPL-2.0-only
"""The lab: a small data centre in network namespaces on one kernel."""
