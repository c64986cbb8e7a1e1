#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Removes what the other scripts made: all of it, one slave, or the load balancer. Finds it by tag and name, so nothing
# of another cluster is touched; what is gone already is no error.
#
#   stop.sh [--yes] [--dry-run]          everything: load balancer, machines, roles, secrets, network
#   stop.sh --slave NUMBER [--dry-run]   one slave: out of the load balancer, DRAIN_TIMEOUT to finish, then terminated
#   stop.sh --elb [--dry-run]            the load balancer alone
#
# Without --yes it asks before it removes everything. Settings: as the other scripts.
# shellcheck disable=SC2154,SC2034 # variables that cluster.bash sets and reads
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/cluster.bash"

delete_elb() {
	local name balancer group
	name=$(elb_name)
	[[ -z $(find_classic) ]] || change elb delete-load-balancer --load-balancer-name "$name" >/dev/null
	balancer=$(look_or_none LoadBalancerNotFound elbv2 describe-load-balancers --names "$name" \
		--query 'LoadBalancers[0].LoadBalancerArn')
	if [[ -n $balancer ]]; then
		change elbv2 delete-load-balancer --load-balancer-arn "$balancer" >/dev/null
		((dry_run)) || look elbv2 wait load-balancers-deleted --load-balancer-arns "$balancer" >/dev/null
	fi
	group=$(find_target_group)
	[[ -z $group ]] || change_when_ready ResourceInUse elbv2 delete-target-group --target-group-arn "$group" >/dev/null
}

