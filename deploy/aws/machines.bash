# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# Machines: the roles that let them read their secrets and nothing else, how they are started, the user data that makes
# a master or a slave of a bare Debian, and which of them the load balancer knows. For cluster.bash alone to bring in.

# --- roles -----------------------------------------------------------------------------------------------------------

# secret_policy FOLDER...: may read these folders of the cluster's secrets, and nothing else in the account
secret_policy() {
	local folder sep=
	printf '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:GetParameter","Resource":['
	for folder in "$@"; do
		printf '%s"arn:aws:ssm:%s:*:parameter/sluice/%s/%s/*"' "$sep" "$AWS_REGION" "$CLUSTER" "$folder"
		sep=,
	done
	printf ']}]}'
}

# ensure_role ROLE FOLDER...: role and instance profile CLUSTER-ROLE, whose machines read the secrets in FOLDER...
ensure_role() {
	local name=$CLUSTER-$1 role=$1 policy policy_name profile
	shift
	policy=$(secret_policy "$@")
	# a policy that changes gets a new name, so that its being there is enough to know
	policy_name=secrets-$(cksum <<<"$policy" | cut -d' ' -f1)
	if [[ -z $(look_or_none NoSuchEntity iam get-role --role-name "$name" --query Role.RoleName) ]]; then
		mapfile -t tag_args < <(tag_list "$name" "$role")
		change iam create-role --role-name "$name" --tags "${tag_args[@]}" --assume-role-policy-document \
			'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}' >/dev/null
	fi
	[[ -n $(look_or_none NoSuchEntity iam get-role-policy --role-name "$name" --policy-name "$policy_name" \
		--query PolicyName) ]] || change iam put-role-policy --role-name "$name" --policy-name "$policy_name" \
		--policy-document "$policy" >/dev/null
	profile=$(look_or_none NoSuchEntity iam get-instance-profile --instance-profile-name "$name" \
		--query 'InstanceProfile.[InstanceProfileName,Roles[0].RoleName]')
	if [[ -z $profile ]]; then
		mapfile -t tag_args < <(tag_list "$name" "$role")
		change iam create-instance-profile --instance-profile-name "$name" --tags "${tag_args[@]}" >/dev/null
	fi
	[[ $(awk '{ print $2 }' <<<"$profile") == "$name" ]] ||
		change iam add-role-to-instance-profile --instance-profile-name "$name" --role-name "$name" >/dev/null
}

# --- machines --------------------------------------------------------------------------------------------------------

# instances ROLE: lines "name id state address" of those that are not gone
instances() {
	look ec2 describe-instances --filters "$ours" "Name=tag:sluice-role,Values=$1" \
		Name=instance-state-name,Values=pending,running,stopping,stopped --query \
		"Reservations[].Instances[].[Tags[?Key=='Name']|[0].Value,InstanceId,State.Name,PrivateIpAddress]" | sort -V
}

# ensure_instance ROLE NUMBER TYPE USER_DATA [ADDRESS]: a machine CLUSTER-ROLE-NUMBER that runs
ensure_instance() {
	local role=$1 number=$2 type=$3 user_data=$4 name=$CLUSTER-$1-$2 id state interface spec resource
	local -a key=()
	read -r id state < <(instances "$role" | awk -v name="$name" '$1 == name { print $2, $3; exit }') || true
	case $state in
	pending | running) return ;;
	stopping) change_when_ready IncorrectInstanceState ec2 start-instances --instance-ids "$id" >/dev/null; return ;;
	stopped) change ec2 start-instances --instance-ids "$id" >/dev/null; return ;;
	esac
	interface="DeviceIndex=0,SubnetId=${subnets[(number - 1) % 2]},Groups=${groups[$role]},AssociatePublicIpAddress=true"
	interface+=",DeleteOnTermination=true${5:+,PrivateIpAddress=$5}"
	spec=()
	for resource in instance volume; do
		spec+=("ResourceType=$resource,Tags=[{Key=Name,Value=$name},{Key=sluice-cluster,Value=$CLUSTER},{Key=sluice-role,Value=$role}]")
	done
	[[ -z $KEY_NAME ]] || key=(--key-name "$KEY_NAME")
	# HttpPutResponseHopLimit=1: what runs in a container must not get at the machine's role, and so at its secrets
	change_when_ready 'Invalid IAM Instance Profile' ec2 run-instances --count 1 --image-id "$IMAGE" \
		--instance-type "$type" --iam-instance-profile "Name=$CLUSTER-$role" --network-interfaces "$interface" \
		--metadata-options HttpTokens=required,HttpPutResponseHopLimit=1 "${key[@]}" \
		--block-device-mappings \
		"DeviceName=/dev/xvda,Ebs={VolumeSize=$DISK_GB,VolumeType=gp3,Encrypted=true,DeleteOnTermination=true}" \
		--user-data "file://$user_data" --tag-specifications "${spec[@]}" \
		--query 'Instances[0].InstanceId' >/dev/null
}

