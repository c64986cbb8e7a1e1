# SPDX-License-Identifier: GPL-2.0-only
"""What Sluice needs on a slave: its configuration, the attached programs, the daemon as a user without rights."""
import json
import os
import signal
import socket

from . import cgroups, inifile
from .failure import LabError, wait_until
from .processes import on_host, pid_of, run, spawn, stop
from .state import DAEMON_ID, DOMAIN, MASTER_ADDRESS

_AS_DAEMON = ["setpriv", f"--reuid={DAEMON_ID}", f"--regid={DAEMON_ID}", "--clear-groups", "--no-new-privs",
              "--inh-caps=-all", "--bounding-set=-all"]

_CONFIG = """\
[node]
name = {host}.{domain}, {address}
interface = eth0
mode = native
pin_dir = {pin_dir}
cgroup = {cgroup}
ports = 31000-32000
group = {group}
flows = 65536
half_flows = 262144

[service web]
port = 80
marathon_app = /web
balance = roundrobin

[marathon]
url = http://{master}:8080
events = {events}
{callback}resync = 10s

[consul]
url = http://127.0.0.1:8500
{token}
[admin]
socket = {socket}
metrics_listen = 127.0.0.1:9180
"""

_CALLBACK = """\
callback_listen = {address}:8081
callback_url = http://{address}:8081/events
callback_from = {master}/32
"""


def _token(lab):
    return f"token_file = {lab.consul_token}\n" if lab.data.get("consul_acl") else ""


def write_config(lab, host, events):
    admin = os.path.dirname(lab.admin_socket(host))
    os.makedirs(admin, exist_ok=True)
    os.chown(admin, DAEMON_ID, DAEMON_ID)
    address = lab.address(host)
    callback = _CALLBACK.format(address=address, master=MASTER_ADDRESS) if events == "callback" else ""
    text = _CONFIG.format(host=host, domain=DOMAIN, address=address, pin_dir=os.path.join(lab.bpffs, host),
                          cgroup=cgroups.slave_folder(lab, host), group=DAEMON_ID, master=MASTER_ADDRESS,
                          events=events, callback=callback, token=_token(lab), socket=lab.admin_socket(host))
    with open(lab.config(host), "w", encoding="utf-8") as file:
        file.write(text)


def read_config(lab, host):
    with open(lab.config(host), encoding="utf-8") as file:
        return file.read()


def services_of_app(lab, host, app):
    """Names of the services that balance that Marathon app on the slave."""
    found = inifile.sections(read_config(lab, host))
    return [name.removeprefix("service ").strip() for name, keys in found.items()
            if name.startswith("service ") and keys.get("marathon_app") == app]


def ctl(lab, host, *args, check=True):
    return run(*on_host(lab, host, lab.program("sluicectl"), "--config", lab.config(host), *args), check=check)


def backends(lab, host):
    return json.loads(ctl(lab, host, "--json", "backends").stdout)


def attach(lab, host):
    ctl(lab, host, "attach")


def start(lab, host):
    """LAB_DAEMON_ENV: words NAME=VALUE, an environment for the daemon alone."""
    more = ["env", *os.environ["LAB_DAEMON_ENV"].split()] if os.environ.get("LAB_DAEMON_ENV") else []
    spawn(lab, host, "sluiced", [*_AS_DAEMON, *more, lab.program("sluiced"), "--config", lab.config(host)])


def wait(lab, host):
    """Ready: the daemon answers on its socket."""
    def answers():
        if not pid_of(lab, host, "sluiced"):
            raise LabError(f"sluiced on {host} has ended, see {lab.log(host, 'sluiced')}:\n{_last_lines(lab, host)}")
        return _admin(lab, host, "status").get("pid")

    wait_until(answers, 20, f"sluiced on {host}", lab.log(host, "sluiced"))


def _last_lines(lab, host):
    with open(lab.log(host, "sluiced"), encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-10:]).rstrip()


def _admin(lab, host, verb):
    """One question to the daemon's socket. OSError or ValueError if it does not answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(lab.admin_socket(host))
        connection.sendall(f"{verb}\n".encode())
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return json.loads(answer)


def configure(lab, host, changes, removals):
    """Edit the file and apply it. If any step refuses, the old file is back in force and this is a LabError."""
    old = read_config(lab, host)
    new = old
    for section in removals:
        new = inifile.remove_section(new, section)
    for section, key, value in changes:
        new = inifile.set_value(new, section, key, value)
    _check(lab, host, new)
    try:
        _apply(lab, host, new)
    except LabError as error:
        try:
            _apply(lab, host, old)
        except LabError as worse:
            raise LabError(f"{error}\nand going back failed too: {worse}") from None
        raise


def _check(lab, host, text):
    """Let the daemon's own parser, as the daemon's user, judge the file before it takes the old one's place."""
    draft = lab.config(host) + ".new"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    done = run(*on_host(lab, host, *_AS_DAEMON, lab.program("sluiced"), "--config", draft, "--check"), check=False)
    os.unlink(draft)
    if done.returncode:
        raise LabError((done.stderr or done.stdout).strip().replace(draft, lab.config(host)))


def _apply(lab, host, text):
    draft = lab.config(host) + ".new"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(draft, lab.config(host))
    ctl(lab, host, "attach")
    if not pid_of(lab, host, "sluiced"):
        return
    answer = _admin(lab, host, "reload")
    if answer.get("ok"):
        return
    if "needs attach" not in answer.get("message", ""):
        raise LabError(f"sluiced on {host} refuses to reload: {answer.get('message')}")
    # Attached it is by now; what this daemon cannot follow (other pins, other sizes) a new one can.
    stop(lab, host, "sluiced", signal.SIGTERM)
    start(lab, host)
    wait(lab, host)
