# SPDX-License-Identifier: GPL-2.0-only
"""nginx's stream module: the other layer 4 proxy that people run."""
from sluicebench.peer import ProcessPeer
from sluicelab import processes

# reuseport: each worker has an accept queue of its own. One worker a core. No log, no checks of backends.
_CONFIG = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root;
worker_processes auto;
daemon off;
pid {work}/nginx-stream.pid;
error_log stderr error;
worker_rlimit_nofile 20000;
events {{
    worker_connections 9500;
    multi_accept on;
}}
stream {{
    access_log off;
    tcp_nodelay on;
    proxy_connect_timeout 2s;
    proxy_timeout 300s;
    upstream web {{
{servers}
    }}
    server {{
        listen {address}:80 reuseport backlog=65535;
        proxy_pass web;
    }}
}}
"""


class NginxStream(ProcessPeer):
    name = family = "nginx-stream"
    programs = ("nginx",)

    def config(self, host, backends):
        return _CONFIG.format(work=host.work(), address=host.address,
                              servers="\n".join(f"        server {host.address}:{port} max_fails=0;" for port in backends))

    def check(self, host, backends):
        host.run("nginx", "-t", "-c", self.write(host, backends))

    def argv(self, path):
        return ["nginx", "-c", path]

    def version(self, host):
        return processes.run("nginx", "-v").stderr.strip()


PEERS = [NginxStream]
