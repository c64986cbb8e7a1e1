# SPDX-License-Identifier: GPL-2.0-only
require_relative 'application'
Rails.application.initialize!
