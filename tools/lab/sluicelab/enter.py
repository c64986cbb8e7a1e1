# SPDX-License-Identifier: GPL-2.0-only
"""What a command on a host gets: PATH and the variables that name the lab's things. `lab exec` gives it, and for who asks often so
does a shell script for each host, on/HOST in the lab's work folder: no Python has to start."""
import os
import shlex

from . import cgroups


def folders(lab):
    """Those that come before the caller's own PATH."""
    consul = lab.data.get("consul")
    return [os.path.join(lab.build, "bin"), os.path.join(lab.build, "lab"), *([os.path.dirname(consul)] if consul else [])]


def variables(lab, host):
    found = {"LAB": lab.name, "LAB_DIR": lab.work}
    if host in lab.slaves:
        found["SLUICE_CONFIG"] = lab.config(host)
        if lab.data["containers"] == "docker":
            found["DOCKER_HOST"] = f"unix://{lab.docker_socket(host)}"
    if host != "elb":
        found["CONSUL_HTTP_ADDR"] = "http://127.0.0.1:8500"
        if lab.data.get("consul_acl"):
            found["CONSUL_HTTP_TOKEN"] = lab.data["consul_acl"]
    return found


def write_scripts(lab):
    os.mkdir(lab.path("on"))
    for host in lab.hosts:
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables(lab, host).items())
        path = lab.path("on", host)
        with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o700)) as file:
            file.write(f"""#!/bin/sh
echo 0 >{shlex.quote(cgroups.host_folder(lab, host))}/cgroup.procs &&
	exec nsenter --net={shlex.quote(lab.netns_path(host))} -- \\
		env PATH={shlex.quote(":".join(folders(lab)))}:"$PATH" {settings} "$@"
""")
