#!/usr/bin/env python3
"""A slow backend, and an ordinary one: it knows nothing of jobs.

    backend.py [PORT]        127.0.0.1:8081 unless told otherwise

    POST /reports?seconds=3  counts and hashes the body, which takes a while
    GET  /                   this text
"""

import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MOST_SECONDS = 3600


class Handler(BaseHTTPRequestHandler):
    server_version = "sample-backend"

    def do_GET(self):
        if urlsplit(self.path).path == "/":
            self.answer(200, "text/plain; charset=utf-8", __doc__)
        else:
            self.answer(404, "text/plain; charset=utf-8", "No such page.\n")

    def do_POST(self):
        url = urlsplit(self.path)
        if url.path != "/reports":
            self.answer(404, "text/plain; charset=utf-8", "No such page.\n")
            return

        try:
            seconds = float(parse_qs(url.query).get("seconds", ["3"])[0])
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= MOST_SECONDS:
            self.answer(400, "text/plain; charset=utf-8",
                        f"seconds is a number from 0 to {MOST_SECONDS}.\n")
            return

        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        time.sleep(seconds)
        report = {"bytes": len(body), "words": len(body.split()),
                  "sha256": hashlib.sha256(body).hexdigest(),
                  "seconds": seconds}
        self.answer(200, "application/json", json.dumps(report) + "\n")

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        print(f"{self.log_date_time_string()} {format % args}", flush=True)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8081
    try:
        with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
            server.serve_forever()
    except OSError as error:
        sys.exit(f"127.0.0.1:{port}: {error.strerror}")
    except KeyboardInterrupt:
        pass
