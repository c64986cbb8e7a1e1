# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# The network that a cluster lives in (VPC, two subnets, a way to the internet) and who may talk to whom in it. Security
# groups begin closed; wanted_rules() is the whole list of what is opened. For cluster.bash alone to bring in.

find_vpc() {
	look ec2 describe-vpcs --filters "$ours" --query 'Vpcs[0].VpcId'
}

ensure_gateway() {
	local gateway vpc_of
	read -r gateway vpc_of <<<"$(look ec2 describe-internet-gateways --filters "$ours" \
		--query 'InternetGateways[0].[InternetGatewayId,Attachments[0].VpcId]')" || true
	if [[ -z $gateway || $gateway == None ]]; then
		gateway=$(change ec2 create-internet-gateway --tag-specifications "$(tags internet-gateway gateway)" \
			--query InternetGateway.InternetGatewayId)
		vpc_of=None
	fi
	[[ $vpc_of == "$vpc" ]] ||
		change ec2 attach-internet-gateway --internet-gateway-id "$gateway" --vpc-id "$vpc" >/dev/null
	echo "$gateway"
}

# ensure_routes GATEWAY: one table, for both subnets
ensure_routes() {
	local table found subnet
	found=$(look ec2 describe-route-tables --filters "$ours" --query \
		'RouteTables[].[RouteTableId,Associations[].SubnetId,Routes[?DestinationCidrBlock==`0.0.0.0/0`].GatewayId][][]')
	table=$(awk '{ print $1; exit }' <<<"$found")
	[[ -n $table ]] || table=$(change ec2 create-route-table --vpc-id "$vpc" \
		--tag-specifications "$(tags route-table routes)" --query RouteTable.RouteTableId)
	grep -qw -- "$1" <<<"$found" || change ec2 create-route --route-table-id "$table" \
		--destination-cidr-block 0.0.0.0/0 --gateway-id "$1" >/dev/null
	for subnet in "${subnets[@]}"; do
		grep -qw -- "$subnet" <<<"$found" || change ec2 associate-route-table --route-table-id "$table" \
			--subnet-id "$subnet" >/dev/null
	done
}

# ensure_network: sets vpc and subnets[]
ensure_network() {
	local gateway known n
	vpc=$(find_vpc)
	if [[ -z $vpc ]]; then
		vpc=$(change ec2 create-vpc --cidr-block "$VPC_CIDR" --tag-specifications "$(tags vpc network)" \
			--query Vpc.VpcId)
	fi
	# without names in DNS `hostname -f` on a machine gives nothing that Mesos could use
	if [[ $vpc == dry-run || $(look ec2 describe-vpc-attribute --vpc-id "$vpc" --attribute enableDnsHostnames \
		--query EnableDnsHostnames.Value) != True ]]; then
		change ec2 modify-vpc-attribute --vpc-id "$vpc" --enable-dns-hostnames '{"Value":true}' >/dev/null
	fi
	gateway=$(ensure_gateway)
	known=$(role_ids describe-subnets Subnets SubnetId)
	subnets=()
	for n in 0 1; do
		subnets[n]=$(id_of "subnet-$((n + 1))" "$known")
		[[ -n ${subnets[n]} ]] || subnets[n]=$(change ec2 create-subnet --vpc-id "$vpc" \
			--cidr-block "${cidrs[n]}" --availability-zone "${zones[n]}" \
			--tag-specifications "$(tags subnet "subnet-$((n + 1))")" --query Subnet.SubnetId)
	done
	ensure_routes "$gateway"
}

# --- security groups -------------------------------------------------------------------------------------------------