wait_running() {
	local -a ids
	((dry_run)) && return
	mapfile -t ids < <(instances "$1" | awk '{ print $2 }')
	((${#ids[@]} == 0)) || look ec2 wait instance-running --instance-ids "${ids[@]}" >/dev/null
}

# --- user data -------------------------------------------------------------------------------------------------------

# marathon_flags: as lines of an environment file; Marathon takes each flag as MARATHON_FLAG too
marathon_flags() {
	# Callbacks: only the leader calls, and any master can become it, so each must have the flag.
	older_than "$MARATHON_VERSION" 1.5 && echo "MARATHON_EVENT_SUBSCRIBER=http_callback"
	# TASK_KILLING tells sluiced to drain before the app hears SIGTERM
	older_than "$MARATHON_VERSION" 1.0 || echo "MARATHON_ENABLE_FEATURES=task_killing"
	return 0
}

# what stands for @NAME@ in the files that machines get
set_values() {
	local -a masters=()
	local zk initial=initial_management
	mapfile -t masters < <(master_addresses)
	older_than "$CONSUL_VERSION" 1.11 && initial=master
	zk=$(printf '%s:2181,' "${masters[@]}")
	declare -gA values=(
		[CLUSTER]=$CLUSTER [REGION]=$AWS_REGION [MASTERS]=$MASTERS [DATACENTER]=$CONSUL_DATACENTER
		[QUORUM]=$((MASTERS / 2 + 1)) [ZK]=${zk%,} [ADDRESSES]="${masters[*]}"
		[ADDRESSES_JSON]=$(printf '"%s", ' "${masters[@]}" | sed 's/, $//')
		[ADDRESSES_32]=$(printf '%s/32, ' "${masters[@]}" | sed 's/, $//')
		[MARATHON_URLS]=$(printf 'http://%s:8080, ' "${masters[@]}" | sed 's/, $//')
		[MARATHON_FLAGS]=$(marathon_flags) [EVENTS]=sse [INITIAL_TOKEN]=$initial
		[PORTS]=$TASK_PORTS [MODE]=$SLUICE_MODE [APP]=$APP_ID [SERVICE]=$CONSUL_SERVICE [DRAIN]=$DRAIN_TIMEOUT
		[SLUICE_URL]=$SLUICE_DEB_URL [SLUICE_SUM]=$SLUICE_DEB_SHA256
		[CONSUL_URL]=$CONSUL_DEB_URL [CONSUL_SUM]=$CONSUL_DEB_SHA256
		[MESOS_URL]=$MESOS_DEB_URL [MESOS_SUM]=$MESOS_DEB_SHA256
		[MARATHON_URL]=$MARATHON_DEB_URL [MARATHON_SUM]=$MARATHON_DEB_SHA256
	)
	older_than "$MARATHON_VERSION" 1.5 && values[EVENTS]=callback
	return 0
}

# render FILE: with @NAME@ replaced
render() {
	local text name
	text=$(<"$1")
	for name in "${!values[@]}"; do
		text=${text//"@$name@"/"${values[$name]}"}
	done
	[[ ! $text =~ @[A-Z_0-9]+@ ]] || fail "$1: no value for ${BASH_REMATCH[0]}"
	printf '%s\n' "$text"
}

# user_data ROLE: cloud-init's configuration: the files below files/all and files/ROLE, then sluice-bootstrap. It holds
# no secret, since whatever runs on the machine and many who may look at the account can read it.
user_data() {
	local file mode root out=$work/$1.yaml
	set_values
	{
		printf '#cloud-config\nwrite_files:\n'
		for root in "$here/files/all" "$here/files/$1"; do
			while IFS= read -r file; do
				mode=0644
				[[ ! -x $file ]] || mode=0755
				printf -- "- path: %s\n  permissions: '%s'\n  content: |\n" "${file#"$root"}" "$mode"
				render "$file" | sed 's/^./    &/'
			done < <(find "$root" -type f | sort)
		done
		printf 'runcmd:\n- [/usr/local/sbin/sluice-bootstrap]\n'
	} >"$out"
	(($(stat -c %s "$out") <= 16384)) || fail "user data of a $1 has more than EC2's 16384 bytes"
	echo "$out"
}

# --- load balancer ---------------------------------------------------------------------------------------------------

elb_name() {
	echo "$CLUSTER-web"
}

find_classic() {
	look_or_none LoadBalancerNotFound elb describe-load-balancers --load-balancer-names "$(elb_name)" \
		--query 'LoadBalancerDescriptions[0].LoadBalancerName'
}

find_target_group() {
	look_or_none TargetGroupNotFound elbv2 describe-target-groups --names "$(elb_name)" \
		--query 'TargetGroups[0].TargetGroupArn'
}

# behind_elb: ids of the machines that it knows; kind is classic or a target group's ARN
behind_elb() {
	if [[ $1 == classic ]]; then
		look elb describe-load-balancers --load-balancer-names "$(elb_name)" \
			--query 'LoadBalancerDescriptions[0].Instances[].InstanceId'
	else
		look elbv2 describe-target-health --target-group-arn "$1" --query \
			"TargetHealthDescriptions[?TargetHealth.State!='draining'].Target.Id"
	fi | tr '\t' '\n'
}

# register_slaves KIND: puts those behind the load balancer that are not
register_slaves() {
	local -a missing targets
	mapfile -t missing < <(comm -23 <(instances slave | awk 'NF { print $2 }' | sort) <(behind_elb "$1" | sort))
	((${#missing[@]} > 0)) || return 0
	if [[ $1 == classic ]]; then
		change elb register-instances-with-load-balancer --load-balancer-name "$(elb_name)" \
			--instances "${missing[@]}" >/dev/null
	else
		mapfile -t targets < <(printf 'Id=%s\n' "${missing[@]}")
		change elbv2 register-targets --target-group-arn "$1" --targets "${targets[@]}" >/dev/null
	fi
}

# find_elb: "classic", a target group's ARN, or nothing
find_elb() {
	local kind
	kind=$(find_classic)
	[[ -z $kind ]] || kind=classic
	[[ -n $kind ]] || kind=$(find_target_group)
	[[ -z $kind ]] || echo "$kind"
}
