#!/usr/bin/env python3
"""Takes webhooks as Standard Webhooks has it, with Python's own library.

    receiver.py PORT KEY-FILE LOG [CERTIFICATE]

A message that its key has not signed, or that is old, is answered 401.  One
that it has is a line of LOG: its id, the type, and the URL of the result.
"""

import base64
import hashlib
import hmac
import json
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLERANCE = 300


class Receiver(BaseHTTPRequestHandler):

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        good = self.verified(body)
        if good:
            event = json.loads(body)
            with open(sys.argv[3], "a") as log:
                print(self.headers["webhook-id"], event["type"],
                      event["data"].get("resultUrl"), file=log)
        self.send_response(204 if good else 401)
        self.end_headers()

    def verified(self, body):
        with open(sys.argv[2]) as file:
            key = base64.b64decode(file.read().strip().removeprefix("whsec_"))

        stamp = self.headers["webhook-timestamp"]
        if abs(time.time() - int(stamp)) > TOLERANCE:
            return False

        text = f"{self.headers['webhook-id']}.{stamp}.".encode() + body
        ours = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest())
        return any(hmac.compare_digest(f"v1,{ours.decode()}", theirs)
                   for theirs in self.headers["webhook-signature"].split())

    def log_message(self, format, *args):
        pass


server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
if len(sys.argv) > 4:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[4])
    server.socket = tls.wrap_socket(server.socket, server_side=True)
server.serve_forever()
