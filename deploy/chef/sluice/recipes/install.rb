# SPDX-License-Identifier: GPL-2.0-only
settings = node['sluice']

case settings['install']
when 'deb'
  raise "node['sluice']['deb_url'] and ['deb_sha256'] must be set" unless settings['deb_url'] && settings['deb_sha256']
  deb = "#{Chef::Config[:file_cache_path]}/sluice.deb"
  remote_file deb do
    source settings['deb_url']
    checksum settings['deb_sha256']
    notifies :run, 'execute[install sluice.deb]', :immediately
  end
  # apt and not dpkg, for what the package depends on; the configuration that lies there is kept
  execute 'install sluice.deb' do
    command ['apt-get', '-q', '-y', '-o', 'Dpkg::Options::=--force-confold', 'install', deb]
    environment 'DEBIAN_FRONTEND' => 'noninteractive'
    action :nothing
    notifies :restart, 'service[sluice-attach]', :delayed
    notifies :restart, 'service[sluiced]', :delayed
  end
when 'apt'
  package 'sluice'
when 'make'
  raise "node['sluice']['source'] must be set" unless settings['source']
  group 'sluice' do
    system true
  end
  user 'sluice' do
    gid 'sluice'
    system true
    home '/nonexistent'
    manage_home false
    shell '/usr/sbin/nologin'
  end
  execute 'make install' do
    command ['make', '-C', settings['source'], 'install', 'PREFIX=/usr']
    not_if "cmp -s #{settings['source']}/build/bin/sluiced /usr/sbin/sluiced"
    notifies :restart, 'service[sluice-attach]', :delayed
    notifies :restart, 'service[sluiced]', :delayed
  end
else
  raise "node['sluice']['install'] is #{settings['install'].inspect}: deb, apt or make"
end
