#!/usr/bin/env python3
"""A name server for tests: answers what its zone says, over UDP.

    resolver.py PORT ZONE LOG

ZONE is a file, a name in each line and what it is:

    both.test     8.8.8.8 127.0.0.1      addresses, of either version
    alias.test    @both.test             another name for one
    turn.test     8.8.8.8 | 127.0.0.1    another answer each time it is asked,
                                         the last for ever; per type
    mute.test     -                      no answer comes

Other names do not exist.  Each question is a line of LOG: "name type".
"""

import ipaddress
import os
import socket
import struct
import sys

A, CNAME, AAAA = 1, 5, 28


def read_zone(path):
    zone = {}
    with open(path) as lines:
        for line in lines:
            words = line.split("#")[0].split()
            if words:
                turns = " ".join(words[1:]).split("|")
                zone[words[0].lower()] = [turn.split() for turn in turns]
    return zone


def encode(name):
    labels = name.split(".") if name else []
    return b"".join(bytes([len(label)]) + label.encode("latin-1")
                    for label in labels) + b"\0"


def question(packet):
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += packet[at] + 1
    kind, _ = struct.unpack("!HH", packet[at + 1:at + 5])
    return ".".join(labels).lower(), kind, packet[12:at + 5]


class Resolver:
    def __init__(self, zone, log):
        self.zone = zone
        self.log = log
        self.asked = {}

    def turn(self, name, kind):
        """What it is this time; None if there is no such name."""
        turns = self.zone.get(name)
        if turns is None:
            return None
        n = self.asked.get((name, kind), 0)
        self.asked[(name, kind)] = n + 1
        return turns[min(n, len(turns) - 1)]

    def records(self, name, kind):
        """(known, records); None instead of them: stay silent."""
        found, out = self.turn(name, kind), []
        while found is not None and found[:1] and found[0].startswith("@"):
            other = found[0][1:]
            out.append((name, CNAME, encode(other)))
            name, found = other, self.turn(other, kind)
        if found is None:
            return bool(out), out
        if found == ["-"]:
            return True, None
        for text in found:
            address = ipaddress.ip_address(text)
            if kind == (A if address.version == 4 else AAAA):
                out.append((name, kind, address.packed))
        return True, out

    def answer(self, packet):
        name, kind, asked = question(packet)
        os.write(self.log, f"{name} {kind}\n".encode())
        known, records = self.records(name, kind)
        if records is None:
            return None
        flags = 0x8580 if known else 0x8583
        out = packet[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        out += asked
        for owner, rtype, data in records:
            out += encode(owner) + struct.pack("!HHIH", rtype, 1, 0,
                                               len(data)) + data
        return out


if __name__ == "__main__":
    port, zone, log = sys.argv[1:4]
    resolver = Resolver(read_zone(zone),
                        os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                                0o644))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", int(port)))
        print("ready", flush=True)
        while True:
            packet, peer = server.recvfrom(1500)
            reply = resolver.answer(packet)
            if reply is not None:
                server.sendto(reply, peer)