# wanted_rules: lines "group protocol from to peer", peer being a group or a network. Everything that may come in.
wanted_rules() {
	local admin port peer
	echo "elb tcp 80 80 $ELB_CLIENTS"
	echo "slave tcp 80 80 elb"                # the service port, which Sluice balances
	echo "slave tcp 5051 5051 master"         # Mesos agent
	echo "slave tcp ${TASK_PORTS/-/ } master" # Marathon's own health checks come from its leader
	older_than "$MARATHON_VERSION" 1.5 && echo "slave tcp 8081 8081 master" # callbacks to sluiced
	for peer in slave master; do
		echo "master tcp 5050 5050 $peer" # Mesos master
		echo "master tcp 9090 9090 $peer" # Marathon as Mesos's scheduler (LIBPROCESS_PORT)
		echo "master tcp 2181 2181 $peer" # ZooKeeper
		echo "master tcp 8080 8080 $peer" # Marathon
		echo "master tcp 8300 8300 $peer" # Consul RPC
		for port in "tcp 8301 8301" "udp 8301 8301"; do # Consul gossip, every agent with every other
			echo "master $port $peer"
			echo "slave $port $peer"
		done
	done
	echo "master tcp 2888 2888 master" # ZooKeeper among itself
	echo "master tcp 3888 3888 master"
	for admin in $ADMIN_CIDR; do
		echo "slave tcp 22 22 $admin"
		for port in 22 5050 8080; do
			echo "master tcp $port $port $admin"
		done
	done
}

# rules_with_ids: wanted_rules with ids instead of groups' names
rules_with_ids() {
	local group protocol from to peer
	while read -r group protocol from to peer; do
		[[ $peer == */* ]] || peer=${groups[$peer]}
		echo "${groups[$group]} $protocol $from $to $peer"
	done < <(wanted_rules)
}

# permissions: reads "protocol from to peer", prints what authorize and revoke take
permissions() {
	local protocol from to peer sep='[' kind
	while read -r protocol from to peer; do
		kind="\"UserIdGroupPairs\":[{\"GroupId\":\"$peer\"}]"
		[[ $peer == */* ]] && kind="\"IpRanges\":[{\"CidrIp\":\"$peer\"}]"
		printf '%s{"IpProtocol":"%s","FromPort":%s,"ToPort":%s,%s}' "$sep" "$protocol" "$from" "$to" "$kind"
		sep=,
	done
	echo ']'
}

# present_rules ID...: lines as of rules_with_ids
present_rules() {
	look ec2 describe-security-group-rules --filters "Name=group-id,Values=$(tr ' ' , <<<"$*")" --query \
		'SecurityGroupRules[?IsEgress==`false`].[GroupId,IpProtocol,FromPort,ToPort,CidrIpv4||ReferencedGroupInfo.GroupId]' |
		tr '\t' ' '
}

# ensure_groups: sets groups[elb], groups[slave] and groups[master]. A rule that is no longer wanted is taken away.
ensure_groups() {
	local known role present id rules
	declare -gA groups=()
	known=$(role_ids describe-security-groups SecurityGroups GroupId)
	for role in elb slave master; do
		groups[$role]=$(id_of "$role" "$known")
		if [[ -z ${groups[$role]} ]]; then
			groups[$role]=$(change ec2 create-security-group --group-name "$CLUSTER-$role" --vpc-id "$vpc" \
				--description "$CLUSTER: $role" --tag-specifications "$(tags security-group "$role")" --query GroupId)
			# an id for each, so that a dry run shows whose rules they are
			[[ ${groups[$role]} != dry-run ]] || groups[$role]=dry-run-$role
		fi
	done
	present=
	[[ ${groups[*]} == *dry-run* ]] || present=$(present_rules "${groups[@]}")
	for role in elb slave master; do
		id=${groups[$role]}
		rules=$(comm -23 <(rules_with_ids | grep "^$id " | sort) <(sort <<<"$present") | cut -d' ' -f2-)
		[[ -z $rules ]] || change ec2 authorize-security-group-ingress --group-id "$id" \
			--ip-permissions "$(permissions <<<"$rules")" >/dev/null
		rules=$(comm -13 <(rules_with_ids | sort) <(grep "^$id " <<<"$present" | sort) | cut -d' ' -f2-)
		[[ -z $rules ]] || change ec2 revoke-security-group-ingress --group-id "$id" \
			--ip-permissions "$(permissions <<<"$rules")" >/dev/null
	done
}
