#!/usr/bin/env python3
"""A slow backend that says how far it is.

    sse-backend.py [PORT]        127.0.0.1:8081 unless told otherwise

    POST /reports?seconds=10     counts the words of the body, which takes a
                                 while, and reports to Async-Progress-Url
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

PAGES = 20

opener = build_opener(ProxyHandler({}))


def report(url, page):
    """Tells, if somebody wants to know; what becomes of it is no matter."""
    if not url:
        return
    body = {"percentComplete": 100 * page // PAGES,
            "message": f"page {page} of {PAGES}"}
    try:
        opener.open(Request(url, json.dumps(body).encode(),
                            {"Content-Type": "application/json"}), timeout=5)
    except (HTTPError, URLError, OSError) as error:
        print(f"no report: {error}", flush=True)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        query = parse_qs(urlsplit(self.path).query)
        seconds = min(float(query.get("seconds", ["10"])[0]), 600.0)
        words = self.rfile.read(int(self.headers.get("Content-Length", "0")))

        for page in range(1, PAGES + 1):
            time.sleep(seconds / PAGES)
            report(self.headers.get("Async-Progress-Url"), page)

        body = json.dumps({"words": len(words.split())}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        print(f"{self.log_date_time_string()} {format % args}", flush=True)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8081
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.serve_forever()