# terminate ID...: and wait until they are gone
terminate() {
	(($# > 0)) || return 0
	change ec2 terminate-instances --instance-ids "$@" >/dev/null
	((dry_run)) || look ec2 wait instance-terminated --instance-ids "$@" >/dev/null
}

delete_machines() {
	local -a ids
	mapfile -t ids < <(for role in slave master; do instances "$role"; done | awk 'NF { print $2 }')
	terminate "${ids[@]}"
}

# delete_slave NUMBER
delete_slave() {
	local kind id behind
	id=$(instances slave | awk -v name="$CLUSTER-slave-$1" '$1 == name { print $2 }')
	[[ -n $id ]] || fail "there is no $CLUSTER-slave-$1"
	kind=$(find_elb)
	behind=
	[[ -z $kind ]] || behind=$(behind_elb "$kind" | grep -x "$id" || true)
	if [[ -n $behind ]]; then
		if [[ $kind == classic ]]; then
			change elb deregister-instances-from-load-balancer --load-balancer-name "$(elb_name)" \
				--instances "$id" >/dev/null
			if ! ((dry_run)); then
				look elb wait instance-deregistered --load-balancer-name "$(elb_name)" --instances \
					"InstanceId=$id" >/dev/null
			fi
		else
			change elbv2 deregister-targets --target-group-arn "$kind" --targets "Id=$id" >/dev/null
			((dry_run)) || look elbv2 wait target-deregistered --target-group-arn "$kind" \
				--targets "Id=$id" >/dev/null
		fi
	fi
	terminate "$id"
}

delete_roles() {
	local role name policy
	for role in master slave; do
		name=$CLUSTER-$role
		if [[ -n $(look_or_none NoSuchEntity iam get-instance-profile --instance-profile-name "$name" \
			--query InstanceProfile.InstanceProfileName) ]]; then
			[[ -z $(look iam get-instance-profile --instance-profile-name "$name" \
				--query 'InstanceProfile.Roles[0].RoleName') ]] ||
				change iam remove-role-from-instance-profile --instance-profile-name "$name" \
					--role-name "$name" >/dev/null
			change iam delete-instance-profile --instance-profile-name "$name" >/dev/null
		fi
		[[ -n $(look_or_none NoSuchEntity iam get-role --role-name "$name" --query Role.RoleName) ]] || continue
		for policy in $(look iam list-role-policies --role-name "$name" --query 'PolicyNames[]'); do
			change iam delete-role-policy --role-name "$name" --policy-name "$policy" >/dev/null
		done
		change iam delete-role --role-name "$name" >/dev/null
	done
}

delete_secrets() {
	local -a names
	mapfile -t names < <(look ssm describe-parameters --parameter-filters \
		"Key=Path,Option=Recursive,Values=/sluice/$CLUSTER" --query 'Parameters[].Name' | tr '\t' '\n' | grep . || true)
	while ((${#names[@]} > 0)); do
		# ten at a time is all that the service takes
		change ssm delete-parameters --names "${names[@]:0:10}" >/dev/null
		names=("${names[@]:10}")
	done
}

# delete_groups: first the rules, since the groups name each other; the load balancer's own interfaces live on for a while
delete_groups() {
	local id rules
	local -a ids
	mapfile -t ids < <(role_ids describe-security-groups SecurityGroups GroupId | awk 'NF { print $2 }')
	((${#ids[@]} > 0)) || return 0
	rules=$(present_rules "${ids[@]}")
	for id in "${ids[@]}"; do
		grep -q "^$id " <<<"$rules" || continue
		change ec2 revoke-security-group-ingress --group-id "$id" --ip-permissions \
			"$(grep "^$id " <<<"$rules" | cut -d' ' -f2- | permissions)" >/dev/null
	done
	for id in "${ids[@]}"; do
		change_when_ready DependencyViolation ec2 delete-security-group --group-id "$id" >/dev/null
	done
}

delete_network() {
	local id gateway vpc
	for id in $(role_ids describe-subnets Subnets SubnetId | awk '{ print $2 }'); do
		change_when_ready DependencyViolation ec2 delete-subnet --subnet-id "$id" >/dev/null
	done
	for id in $(role_ids describe-route-tables RouteTables RouteTableId | awk '{ print $2 }'); do
		change ec2 delete-route-table --route-table-id "$id" >/dev/null
	done
	vpc=$(find_vpc)
	while read -r gateway id; do
		[[ -n $gateway ]] || continue
		[[ $id == None ]] || change_when_ready DependencyViolation ec2 detach-internet-gateway \
			--internet-gateway-id "$gateway" --vpc-id "$id" >/dev/null
		change ec2 delete-internet-gateway --internet-gateway-id "$gateway" >/dev/null
	done < <(look ec2 describe-internet-gateways --filters "$ours" \
		--query 'InternetGateways[].[InternetGatewayId,Attachments[0].VpcId]')
	[[ -z $vpc ]] || change_when_ready DependencyViolation ec2 delete-vpc --vpc-id "$vpc" >/dev/null
}

confirm() {
	local answer=
	((dry_run)) && return
	[[ -t 0 ]] || fail "this removes the whole cluster \"$CLUSTER\" in $AWS_REGION: say --yes if that is meant"
	read -r -p "Remove the whole cluster in $AWS_REGION with all that runs on it? Type its name ($CLUSTER): " answer
	[[ $answer == "$CLUSTER" ]] || fail "nothing was removed"
}

main() {
	local yes=0 slave='' what=all
	while (($# > 0)); do
		case $1 in
		--help) help; exit ;;
		--dry-run) dry_run=1 ;;
		--yes) yes=1 ;;
		--elb) what=elb ;;
		--slave) shift; what=slave slave=${1-} ;;
		*) usage_error "unknown option $1" ;;
		esac
		shift
	done
	check_settings
	case $what in
	elb) delete_elb; return ;;
	slave)
		[[ $slave =~ ^[1-9][0-9]{0,2}$ ]] || usage_error "--slave wants a slave's number, not \"$slave\""
		delete_slave "$slave"
		return
		;;
	esac
	((yes)) || confirm
	delete_elb
	delete_machines
	delete_roles
	delete_secrets
	delete_groups
	delete_network
	say "the cluster \"$CLUSTER\" is gone"
}

main "$@"
