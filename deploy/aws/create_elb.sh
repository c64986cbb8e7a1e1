#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Makes the load balancer in front of the slaves' port 80 and puts all slaves behind it: listener on port 80, health
# check, draining and idle time-out. Makes and mends only what differs.
#
#   create_elb.sh [--type classic|nlb|alb] [--dry-run]     default: ELB_TYPE
#
# A classic and an application load balancer speak HTTP to the slaves; a network load balancer passes connections on,
# with the clients' own addresses. README.md says which to take.
# shellcheck disable=SC2154,SC2034 # variables that cluster.bash sets and reads
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/cluster.bash"

ensure_classic() {
	local name target have
	name=$(elb_name)
	target=HTTP:80$HEALTH_PATH
	if [[ -z $(find_classic) ]]; then
		mapfile -t tag_args < <(tag_list "$name" elb)
		change elb create-load-balancer --load-balancer-name "$name" --listeners \
			Protocol=HTTP,LoadBalancerPort=80,InstanceProtocol=HTTP,InstancePort=80 --subnets "${subnets[@]}" \
			--security-groups "${groups[elb]}" --tags "${tag_args[@]}" >/dev/null
		((dry_run)) && have= || have=$(classic_state)
	else
		have=$(classic_state)
	fi
	[[ $have == "$target $HEALTH_INTERVAL "* ]] || change elb configure-health-check --load-balancer-name "$name" \
		--health-check "Target=$target,Interval=$HEALTH_INTERVAL,Timeout=5,UnhealthyThreshold=2,HealthyThreshold=2" >/dev/null
	[[ $have == *" True True $DRAIN_TIMEOUT $IDLE_TIMEOUT" ]] || change elb modify-load-balancer-attributes \
		--load-balancer-name "$name" --load-balancer-attributes "$(printf '{%s,%s,%s}' \
			'"CrossZoneLoadBalancing":{"Enabled":true}' \
			"\"ConnectionDraining\":{\"Enabled\":true,\"Timeout\":$DRAIN_TIMEOUT}" \
			"\"ConnectionSettings\":{\"IdleTimeout\":$IDLE_TIMEOUT}")" >/dev/null
}

# classic_state: "TARGET INTERVAL CROSS-ZONE DRAINS DRAIN-TIMEOUT IDLE-TIMEOUT"
classic_state() {
	{
		look elb describe-load-balancers --load-balancer-names "$(elb_name)" \
			--query 'LoadBalancerDescriptions[0].HealthCheck.[Target,Interval]'
		look elb describe-load-balancer-attributes --load-balancer-name "$(elb_name)" --query \
			'LoadBalancerAttributes.[CrossZoneLoadBalancing.Enabled,ConnectionDraining.Enabled,ConnectionDraining.Timeout,ConnectionSettings.IdleTimeout]'
	} | tr '\t\n' '  ' | sed 's/ $//'
}

