#!/usr/bin/env python3
"""A backend for tests: records what it gets, answers as the query says.

    backend.py FOLDER [PORT]

Prints the port it listens on (127.0.0.1) and writes into FOLDER:

    N.head, N.body   request number N, byte for byte; no .body if it is empty
    log.jsonl        a line when a request has arrived in full ("arrived"),
                     when the answer was sent ("answered"), when it could not
                     be sent or the peer went away first ("gone"):
                     {"event":..., "n":N, "job":..., "attempt":...,
                      "method":..., "target":..., "time":...,
                      "sent":bytes of the answer's body}

The query of a request, all optional:

    sleep=SECONDS      wait before the answer; "gone" if the peer leaves
    status=200         of the answer
    fail=N             the first N attempts of a job get the status (503 if
                       none is given) and the headers, later ones a 200
    size=N             body of N bytes, pattern(N) here and in AsyncTest.pm
    echo=1             body is the request's body
    header=Name:value  added to the answer; may be repeated
    chunked=1          answer with chunked coding instead of a length
    stream=N           body of N bytes, made as it is sent, without a length
    drip=SECONDS       wait between pieces of 4 KB of the body
    cut=N              close after N bytes of a body that promised more
    reset=before       reset the connection instead of answering
    reset=after        reset it after the head and half of the body
    raw=BYTES          these instead of an answer, as they stand,
    again=BYTES        then these times=N times, and the end of the connection
    early=1            not even the request's body is read before that

Without size and echo the body is JSON: n, method, target, length, sha256.
GET /_stats is not recorded:
{"executions":, "answered":, "running":, "most":, "jobs":{}}, with ?brief=1
without the jobs, which may be many.
"""

import hashlib
import json
import os
import select
import socket
import socketserver
import struct
import sys
import threading
import time
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit


