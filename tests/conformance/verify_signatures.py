"""Verifies signed requests (JSON lines on stdin, from examples/sign.rs) with PyPI's standardwebhooks and Python's hmac."""

import base64
import hashlib
import hmac
import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError


def standard(secret):
    """The library's view of a secret: `whsec_…` is base64 already, anything else is the key itself."""
    return Webhook(secret if secret.startswith("whsec_") else secret.encode())


def refused(webhook, body, headers):
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


count = 0
for line in sys.stdin:
    request = json.loads(line)
    secret, old, headers, body = (request[key] for key in ("secret", "old", "headers", "body"))
    raw = body.encode()
    for one in [secret, *old]:
        assert standard(one).verify(raw, headers) == json.loads(body), one
        assert refused(standard(one), raw + b" ", headers), "a changed body passed"
        assert refused(standard(one), raw, {**headers, "webhook-id": "another"}), "another id passed"
    assert len(headers["webhook-signature"].split(" ")) == 1 + len(old)
    assert refused(standard("nobody's"), raw, headers), "a wrong secret passed"
    wanted = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
    assert headers["x-wc-webhook-signature"] == wanted, "WooCommerce's header is not that of the secret in force"
    count += 1
assert count >= 12, f"only {count} requests came"
print(f"python: {count} requests verified")
