"""Receives webhooks and verifies each with the official library of Standard Webhooks, which nobody here
wrote. Arguments: names and secrets, as NAME=whsec_...

Prints its port, and then for each message a line of JSON: its id and body, which secrets verify it, and
which of them still do with one byte of the body altered, the timestamp an hour older, or another id."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

SECRETS = dict(argument.split("=", 1) for argument in sys.argv[1:])


def verified_by(body, headers):
    names = []
    for name, secret in SECRETS.items():
        try:
            Webhook(secret).verify(body, headers)
        except (WebhookVerificationError, json.JSONDecodeError):
            continue
        names.append(name)
    return names


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        altered = body[:-1] + bytes([body[-1] ^ 1])
        older = str(int(headers["webhook-timestamp"]) - 3600)
        print(
            json.dumps(
                {
                    "id": headers["webhook-id"],
                    "body": body.decode(),
                    "verified_by": verified_by(body, headers),
                    "altered": verified_by(altered, headers),
                    "older": verified_by(body, headers | {"webhook-timestamp": older}),
                    "other_id": verified_by(body, headers | {"webhook-id": "evt_0"}),
                }
            ),
            flush=True,
        )
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