class Record:
    """What has been seen; one for the whole process."""

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()
        self.executions = 0
        self.answered = 0
        self.running = 0
        self.working = 0
        self.most = 0
        self.jobs = {}
        self.log = os.open(os.path.join(folder, "log.jsonl"),
                           os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def line(self, event, request):
        entry = {"event": event, "n": request.n, "job": request.job,
                 "attempt": request.attempt, "method": request.method,
                 "target": request.target, "time": time.time(),
                 "sent": request.sent}
        os.write(self.log, (json.dumps(entry) + "\n").encode())

    def arrived(self, request):
        with self.lock:
            self.executions += 1
            self.running += 1
            self.working += 1
            self.most = max(self.most, self.working)
            request.n = self.executions
            if request.job:
                self.jobs[request.job] = self.jobs.get(request.job, 0) + 1
            # a test that sees it counted may look at it
            self.keep(request.n, "head", request.head)
            if request.body:
                self.keep(request.n, "body", request.body)
        self.line("arrived", request)

    def worked(self):
        """What is left is the answer: once it was sent the next may come."""
        with self.lock:
            self.working -= 1

    def ended(self, request, event):
        with self.lock:
            self.running -= 1
            self.answered += event == "answered"
        self.line(event, request)

    def keep(self, n, kind, content):
        with open(os.path.join(self.folder, f"{n}.{kind}"), "wb") as file:
            file.write(content)

    def stats(self):
        with self.lock:
            return {"executions": self.executions,
                    "answered": self.answered, "running": self.running,
                    "most": self.most, "jobs": dict(self.jobs)}


class Gone(Exception):
    """The peer went away, or was sent away on purpose."""


class Closed(Exception):
    """All was sent, and the connection's end says so."""


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.head = head
        self.body = b""
        self.n = 0
        self.sent = 0
        self.method, self.target, self.version = lines[0].split(" ", 2)
        self.fields = {}
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                self.fields.setdefault(name.lower(), value.strip())
        self.job = self.fields.get("async-job-id")
        self.attempt = self.fields.get("async-attempt")
        self.query = parse_qs(urlsplit(self.target).query,
                              keep_blank_values=True)

    def ask(self, name, default=None):
        return self.query.get(name, [default])[0]

    def keeps_alive(self):
        connection = self.fields.get("connection", "").lower()
        return self.version == "HTTP/1.1" and connection != "close"


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        self.input = self.request.makefile("rb")
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while self.serve():
                pass
        except (Gone, ConnectionError):
            pass

    def serve(self):
        """One request; false when the connection is to be closed."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.input.readline(1 << 20)
            if not line:
                return False
            head += line
        request = Request(head)
        if urlsplit(request.target).path == "/_stats":
            stats = record.stats()
            if request.ask("brief"):
                del stats["jobs"]
            self.answer(request, json.dumps(stats).encode())
            return request.keeps_alive()
        if not request.ask("early") and not self.read_body(request):
            return False
        record.arrived(request)
        event = "gone"
        try:
            self.execute(request)
            event = "answered"
        except Closed:
            event = "answered"
            return False
        finally:
            record.ended(request, event)
        return request.keeps_alive()

    def read_body(self, request):
        if request.fields.get("transfer-encoding", "").lower() == "chunked":
            while True:
                size = int(self.input.readline().split(b";")[0], 16)
                request.body += self.input.read(size)
                self.input.readline()
                if size == 0:
                    return True
        length = int(request.fields.get("content-length", "0"))
        request.body = self.input.read(length)
        return len(request.body) == length

    def execute(self, request):
        try:
            self.wait(float(request.ask("sleep", "0")))
        finally:
            record.worked()
        if request.ask("reset") == "before":
            self.reset()
        if request.ask("raw") is not None:
            self.raw(request)
        if request.ask("stream"):
            self.stream(request, int(request.ask("stream")))
        if request.ask("echo"):
            body = request.body
        elif request.ask("size") is not None:
            body = pattern(int(request.ask("size")))
        else:
            body = json.dumps({
                "n": request.n, "method": request.method,
                "target": request.target, "length": len(request.body),
                "sha256": hashlib.sha256(request.body).hexdigest(),
            }).encode()
        self.answer(request, body)

    def wait(self, seconds):
        """Sleeps; raises Gone when the peer closes in the meantime."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([self.request], [], [], left)
            if readable and not self.request.recv(1, socket.MSG_PEEK):
                raise Gone
            if readable:
                time.sleep(left)

    def answer(self, request, body):
        status = int(request.ask("status", "200"))
        fails = int(request.ask("fail", "0"))
        failed = int(request.attempt or 1) <= fails
        if fails:
            status = int(request.ask("status", "503")) if failed else 200
        bare = status in (204, 304) or status < 200
        chunked = request.ask("chunked") and request.version == "HTTP/1.1"
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unknown"
        head = f"HTTP/1.1 {status} {phrase}\r\n"
        if chunked:
            head += "Transfer-Encoding: chunked\r\n"
        elif not bare:
            head += f"Content-Length: {len(body)}\r\n"
        given = [h.partition(":") for h in request.query.get("header", [])
                 if failed or not fails]
        if not any(name.lower() == "content-type" for name, _, _ in given):
            if not bare:
                head += "Content-Type: application/json\r\n"
        for name, _, value in given:
            head += f"{name}: {value}\r\n"
        if not request.keeps_alive():
            head += "Connection: close\r\n"
        self.request.sendall(head.encode("latin-1") + b"\r\n")
        if not bare and request.method != "HEAD":
            self.send_body(request, body, chunked)

    def raw(self, request):
        self.request.sendall(request.ask("raw").encode("latin-1"))
        again = request.ask("again", "").encode("latin-1")
        for _ in range(int(request.ask("times", "1"))):
            self.request.sendall(again)
            request.sent += len(again)
        raise Closed

    def stream(self, request, size):
        """The end of the body is the end of the connection."""
        head = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
        for given in request.query.get("header", []):
            name, _, value = given.partition(":")
            head += f"{name}: {value}\r\n"
        self.request.sendall(head.encode("latin-1") + b"\r\n")
        piece = pattern(1 << 16)
        while request.sent < size:
            piece = piece[:size - request.sent]
            self.request.sendall(piece)
            request.sent += len(piece)
        raise Closed

    def send_body(self, request, body, chunked):
        end = len(body)
        if request.ask("cut") is not None:
            end = int(request.ask("cut"))
        if request.ask("reset") == "after":
            end = len(body) // 2
        drip = float(request.ask("drip", "0"))
        step = 4096 if drip else 1 << 20
        for at in range(0, end, step):
            piece = body[at:min(at + step, end)]
            if chunked:
                piece = b"%x\r\n%s\r\n" % (len(piece), piece)
            self.request.sendall(piece)
            request.sent = min(at + step, end)
            self.wait(drip)
        if request.ask("reset") == "after":
            self.reset()
        if end < len(body):
            raise Gone
        if chunked:
            self.request.sendall(b"0\r\n\r\n")

    def reset(self):
        """Closes with RST: what was received is left unread or lingers 0."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
        self.input.close()
        self.request.close()
        raise Gone

    def finish(self):
        self.input.close()


def pattern(size):
    """Bytes that tell where they stand: a line of 16 for each 16 bytes."""
    whole = b"".join(b"%015d\n" % at for at in range(0, size, 16))
    return whole[:size]


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def shutdown_request(self, request):
        """socketserver's own would fail on a socket that was reset."""
        try:
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        request.close()


if __name__ == "__main__":
    record = Record(sys.argv[1])
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with Server(("127.0.0.1", port), Connection) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()
