#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes slaves: Mesos agent, Docker, Consul agent and Sluice on each. Wants the cluster of create_master.sh. Makes only
# those of slave 1 to N that are not there yet, starts those that are stopped, and puts them behind the load balancer if
# there is one. It never removes any: stop.sh --slave NUMBER does.
#
#   create_slave.sh [--count N] [--dry-run]     N: how many there shall be; default: SLAVES
#
# Settings: settings.sh, the environment, or a file that SLUICE_SETTINGS names.
# shellcheck disable=SC2154,SC2034 # variables that cluster.bash sets and reads
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/cluster.bash"

main() {
	local count=$SLAVES number data kind
	while (($# > 0)); do
		case $1 in
		--help) help; exit ;;
		--dry-run) dry_run=1 ;;
		--count) shift; count=${1-} ;;
		*) usage_error "unknown option $1" ;;
		esac
		shift
	done
	[[ $count =~ ^[1-9][0-9]{0,2}$ ]] || usage_error "--count wants a number from 1 to 999, not \"$count\""
	check_settings
	needs SLUICE_DEB_URL SLUICE_DEB_SHA256 CONSUL_DEB_URL CONSUL_DEB_SHA256 MESOS_DEB_URL MESOS_DEB_SHA256
	((dry_run)) || [[ -n $(find_vpc) ]] || fail "there is no cluster \"$CLUSTER\" in $AWS_REGION: run create_master.sh first"
	data=$(user_data slave)
	ensure_network
	ensure_groups
	ensure_role slave all slave
	for ((number = 1; number <= count; number++)); do
		ensure_instance slave $number "$SLAVE_TYPE" "$data"
	done
	wait_running slave
	kind=$(find_elb)
	[[ -z $kind ]] || register_slaves "$kind"
	say "slaves: $(instances slave | awk '{ print $1 " (" $4 ")" }' | paste -sd' ')"
}

main "$@"
