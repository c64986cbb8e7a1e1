# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Every choice that the scripts of this folder leave to the operator, with its default. The environment wins over this
# file, and so does a file of the same form that SLUICE_SETTINGS names: keep yours there, outside this folder. All
# scripts must see the same settings: they find each other's work by CLUSTER.

if [[ -n ${SLUICE_SETTINGS-} ]]; then
	# shellcheck source=/dev/null
	. "$SLUICE_SETTINGS"
fi

# The name under which everything is made, found and removed: small letters, digits and dashes, at most 20.
: "${CLUSTER:=sluice}"
: "${AWS_REGION:=eu-central-1}"
: "${AWS_CLI:=aws}"
# Where the calls go, if not to AWS itself.
: "${AWS_ENDPOINT:=}"

# --- network ---------------------------------------------------------------------------------------------------------
# Two subnets, because an application load balancer wants two zones. Master 1, 2 and 3 get fixed addresses in turn in
# them (.11, .12, .13), so that a new master in a dead one's place is known to everybody already.
: "${ZONES:=${AWS_REGION}a ${AWS_REGION}b}"
: "${VPC_CIDR:=10.80.0.0/16}"
: "${SUBNET_CIDRS:=10.80.0.0/24 10.80.1.0/24}"
# Who may use the load balancer, and who may reach SSH, Mesos's and Marathon's pages (nobody, unless you say so).
: "${ELB_CLIENTS:=0.0.0.0/0}"
: "${ADMIN_CIDR:=}"

# --- machines --------------------------------------------------------------------------------------------------------
# One master or three. Two are worse than one: both must live for either to work.
: "${MASTERS:=1}"
: "${SLAVES:=2}"
: "${MASTER_TYPE:=t3.medium}"
: "${SLAVE_TYPE:=m5.large}"
# Debian 12: Linux 6.1 has what Sluice needs (5.19, BTF). "resolve:ssm:" lets AWS put in the newest image.
: "${IMAGE:=resolve:ssm:/aws/service/debian/release/12/latest/amd64}"
: "${DISK_GB:=20}"
# The name of an EC2 key pair for SSH; none by default.
: "${KEY_NAME:=}"
# Where packets are taken in hand on slaves: auto, tc or native. `native` also sets what the ENA driver wants for
# it: an MTU of at most 3498 and half of the queues. README.md says what that costs and when it is worth it.
: "${SLUICE_MODE:=auto}"

# --- packages --------------------------------------------------------------------------------------------------------
# Each is fetched by the machine at its first start: URL, and SHA-256 of the file, without which it is not installed.
# Neither Mesos, Marathon nor Consul is in Debian 12, so there is no default: put them where your slaves can
# fetch them (a bucket, say).
: "${SLUICE_DEB_URL:=}" "${SLUICE_DEB_SHA256:=}"
: "${CONSUL_DEB_URL:=}" "${CONSUL_DEB_SHA256:=}"
: "${MESOS_DEB_URL:=}" "${MESOS_DEB_SHA256:=}"
: "${MARATHON_DEB_URL:=}" "${MARATHON_DEB_SHA256:=}"
# Their versions decide about flags: Marathon calls back before 1.5 only, Consul renamed a token in 1.11.
: "${MARATHON_VERSION:=1.4.13}"
: "${CONSUL_VERSION:=1.8.7}"

# --- the app ---------------------------------------------------------------------------------------------------------
: "${APP_ID:=/rails}"
# Under which name sluiced registers it in Consul; the ACL token lets it write this one and no other.
: "${CONSUL_SERVICE:=rails}"
: "${CONSUL_DATACENTER:=dc1}"
# Host-ports that Mesos gives to tasks and that Sluice may send packets to. The kernel is told to keep them free.
: "${TASK_PORTS:=31000-32000}"

# --- load balancer ---------------------------------------------------------------------------------------------------
# classic, nlb or alb
: "${ELB_TYPE:=classic}"
: "${HEALTH_PATH:=/}"
: "${HEALTH_INTERVAL:=10}"
# Seconds without a byte after which the load balancer (classic, alb) drops a connection. The app must keep its side
# open longer (75 s, say), or requests meet a connection that has just been closed. An nlb holds 350 s, its own figure.
: "${IDLE_TIMEOUT:=60}"
# Seconds that connections may still last after a slave has been taken out. Not less than the longest request.
: "${DRAIN_TIMEOUT:=60}"

# --- patience --------------------------------------------------------------------------------------------------------
# AWS needs time until a new role is known everywhere and until a load balancer's interfaces are gone: how often a
# call that fails for that is tried, and seconds between.
: "${RETRIES:=40}"
: "${RETRY_SECONDS:=15}"
