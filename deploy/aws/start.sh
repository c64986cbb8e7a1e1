#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# From a bare account to a cluster behind a load balancer: create_master.sh, create_slave.sh, create_elb.sh in this order.
# Run again it makes what is missing and starts what is stopped, and nothing else. stop.sh undoes all of it.
#
#   start.sh [--dry-run]
#
# Settings (how many, of what type): settings.sh, the environment, or a file that SLUICE_SETTINGS names.
set -euo pipefail

case ${1-} in
--help)
	sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"
	exit
	;;
--dry-run | '') ;;
*)
	echo "start.sh: unknown option $1 (--help tells more)" >&2
	exit 2
	;;
esac

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for script in create_master.sh create_slave.sh create_elb.sh; do
	"$here/$script" "$@"
done
