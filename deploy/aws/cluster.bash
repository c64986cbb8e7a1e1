# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts of this folder share: settings, calls to AWS, and finding what is there. It brings in network.bash
# and machines.bash, which make the parts that more than one script needs.
#
# Nothing is remembered between runs but the tags on AWS's side: a part is looked for by the tags sluice-cluster and
# sluice-role, and made only if it is not there, so each script may run again after success, after a failure, and
# after a change of the settings. Calls that read go through look(), calls that change something through change(): a
# dry run prints the latter and carries on with the word "dry-run" for the id that it did not get.

shopt -s inherit_errexit
# "&" in a replacement would stand for the match from bash 5.2 on
shopt -u patsub_replacement 2>/dev/null || true
umask 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prog=$(basename "$0")
dry_run=0
# shellcheck source=/dev/null
. "$here/settings.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() {
	printf '%s: %s\n' "$prog" "$*" >&2
}

fail() {
	say "$@"
	exit 1
}

usage_error() {
	say "$* (--help tells more)"
	exit 2
}

# help: the comment at the head of the script itself
help() {
	sed -n '3,/^set /{/^set /d;/^# shellcheck /d;s/^# \{0,1\}//p}' "$0"
}

aws_run() {
	local -a endpoint=()
	[[ -z $AWS_ENDPOINT ]] || endpoint=(--endpoint-url "$AWS_ENDPOINT")
	AWS_PAGER='' "$AWS_CLI" --region "$AWS_REGION" --output text "${endpoint[@]}" "$@"
}

# look SERVICE OPERATION ARGUMENTS...: a call that changes nothing. AWS's word for nothing, None, becomes nothing.
look() {
	local out
	out=$(aws_run "$@") || fail "cannot look: aws $1 $2"
	[[ $out == None ]] || printf '%s\n' "$out"
}

# look_or_none CODE SERVICE OPERATION ARGUMENTS...: the same, where the error CODE means that there is none
look_or_none() {
	local code=$1 out
	shift
	if ! out=$(aws_run "$@" 2>"$work/error"); then
		grep -q "($code)" "$work/error" && return
		cat "$work/error" >&2
		fail "cannot look: aws $1 $2"
	fi
	[[ $out == None ]] || printf '%s\n' "$out"
}

# change SERVICE OPERATION ARGUMENTS...: a call that changes something; prints what --query selects
change() {
	if ((dry_run)); then
		{
			printf 'would: aws'
			printf ' %q' "$@"
			printf '\n'
		} >&2
		echo dry-run
		return
	fi
	say "aws $1 $2"
	aws_run "$@" || fail "failed: aws $1 $2"
}

# change_when_ready PATTERN SERVICE OPERATION ARGUMENTS...: tried again while the error matches PATTERN
change_when_ready() {
	local pattern=$1 try
	shift
	((dry_run)) && {
		change "$@"
		return
	}
	say "aws $1 $2"
	for ((try = 1; ; try++)); do
		aws_run "$@" 2>"$work/error" && return
		if ((try >= RETRIES)) || ! grep -qE "$pattern" "$work/error"; then
			cat "$work/error" >&2
			fail "failed: aws $1 $2"
		fi
		sleep "$RETRY_SECONDS"
	done
}

check_settings() {
	[[ $CLUSTER =~ ^[a-z][a-z0-9-]{0,19}$ ]] || fail "CLUSTER is \"$CLUSTER\": small letters, digits, dashes, at most 20"
	[[ $MASTERS == [13] ]] || fail "MASTERS is \"$MASTERS\": one or three"
	[[ $SLAVES =~ ^[0-9]{1,3}$ ]] || fail "SLAVES is \"$SLAVES\": a number"
	[[ $ELB_TYPE =~ ^(classic|nlb|alb)$ ]] || fail "ELB_TYPE is \"$ELB_TYPE\": classic, nlb or alb"
	[[ $SLUICE_MODE =~ ^(auto|tc|native)$ ]] || fail "SLUICE_MODE is \"$SLUICE_MODE\": auto, tc or native"
	[[ $TASK_PORTS =~ ^[0-9]+-[0-9]+$ ]] || fail "TASK_PORTS is \"$TASK_PORTS\": MIN-MAX"
	[[ $APP_ID == /* ]] || fail "APP_ID is \"$APP_ID\": an app's path begins with /"
	# shellcheck disable=SC2153 # settings.sh sets it
	read -r -a zones <<<"$ZONES"
	read -r -a cidrs <<<"$SUBNET_CIDRS"
	((${#zones[@]} == 2 && ${#cidrs[@]} == 2)) || fail "ZONES and SUBNET_CIDRS: two of each"
	command -v "$AWS_CLI" >/dev/null || fail "no $AWS_CLI: install the AWS command line (Debian: awscli)"
	ours="Name=tag:sluice-cluster,Values=$CLUSTER"
}

# needs NAME...: settings without which this script cannot go on
needs() {
	local name
	for name in "$@"; do
		[[ -n ${!name} ]] || fail "$name is not set: see $here/settings.sh"
	done
}

# tag_list NAME ROLE: in the form that services other than EC2 take
tag_list() {
	printf 'Key=Name,Value=%s\nKey=sluice-cluster,Value=%s\nKey=sluice-role,Value=%s\n' "$1" "$CLUSTER" "$2"
}

# tags TYPE ROLE: for EC2, given when the thing is made, so that nothing of ours is ever without them
tags() {
	printf 'ResourceType=%s,Tags=[{Key=Name,Value=%s},{Key=sluice-cluster,Value=%s},{Key=sluice-role,Value=%s}]' \
		"$1" "$CLUSTER-$2" "$CLUSTER" "$2"
}

# master_addresses: one a line, from the settings alone
master_addresses() {
	local n cidr
	for ((n = 1; n <= MASTERS; n++)); do
		cidr=${cidrs[(n - 1) % 2]}
		echo "${cidr%.*}.$((10 + n))"
	done
}

# role_ids OPERATION LIST ID: lines "role id" of everything of ours of one kind
role_ids() {
	look ec2 "$1" --filters "$ours" --query "$2[].[Tags[?Key=='sluice-role']|[0].Value,$3]"
}

# id_of ROLE LINES: from what role_ids printed
id_of() {
	awk -v role="$1" '$1 == role { print $2; exit }' <<<"$2"
}

# older_than VERSION VERSION
older_than() {
	[[ $1 != "$2" && $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]
}

# shellcheck source=/dev/null
. "$here/network.bash"
# shellcheck source=/dev/null
. "$here/machines.bash"
