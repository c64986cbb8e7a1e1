# SPDX-License-Identifier: GPL-2.0-only
# Masters by role, in a fixed order: a search answers in any, and the file must not change for that.
settings = node['sluice']
masters = settings['masters'] ||
          search(:node, "role:#{settings['master_role']} AND chef_environment:#{node.chef_environment}")
            .map { |master| master['ipaddress'] }.compact.uniq.sort
raise "no node has the role #{settings['master_role']}, and node['sluice']['masters'] is not set" if masters.empty?

secrets = settings['secrets_bag'] ? data_bag_item(settings['secrets_bag'], settings['secrets_item']) : {}

directory '/etc/sluice' do
  owner 'root'
  group 'root'
  mode '0755'
end

{ 'consul.token' => secrets['consul_token'], 'marathon.user' => secrets['marathon_user'] }.each do |name, content|
  next unless content
  file "/etc/sluice/#{name}" do
    content "#{content}\n"
    owner 'root'
    group 'sluice'
    mode '0640'
    sensitive true
    notifies :reload, 'service[sluiced]', :delayed
  end
end

marathon = {
  'url' => masters.map { |master| "http://#{master}:#{settings['marathon_port']}" }.join(', '),
  'events' => settings['events'],
}
marathon['user_file'] = '/etc/sluice/marathon.user' if secrets['marathon_user']
if settings['events'] == 'callback'
  marathon['callback_url'] = "http://#{node['ipaddress']}:8081/events"
  marathon['callback_from'] = masters.map { |master| "#{master}/32" }.join(', ')
end

consul = {}
if node.role?(settings['consul_role'])
  consul['url'] = settings['consul_url']
  consul['token_file'] = '/etc/sluice/consul.token' if secrets['consul_token']
end

conf = settings['conf']
# A file that sluiced refuses never takes the place of one that is good.
template '/etc/sluice/sluice.conf' do
  source 'sluice.conf.erb'
  owner 'root'
  group 'root'
  mode '0644'
  variables(
    sections: { 'node' => { 'ports' => settings['ports'] }.merge(conf['node'].to_h) }
      .merge(settings['services'].to_h { |name, keys| ["service #{name}", keys.to_h] })
      .merge('marathon' => marathon.merge(conf['marathon'].to_h), 'consul' => consul.merge(conf['consul'].to_h),
             'guards' => conf['guards'].to_h, 'admin' => conf['admin'].to_h)
  )
  verify 'sluiced --config %{path} --check'
  notifies :reload, 'service[sluiced]', :delayed
end

# Connections that this host opens must never take a port that Mesos gives to a task.
file '/etc/sysctl.d/60-sluice-ports.conf' do
  content "net.ipv4.ip_local_port_range = #{settings['local_ports']}\n" \
          "net.ipv4.ip_local_reserved_ports = #{settings['ports']}\n"
  mode '0644'
  notifies :run, 'execute[sysctl --system]', :immediately
end

execute 'sysctl --system' do
  command ['sysctl', '-q', '--system']
  action :nothing
end
