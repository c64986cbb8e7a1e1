# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# The cluster's secrets: Consul's certificates, keys and tokens, and who may use Marathon. Made once, and kept in AWS's
# parameter store and nowhere else. For create_master.sh alone to bring in.

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
