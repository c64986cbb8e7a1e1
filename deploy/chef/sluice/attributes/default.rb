# SPDX-License-Identifier: GPL-2.0-only
# Everything that an operator may want to set. Keys of sluice.conf that are not here go into the hashes below `conf`, as
# they stand in sluice.conf(5).

# Where Sluice comes from: 'deb' (deb_url and deb_sha256), 'apt' (a repository that the node knows) or 'make' (source, a
# tree on the node).
default['sluice']['install'] = 'apt'
default['sluice']['deb_url'] = nil
default['sluice']['deb_sha256'] = nil
default['sluice']['source'] = nil

# Masters and Consul are found by role, unless they are listed here.
default['sluice']['master_role'] = 'mesos-master'
default['sluice']['masters'] = nil
default['sluice']['marathon_port'] = 8080
# 'sse', or 'callback' for Marathon before 1.5
default['sluice']['events'] = 'sse'

# An encrypted data bag item with the keys consul_token and marathon_user (user:password). nil: neither is used.
default['sluice']['secrets_bag'] = nil
default['sluice']['secrets_item'] = 'sluice'

# The role of nodes that run a Consul agent; this node must have it, or Consul is left out of the configuration.
default['sluice']['consul_role'] = 'consul-agent'
default['sluice']['consul_url'] = 'http://127.0.0.1:8500'

default['sluice']['services'] = {
  'web' => { 'port' => 80, 'marathon_app' => '/rails', 'balance' => 'leastconn' },
}
# Host-ports of tasks, and the ports that the host's own connections start from: they must not overlap.
default['sluice']['ports'] = '31000-32000'
default['sluice']['local_ports'] = '32768 60999'
default['sluice']['conf']['node'] = {}
default['sluice']['conf']['marathon'] = {}
default['sluice']['conf']['consul'] = {}
default['sluice']['conf']['guards'] = {}
default['sluice']['conf']['admin'] = {}