# ensure_attributes KIND ARN KEY=VALUE...: of a target-group or a load-balancer
ensure_attributes() {
	local kind=$1 arn=$2 pair known=
	local -a differ=()
	shift 2
	[[ $arn == dry-run ]] || known=$(look elbv2 "describe-$kind-attributes" "--$kind-arn" "$arn" \
		--query 'Attributes[].[Key,Value]' | tr '\t' '=')
	for pair in "$@"; do
		grep -qxF -- "$pair" <<<"$known" || differ+=("Key=${pair%%=*},Value=${pair#*=}")
	done
	((${#differ[@]} == 0)) || change elbv2 "modify-$kind-attributes" "--$kind-arn" "$arn" \
		--attributes "${differ[@]}" >/dev/null
}

# ensure_v2 TYPE: sets kind to the target group
ensure_v2() {
	local type=$1 name balancer protocol=HTTP long=application listener=
	name=$(elb_name)
	[[ $type == alb ]] || protocol=TCP long=network
	mapfile -t tag_args < <(tag_list "$name" elb)
	kind=$(find_target_group)
	[[ -n $kind ]] || kind=$(change elbv2 create-target-group --name "$name" --protocol $protocol --port 80 \
		--vpc-id "$vpc" --target-type instance --health-check-protocol HTTP --health-check-path "$HEALTH_PATH" \
		--health-check-interval-seconds "$HEALTH_INTERVAL" --healthy-threshold-count 2 --unhealthy-threshold-count 2 \
		--tags "${tag_args[@]}" --query 'TargetGroups[0].TargetGroupArn')
	ensure_attributes target-group "$kind" "deregistration_delay.timeout_seconds=$DRAIN_TIMEOUT"
	balancer=$(look_or_none LoadBalancerNotFound elbv2 describe-load-balancers --names "$name" \
		--query 'LoadBalancers[0].LoadBalancerArn')
	[[ -n $balancer ]] || balancer=$(change elbv2 create-load-balancer --name "$name" --type $long \
		--subnets "${subnets[@]}" --security-groups "${groups[elb]}" --tags "${tag_args[@]}" \
		--query 'LoadBalancers[0].LoadBalancerArn')
	case $type in
	alb) ensure_attributes load-balancer "$balancer" "idle_timeout.timeout_seconds=$IDLE_TIMEOUT" ;;
	nlb) ensure_attributes load-balancer "$balancer" load_balancing.cross_zone.enabled=true ;;
	esac
	# shellcheck disable=SC2016 # JMESPath's own quotes
	[[ $balancer == dry-run ]] || listener=$(look elbv2 describe-listeners --load-balancer-arn "$balancer" \
		--query 'Listeners[?Port==`80`].ListenerArn')
	[[ -n $listener ]] || change elbv2 create-listener --load-balancer-arn "$balancer" --protocol $protocol \
		--port 80 --default-actions "Type=forward,TargetGroupArn=$kind" >/dev/null
}

# elb_type KIND: classic, nlb or alb
elb_type() {
	local protocol
	if [[ $1 != classic ]]; then
		protocol=$(look elbv2 describe-target-groups --target-group-arns "$1" --query 'TargetGroups[0].Protocol')
		[[ $protocol == TCP ]] && echo nlb || echo alb
	else
		echo classic
	fi
}

# balancer_address: the name under which clients reach it
balancer_address() {
	if [[ $kind == classic ]]; then
		look elb describe-load-balancers --load-balancer-names "$(elb_name)" \
			--query 'LoadBalancerDescriptions[0].DNSName'
	else
		look elbv2 describe-load-balancers --names "$(elb_name)" --query 'LoadBalancers[0].DNSName'
	fi
}

main() {
	local type=$ELB_TYPE found
	while (($# > 0)); do
		case $1 in
		--help) help; exit ;;
		--dry-run) dry_run=1 ;;
		--type) shift; type=${1-} ;;
		*) usage_error "unknown option $1" ;;
		esac
		shift
	done
	[[ $type =~ ^(classic|nlb|alb)$ ]] || usage_error "--type is classic, nlb or alb, not \"$type\""
	check_settings
	((dry_run)) || [[ -n $(find_vpc) ]] || fail "there is no cluster \"$CLUSTER\" in $AWS_REGION: run create_master.sh first"
	found=$(find_elb)
	if [[ -n $found ]]; then
		[[ $(elb_type "$found") == "$type" ]] ||
			fail "the load balancer $(elb_name) is of type $(elb_type "$found"): stop.sh --elb removes it"
	fi
	ensure_network
	ensure_groups
	if [[ $type == classic ]]; then
		ensure_classic
		kind=classic
	else
		ensure_v2 "$type"
	fi
	if ((dry_run)) && [[ -z $found ]]; then
		say "would put all slaves behind it"
		return
	fi
	register_slaves "$kind"
	say "load balancer: http://$(balancer_address)/"
}

main "$@"
