#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes the masters of a cluster: ZooKeeper, Mesos master, Marathon and Consul server on each of MASTERS machines (one or
# three), with the network, security groups, roles and secrets that masters and slaves need. Makes only what is not
# there yet; a second run changes nothing.
#
#   create_master.sh             do it
#   create_master.sh --dry-run   print the calls that would change something, and make none of them
#
# Settings: settings.sh, the environment, or a file that SLUICE_SETTINGS names.
# shellcheck disable=SC2154,SC2034 # variables that cluster.bash sets and reads
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/cluster.bash"
# shellcheck source=/dev/null
. "$here/secrets.bash"

main() {
	local number=0 address data
	case ${1-} in
	--help) help; exit ;;
	--dry-run) dry_run=1 ;;
	'') ;;
	*) usage_error "unknown option $1" ;;
	esac
	check_settings
	needs CONSUL_DEB_URL CONSUL_DEB_SHA256 MESOS_DEB_URL MESOS_DEB_SHA256 MARATHON_DEB_URL MARATHON_DEB_SHA256
	command -v openssl >/dev/null || fail "no openssl: install it"
	data=$(user_data master)
	ensure_network
	ensure_groups
	ensure_secrets
	ensure_role master all master slave
	ensure_role slave all slave
	while read -r address; do
		number=$((number + 1))
		ensure_instance master $number "$MASTER_TYPE" "$data" "$address"
	done < <(master_addresses)
	wait_running master
	say "masters: $(master_addresses | paste -sd' ')"
}

main "$@"
