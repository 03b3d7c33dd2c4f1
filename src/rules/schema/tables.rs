//! Tables that are no rules: the shop, sessions, messages, rights, webhooks, keys.

use serde_json::{Value, json};

use super::conditions::Detail;
use super::values::{flag, globs, integer, one_of, secret, span, spans, text, texts, value};
use super::{closed, requiring, said};

pub(super) fn shop() -> Value {
    let alert = closed("Told of webhooks that fail.", [("url", text()), ("secret", secret())]);
    let ignore = closed("", Detail::Keys.head_roots());
    closed(
        "[shop]: the shop that shopbell stands in front of. Once over all files.",
        [
            ("name", said(text(), "Its name.")),
            ("url", said(text(), "Its address, sent as X-WC-Webhook-Source.")),
            (
                "charset",
                said(text(), "Of form bodies without a label; utf-8, or what its pages say, where nothing is said."),
            ),
            ("decimal", said(one_of(&[".", ","]), "How it writes prices; guides the filter `money`.")),
            ("timezone", said(text(), "Of its dates: Europe/Berlin. UTC where nothing is said.")),
            ("off", said(globs(), "Names of rules that are switched off; `*` stands for anything.")),
            (
                "ignore",
                json!({ "description": "Exchanges whose request fits one of these tables are dropped unseen.", "type": ["array", "object"], "items": ignore }),
            ),
            ("vars", json!({ "type": "object", "description": "Overrides [vars].", "additionalProperties": value() })),
            ("redact", said(globs(), "Names of fields that wholesale copies and logs leave out.")),
            ("alert", requiring(alert, &["url", "secret"])),
            ("wc_version", said(text(), "WooCommerce's version in User-Agent.")),
            ("wp_version", said(text(), "WordPress's version in User-Agent.")),
        ],
    )
}

pub(super) fn session() -> Value {
    closed(
        "[session]: what tells visitors apart; any of these finds a visitor. Once over all files.",
        [
            ("cookies", said(globs(), "Names of cookies; followed when their values change.")),
            ("query", said(globs(), "Names of fields in the query.")),
            ("headers", said(globs(), "Names of headers, of request and answer.")),
            ("ttl", said(span(), "How long memory is kept while a visitor stays away; 2d where nothing is said.")),
        ],
    )
}

pub(super) fn flash() -> Value {
    closed(
        "[flash]: where the shop's one-time messages are. Once over all files.",
        [
            ("cookie", said(text(), "The cookie that carries them to the next page.")),
            ("format", said(one_of(&["django"]), "How that cookie is written.")),
            (
                "page",
                json!({ "type": "object", "description": "Levels, and the CSS selectors of their boxes in pages.", "additionalProperties": text() }),
            ),
        ],
    )
}

pub(super) fn access() -> Value {
    let secrets = || json!({ "type": "object", "additionalProperties": secret() });
    let login = closed(
        "A form is posted; cookies of the answer count, and values of it are kept.",
        [
            ("post", said(text(), "Path and query it is posted to.")),
            ("form", said(secrets(), "Its fields.")),
            (
                "keep",
                json!({ "type": "object", "description": "Values of the answer, for `{{ access.NAME }}` in `get`.", "additionalProperties": text() }),
            ),
        ],
    );
    closed(
        "",
        [
            ("headers", said(secrets(), "Headers of the look-up.")),
            ("basic", said(secret(), "user:password.")),
            ("login", requiring(login, &["post"])),
        ],
    )
}

pub(super) fn webhook() -> Value {
    let old = requiring(closed("", [("secret", secret()), ("until", text())]), &["secret", "until"]);
    let tls = closed(
        "Certificates, as paths of PEM files, PEM texts, { env } or { file }.",
        [
            ("ca", said(secret(), "Trusted beside the machine's own.")),
            ("client_cert", said(secret(), "Ours.")),
            ("client_key", said(secret(), "Its private key.")),
        ],
    );
    let table = closed(
        "",
        [
            ("name", said(text(), "What people call it.")),
            ("topic", said(texts(), "Topics it wants: names, or patterns with `*`.")),
            ("url", said(text(), "Where deliveries go.")),
            ("secret", said(secret(), "What they are signed with; made and kept where nothing is said.")),
            (
                "secret_previous",
                json!({ "description": "Secrets of before that still sign beside the new one.", "type": "array", "items": old, "maxItems": 3 }),
            ),
            ("status", said(one_of(&["active", "paused", "disabled"]), "Whether it delivers.")),
            ("filter", said(text(), "An expression over topic, resource, event, id, key and payload.")),
            (
                "headers",
                json!({ "description": "Request headers of its deliveries.", "type": "object", "additionalProperties": text() }),
            ),
            ("retry", said(spans(), "Gaps between attempts; [] makes one attempt, as WooCommerce does.")),
            ("timeout", said(span(), "Of one attempt; 30s where nothing is said.")),
            ("concurrency", said(integer(1, 256), "Attempts in flight at once.")),
            ("rate", said(json!({ "type": "string", "examples": ["10/s", "600/m"] }), "Attempts in a span of time.")),
            ("ordering", said(one_of(&["resource", "webhook", "none"]), "Which deliveries leave in order.")),
            (
                "max_delivery_failures",
                said(integer(1, 1_000_000), "Failed deliveries in a row after which it is disabled."),
            ),
            ("hold_when_paused", said(flag(), "Whether events are kept while it is paused.")),
            ("json_escape", said(one_of(&["none", "wordpress"]), "Whether bodies are escaped as PHP does.")),
            ("tls", tls),
            ("id", said(integer(1, 9_007_199_254_740_991), "Its id, where it was made over the API.")),
            ("created_by", said(text(), "Who made it over the API.")),
            (
                "api_version",
                json!({ "description": "Version of WooCommerce's API its client knows.", "enum": [1, 2, 3, "wp_api_v1", "wp_api_v2", "wp_api_v3"] }),
            ),
        ],
    );
    requiring(table, &["topic", "url"])
}

pub(super) fn key() -> Value {
    let table = closed(
        "",
        [
            ("key", said(text(), "ck_…")),
            ("secret", said(secret(), "cs_…")),
            ("permission", said(one_of(&["read", "write", "read_write"]), "What it may do.")),
            ("default", said(flag(), "Its secret signs webhooks that have none.")),
        ],
    );
    requiring(table, &["key", "secret"])
}
