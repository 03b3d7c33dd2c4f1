// Verifies signed requests (JSON lines on stdin, from examples/sign.rs) with npm's standardwebhooks and node's crypto.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

// The library's view of a secret: `whsec_…` is base64 already, anything else is the key itself.
const standard = (secret) =>
  secret.startsWith("whsec_") ? new Webhook(secret) : new Webhook(Buffer.from(secret), { format: "raw" });

let count = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { secret, old, headers, body } = JSON.parse(line);
  for (const one of [secret, ...old]) {
    assert.deepEqual(standard(one).verify(body, headers), JSON.parse(body));
    assert.throws(() => standard(one).verify(body + " ", headers), "a changed body passed");
    assert.throws(() => standard(one).verify(body, { ...headers, "webhook-timestamp": "1614265330" }), "an old time passed");
  }
  assert.throws(() => standard("nobody's").verify(body, headers), "a wrong secret passed");
  assert.equal(headers["x-wc-webhook-signature"], createHmac("sha256", secret).update(body).digest("base64"));
  count += 1;
}
assert.ok(count >= 12, `only ${count} requests came`);
console.log(`node: ${count} requests verified`);
