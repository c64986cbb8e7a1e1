#!/usr/bin/ruby
# SPDX-License-Identifier: GPL-2.0-only
#
# Debian has no Chef, so this stands in for the little of it that the cookbook uses: attributes with defaults, search by
# role, data bags, and resources, which it only records. Runs the default recipe and prints the resources, the settings for the
# kernel and, to the file that the first argument names, the configuration that the template gives. What it does not know is
# an error.
require 'erb'
require 'json'

COOKBOOK = File.expand_path('../../deploy/chef/sluice', __dir__)

class Chef
  Config = { file_cache_path: '/var/cache/chef' }.freeze
end

class Node < Hash
  attr_reader :chef_environment
  def initialize
    super { |hash, key| hash[key] = Node.new }
    @chef_environment = 'production'
  end

  def role?(name)
    self['roles'].include?(name)
  end
end

# what an attribute file is evaluated in
class Attributes
  attr_reader :default
  def initialize(node)
    @default = node
  end
end

class Resource
  ALLOWED = %i[source checksum command environment action notifies gid system home manage_home shell not_if owner group mode
               content sensitive variables verify].freeze
  attr_reader :kind, :name, :set
  def initialize(kind, name)
    @kind, @name, @set = kind, name, {}
  end

  ALLOWED.each do |key|
    define_method(key) do |*values|
      raise "#{@kind}[#{@name}]: #{key} without a value" if values.empty?
      (@set[key] ||= []) << values
    end
  end
end

class Recipe
  KINDS = %i[remote_file execute package group user directory file template service].freeze
  attr_reader :node, :resources
  def initialize(node)
    @node, @resources = node, []
  end

  def include_recipe(name)
    path = "#{COOKBOOK}/recipes/#{name.split('::').last}.rb"
    instance_eval(File.read(path), path)
  end

  def search(_table, query)
    raise "unexpected query #{query}" unless query == 'role:mesos-master AND chef_environment:production'
    [{ 'ipaddress' => '10.80.0.251' }, { 'ipaddress' => '10.80.0.250' }]
  end

  def data_bag_item(_bag, _item)
    { 'consul_token' => 'token', 'marathon_user' => 'user:password' }
  end

  KINDS.each do |kind|
    define_method(kind) do |name, &block|
      resource = Resource.new(kind, name)
      resource.instance_eval(&block) if block
      @resources << resource
    end
  end
end

node = Node.new
Attributes.new(node).instance_eval(File.read("#{COOKBOOK}/attributes/default.rb"))
node['roles'] = ['consul-agent']
node['ipaddress'] = '10.80.0.2'
JSON.parse(ARGV[1] || '{}').each { |key, value| node['sluice'][key] = value }
recipe = Recipe.new(node)
recipe.include_recipe('sluice::default')
known = recipe.resources.map { |resource| "#{resource.kind}[#{resource.name}]" }
recipe.resources.each do |resource|
  (resource.set[:notifies] || []).each do |_, target, _|
    raise "#{resource.kind}[#{resource.name}] notifies #{target}, which is not there" unless known.include?(target)
  end
  puts "#{resource.kind}[#{resource.name}]"
  puts resource.set[:content] if resource.name.start_with?('/etc/sysctl.d/')
end
template = recipe.resources.find { |resource| resource.kind == :template }
@sections = template.set[:variables][0][0][:sections]
text = ERB.new(File.read("#{COOKBOOK}/templates/#{template.set[:source][0][0]}"), trim_mode: '-').result(binding)
File.write(ARGV[0], text)
