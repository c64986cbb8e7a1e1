#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A client that uses its source port again at once, for every way the old connection can stand in the new one's way.

usage: reuse.py ADDRESS PORT HOST-PORT NETNS FIRST-SOURCE-PORT SECONDS. HOST-PORT is where the server listens, in network namespace NETNS. Who
closes first, whether the new sequence number is above or below the old ones, timestamps on and off: each with a source port of its own. Each new
connection must be answered within SECONDS, and to no more SYNs than the two kernels need among themselves; since a busy machine may answer one
late, that holds if it does in one of three tries. Prints a line each: who closed first, above|below, timestamps, SYNs, milliseconds of
connect(2). Changes settings of its own network namespace, which must be one of a test's.
"""
import socket
import struct
import subprocess
import sys
import time

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
SEND_QUEUE = 2
FIRST_ISN, STEP = 1_000_000_000, 50_000_000
TRIES = 3


def setting(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


def connect(target, source_port, isn, seconds):
    """With that initial sequence number: a closed socket's is set as a restored one's would be."""
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, SEND_QUEUE)
    client.setsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, isn)
    client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 0)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.settimeout(seconds)
    client.bind(("", source_port))
    client.connect(target)
    return client


def exchange(client, last):
    """One request; the answer's end is the server's FIN if it was to be the last."""
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"Connection: close\r\n" if last else b"") + b"\r\n")
    answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def close(client, server_first):
    exchange(client, server_first)
    if not server_first:
        client.shutdown(socket.SHUT_WR)
    while client.recv(4096):
        pass
    client.close()


def of_server(netns, host_port, source_port):
    """The state of the old connection's socket at the server; None if it is gone."""
    said = subprocess.run(["nsenter", f"--net={netns}", "ss", "-Htan", "sport", "=", f":{host_port}", "dport", "=", f":{source_port}"],
                          check=True, capture_output=True, text=True).stdout.split()
    return said[0] if said else None


def wait_for_server(server_first, *which):
    """Its socket stands in TIME-WAIT if it has closed first, else it is gone."""
    end = time.monotonic() + 30
    while of_server(*which) != ("TIME-WAIT" if server_first else None):
        assert time.monotonic() < end, (server_first, of_server(*which))
        time.sleep(0.01)


def syns_sent(client):
    """How many SYNs connect(2) took: the first one and, where nothing else was sent, tcpi_total_retrans."""
    return 1 + struct.unpack_from("=I", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]


def syns_needed(server_first, timestamps, step):
    """TIME-WAIT takes a SYN with a later number or a later timestamp. Else it answers with what it acknowledged last, the client resets that
    connection (RFC 9293 section 3.10.7.3) and its kernel sends the SYN again, 10 ms later (tcp_rcv_synsent_state_process())."""
    return 2 if server_first and not timestamps and step < 0 else 1


class Reuse:
    def __init__(self, address, port, host_port, netns, first_source_port, seconds):
        self._target, self._server, self._seconds = (address, int(port)), (netns, host_port), float(seconds)
        self._source_port = int(first_source_port)

    def _once(self, server_first, step):
        """SYNs and milliseconds of a second connection"""
        source_port, self._source_port = self._source_port, self._source_port + 1
        close(connect(self._target, source_port, FIRST_ISN, 30), server_first)
        wait_for_server(server_first, *self._server, source_port)
        begin = time.monotonic()
        again = connect(self._target, source_port, FIRST_ISN + step, self._seconds)
        took = time.monotonic() - begin
        syns = syns_sent(again)
        exchange(again, False)
        again.close()
        return syns, took * 1000

    def tried(self, server_first, timestamps, step):
        needed, seen = syns_needed(server_first, timestamps, step), []
        while not seen or seen[-1][0] != needed:
            assert len(seen) < TRIES, (server_first, timestamps, step, needed, seen)
            seen.append(self._once(server_first, step))
        return seen[-1]


def main(*args):
    reuse = Reuse(*args)
    setting("tcp_max_tw_buckets", 0)  # the client's own kernel has forgotten the connection
    for timestamps in (1, 0):
        setting("tcp_timestamps", timestamps)
        for server_first in (True, False):
            for step in (STEP, -STEP):
                syns, ms = reuse.tried(server_first, timestamps, step)
                print("server" if server_first else "client", "above" if step > 0 else "below", "on" if timestamps else "off",
                      syns, f"{ms:.1f}", flush=True)
    setting("tcp_timestamps", 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
