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

# put_secret NAME FILE: readable by the role whose folder NAME begins with
put_secret() {
	change ssm put-parameter --name "/sluice/$CLUSTER/$1" --type SecureString --value "file://$2" \
		--tags "Key=sluice-cluster,Value=$CLUSTER" >/dev/null
}

# make_certificates: an authority for Consul, and the certificate that its servers share. Agents get theirs from the servers.
make_certificates() {
	local days=3650
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days $days -subj "/CN=$CLUSTER Consul" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
		-keyout "$work/consul-ca-key.pem" -out "$work/consul-ca.pem" 2>"$work/openssl" &&
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=server.$CONSUL_DATACENTER.consul" \
			-keyout "$work/consul-server-key.pem" -out "$work/consul-server.csr" 2>>"$work/openssl" &&
		openssl x509 -req -in "$work/consul-server.csr" -CA "$work/consul-ca.pem" -CAkey "$work/consul-ca-key.pem" \
			-CAcreateserial -days $days -out "$work/consul-server.pem" -extfile <(printf '%s\n' \
			"subjectAltName=DNS:server.$CONSUL_DATACENTER.consul,DNS:localhost,IP:127.0.0.1" \
			'extendedKeyUsage=serverAuth,clientAuth' 'keyUsage=critical,digitalSignature') 2>>"$work/openssl" && return
	cat "$work/openssl" >&2
	fail "openssl could not make Consul's certificates"
}

# ensure_secrets: made here, kept in AWS's parameter store, encrypted, and nowhere else
ensure_secrets() {
	local known name missing=0 file=$work/secret
	local -a pem=(operator/consul-ca-key.pem all/consul-ca.pem master/consul-server.pem master/consul-server-key.pem)
	known=$(look ssm describe-parameters --parameter-filters \
		"Key=Path,Option=Recursive,Values=/sluice/$CLUSTER" --query 'Parameters[].Name' | tr '\t' '\n')
	for name in "${pem[@]}"; do
		grep -qx "/sluice/$CLUSTER/$name" <<<"$known" || missing=$((missing + 1))
	done
	((missing == 0 || missing == ${#pem[@]})) || fail "of Consul's ${#pem[@]} certificates and keys $missing are missing" \
		"below /sluice/$CLUSTER in the parameter store: put them back, or delete all ${#pem[@]} and every machine"
	if ((missing > 0)); then
		make_certificates
		for name in "${pem[@]}"; do
			put_secret "$name" "$work/${name##*/}"
		done
	fi
	for name in all/consul-gossip-key all/consul-agent-token all/marathon-user \
		slave/consul-sluice-token master/consul-management-token; do
		grep -qx "/sluice/$CLUSTER/$name" <<<"$known" && continue
		case $name in
		*-key) openssl rand -base64 32 ;;
		*-token) cat /proc/sys/kernel/random/uuid ;;
		*-user) printf 'sluice:%s\n' "$(openssl rand -hex 20)" ;;
		esac | tr -d '\n' >"$file"
		put_secret "$name" "$file"
	done
}

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
