# SPDX-License-Identifier: GPL-2.0-only
name 'sluice'
maintainer 'The Sluice authors'
license 'GPL-2.0-only'
description 'Installs and configures Sluice, the per-host TCP balancer for Mesos slaves'
version '0.1.0'
chef_version '>= 13'
supports 'debian', '>= 12.0'
