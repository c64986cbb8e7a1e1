# SPDX-License-Identifier: GPL-2.0-only
#
# The parts of Rails that a page without database, cookies and sessions needs.
require 'rails'
require 'action_controller/railtie'
require 'securerandom'
require_relative '../lib/lame_duck'

module Example
  class Application < Rails::Application
    config.root = File.expand_path('..', __dir__)
    config.load_defaults 6.1
    # all code is loaded at boot and none is looked for again: requests need no lock for it
    config.cache_classes = true
    config.eager_load = true
    # nothing is signed with it, but production wants one; an app with cookies gets one from its environment
    config.secret_key_base = ENV['SECRET_KEY_BASE'] || SecureRandom.hex(64)
    config.logger = ActiveSupport::Logger.new($stdout)
    config.log_level = ENV.fetch('LOG_LEVEL', 'warn').to_sym
    # whom the load balancer's clients ask for is not known here, and the health check asks for an address
    config.hosts.clear
    [ActionDispatch::Cookies, ActionDispatch::Session::CookieStore, ActionDispatch::Flash, Rack::ETag, Rack::ConditionalGet,
     ActionDispatch::Static].each { |unused| config.middleware.delete(unused) }
    config.middleware.insert_before 0, LameDuck, seconds: Float(ENV.fetch('LAME_DUCK_SECONDS', '3'))
  end
end
