# SPDX-License-Identifier: GPL-2.0-only
"""A slave's own Docker engine, and the image of the lab's app, made offline.

The engine sees private folders of the lab in place of /run, /opt and /etc/docker, in a mount namespace of its own. So it
finds no other engine's sockets or settings, and everything it leaves lies in the lab's work folder.
"""
import contextlib
import os
import shutil
import tarfile

from . import cgroups
from .failure import LabError, wait_until
from .processes import run, spawn
from .web import ask_unix

IMAGE = "sluice-lab-app"
APP_PORT = 8000  # inside a container

_SETTINGS = "/etc/docker"
_MADE_SETTINGS = "made-etc-docker"

_START = """
for place in run opt etc/docker; do
    mount --bind "$1/$place" "/$place" || exit 1
done
shift
exec "$@"
"""


def engine():
    for path in ("/usr/bin/dockerd", "/usr/sbin/dockerd", shutil.which("dockerd") or ""):
        if path and os.access(path, os.X_OK):
            return path
    raise LabError("dockerd is not installed: run tools/deps, or use --containers process")


def client():
    """The client that belongs to the engine: another one may stand first in PATH."""
    for path in ("/usr/bin/docker", shutil.which("docker") or ""):
        if path and os.access(path, os.X_OK):
            return path
    raise LabError("the docker client is not installed: run tools/deps")


def start(lab, host):
    for folder in ("run", "opt", "etc/docker", "docker"):
        os.makedirs(lab.path(host, folder), exist_ok=True)
    _need_settings_folder(lab)
    for leftover in ("docker.pid", "docker/containerd/containerd.pid"):
        path = lab.path(host, "run", leftover)
        if os.path.exists(path):
            os.unlink(path)
    argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", _START, "sh", lab.path(host), engine(),
            "--data-root", lab.path(host, "docker"), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid",
            "--host", "unix:///run/docker.sock", "--group", "root", "--exec-opt", "native.cgroupdriver=cgroupfs",
            "--cgroup-parent", cgroups.docker_parent(lab, host)]
    storage = os.environ.get("LAB_DOCKER_STORAGE")
    if storage:
        argv += ["--storage-driver", storage]
    if os.environ.get("LAB_DOCKER_PROXY") == "off":
        argv += ["--userland-proxy=false"]
    spawn(lab, host, "dockerd", argv)


def _need_settings_folder(lab):
    """A folder can only be mounted over one that is there; the marker tells `down` that it was made here."""
    try:
        os.mkdir(_SETTINGS)
    except FileExistsError:
        return
    with open(lab.path(_MADE_SETTINGS), "w", encoding="ascii"):
        pass


def remove_settings_folder(lab):
    if os.path.exists(lab.path(_MADE_SETTINGS)):
        with contextlib.suppress(OSError):
            os.rmdir(_SETTINGS)


def wait(lab, host):
    wait_until(lambda: ask_unix(lab.docker_socket(host), "GET", "/_ping")[0] == 200, 60, f"dockerd on {host}",
               lab.log(host, "dockerd"))


def make_image(lab):
    """The image's only file is the app, statically linked."""
    app = os.path.join(lab.build, "lab", "app")
    if not os.path.exists(app):
        raise LabError(f"{app} is missing: run make first")
    with tarfile.open(lab.path("image.tar"), "w") as tar:
        tar.add(app, "app", filter=_root_owned)


def _root_owned(member):
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755
    return member


def load_image(lab, host):
    run(client(), "-H", f"unix://{lab.docker_socket(host)}", "import", "--change", 'ENTRYPOINT ["/app"]',
        lab.path("image.tar"), IMAGE)
