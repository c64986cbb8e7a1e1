# SPDX-License-Identifier: GPL-2.0-only
include_recipe 'sluice::install'
include_recipe 'sluice::configure'
include_recipe 'sluice::service'
