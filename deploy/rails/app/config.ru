# SPDX-License-Identifier: GPL-2.0-only
require_relative 'config/environment'
run Rails.application
