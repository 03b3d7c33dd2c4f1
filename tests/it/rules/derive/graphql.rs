//! Rules that run once for each executed root field.

use shopbell::exchange::{ReadOptions, Reading};
use shopbell::rules::Failure;

use super::super::{Seen, ruleset};
use super::play;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn call<'a>(body: &'a str, answer: &'a str) -> Seen<'a> {
    Seen {
        request: "POST /admin-api",
        headers: JSON,
        body,
        response_headers: JSON,
        response_body: answer,
        ..Seen::default()
    }
}

/// What a rule makes of an exchange; `text` may hold the rule's other keys.
fn made(text: &str, seen: &Seen<'_>) -> String {
    let rules = ruleset(&format!("[event.r]\non = 'POST /admin-api'\ntopic = 'product.created'\n{text}\n"));
    play(&rules, std::slice::from_ref(seen)).replace("product.created ", "")
}

#[test]
fn each_executed_root_field_is_a_run() {
    let two = call(
        r#"{"query":"mutation($n: String!) { a: createProduct(input: {name: $n, n: 1}) { theId: id } b: createProduct(input: {name: \"B\"}) { id } deleteProduct(id: 3) { result } }","variables":{"n":"A"}}"#,
        r#"{"data":{"a":{"theId":"17"},"b":{"id":"18"},"deleteProduct":{"result":"DELETED"}}}"#,
    );
    let id = "id = '{{ field.data.id }}'";
    for (rule, wanted) in [
        (
            format!("graphql.mutation = 'createProduct'\n{id}\npayload.name = '{{{{ field.args.input.name }}}}'"),
            "{\"id\":\"17\"} {\"id\":17,\"name\":\"A\"}\n{\"id\":\"18\"} {\"id\":18,\"name\":\"B\"}",
        ),
        (
            format!("graphql.mutation = 'createProduct'\n{id}\npayload_from = 'field.args.input'"),
            "{\"id\":\"17\"} {\"id\":17,\"name\":\"A\",\"n\":1}\n{\"id\":\"18\"} {\"id\":18,\"name\":\"B\"}",
        ),
        (
            "graphql.mutation = ['deleteProduct', 'createProduct']\nid = '{{ graphql.args.id or field.alias }}'"
                .to_owned(),
            "{\"id\":\"a\"} {\"id\":\"a\"}\n{\"id\":\"b\"} {\"id\":\"b\"}\n{\"id\":\"3\"} {\"id\":3}",
        ),
        (
            format!("graphql.mutation = 'createProduct'\n{id}\ngraphql.args.input.name = 'B'"),
            "{\"id\":\"18\"} {\"id\":18}",
        ),
        (
            format!("graphql.mutation = 'createProduct'\n{id}\ngraphql.data.id = {{ lt = 18 }}"),
            "{\"id\":\"17\"} {\"id\":17}",
        ),
        (
            format!(
                "graphql.mutation = 'createProduct'\n{id}\nany = [{{ graphql.args.input.n = 1 }}, {{ graphql.data.id = 5 }}]"
            ),
            "{\"id\":\"17\"} {\"id\":17}",
        ),
        (
            format!("graphql.mutation = 'createProduct'\n{id}\nwhen = \"field.args.input.name != 'A'\""),
            "{\"id\":\"18\"} {\"id\":18}",
        ),
        // A rule that stops the others stands for all of its own fields.
        (
            format!("graphql.mutation = 'createProduct'\n{id}\nstop = true"),
            "{\"id\":\"17\"} {\"id\":17}\n{\"id\":\"18\"} {\"id\":18}",
        ),
        (format!("graphql.query = 'createProduct'\n{id}"), ""),
        (format!("graphql.mutation = 'a'\n{id}"), ""),
    ] {
        assert_eq!(made(&rule, &two), wanted, "{rule}");
    }
}

#[test]
fn a_field_that_failed_is_left_out_unless_wanted() {
    let body = r#"{"query":"mutation { createProduct(id: 7) { id } }"}"#;
    for (answer, ok) in [
        (r#"{"data":{"createProduct":{"id":"1"}}}"#, true),
        (r#"{"data":{"createProduct":{"id":"1"}},"errors":[]}"#, true),
        (r#"{"data":{"createProduct":null}}"#, false),
        (r#"{"data":null,"errors":[{"message":"no"}]}"#, false),
        (r#"{"data":{"createProduct":{"id":"1"}},"errors":[{"message":"no","path":["createProduct"]}]}"#, false),
        (r#"{"data":{"createProduct":{"id":"1","errorCode":"X"}}}"#, false),
        (r#"{"data":{"createProduct":{"__typename":"NativeAuthError"}}}"#, false),
        (r#"{"data":{"createProduct":{"__typename":"Product"}}}"#, true),
    ] {
        let seen = call(body, answer);
        let runs = |ok: &str| {
            !made(&format!("graphql.mutation = 'createProduct'\nid = '{{{{ field.args.id }}}}'{ok}"), &seen).is_empty()
        };
        assert_eq!((runs(""), runs("\ngraphql.ok = false"), runs("\ngraphql.ok = 'any'")), (ok, !ok, true), "{answer}");
    }
}

#[test]
fn batches_and_hashes_that_were_seen_with_their_text() {
    let batch = call(
        r#"[{"query":"mutation { createProduct { id } }"},{"query":"{ products { id } }"},{"query":"mutation { createProduct { id } }"}]"#,
        r#"[{"data":{"createProduct":{"id":1}}},{"data":{"products":[]}},{"data":{"createProduct":{"id":2}}}]"#,
    );
    let rule = "graphql.mutation = 'createProduct'\nid = '{{ field.data.id }}'";
    assert_eq!(made(rule, &batch), "{\"id\":\"1\"} {\"id\":1}\n{\"id\":\"2\"} {\"id\":2}");
    // SHA-256 of `mutation { createProduct { id } }`.
    let hash = "3ebb95341ee9a72af3f2ce91316d8e7ef771aba442179663143a660000ea505f";
    let text = "\"query\":\"mutation { createProduct { id } }\",";
    let persisted =
        |text: &str| format!(r#"{{{text}"extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{hash}"}}}}}}"#);
    let (with_text, hash_alone) = (persisted(text), persisted(""));
    let answer = |id: u8| format!(r#"{{"data":{{"createProduct":{{"id":{id}}}}}}}"#);
    let (first, second) = (answer(1), answer(2));
    let rules = ruleset(&format!("[event.r]\non = 'POST /admin-api'\ntopic = 'product.created'\n{rule}\n"));
    let refused = r#"{"errors":[{"message":"PersistedQueryNotFound"}]}"#;
    let played = play(
        &rules,
        &[call(&hash_alone, refused), call(&hash_alone, &first), call(&with_text, &first), call(&hash_alone, &second)],
    );
    let parts: Vec<&str> = played.split("\n--\n").collect();
    assert_eq!(parts[0], "");
    assert!(parts[1].starts_with("! r: `graphql` cannot be decided"), "{played}");
    assert_eq!(parts[2..], ["product.created {\"id\":\"1\"} {\"id\":1}", "product.created {\"id\":\"2\"} {\"id\":2}"]);
}

#[test]
fn explain_tells_what_was_executed() {
    let rules = |more: &str| {
        ruleset(&format!(
            "[event.r]\non = 'POST /admin-api'\ntopic = 'a.b'\nid = 1\ngraphql.mutation = 'createProduct'\n{more}\n"
        ))
    };
    let body = r#"{"query":"mutation { createProduct(id: 7) { id } deleteProduct }"}"#;
    let other = r#"{"query":"query createProduct { me { id } }"}"#;
    let failed = r#"{"data":{"createProduct":null}}"#;
    for (more, seen, wanted, found) in [
        ("", call(other, "{}"), "graphql.mutation = createProduct", "query me"),
        ("", call(r#"{"a":1}"#, "{}"), "graphql.mutation = createProduct", "this is no GraphQL"),
        ("", call(body, failed), "graphql.ok = true", "it failed"),
        ("graphql.ok = 'any'\ngraphql.args.id = 8", call(body, failed), "graphql.args.id = 8", "7"),
    ] {
        let reading = Reading::new(seen.exchange(), ReadOptions::default());
        let told = rules(more).failure(0, &reading);
        assert_eq!(told, Some(Failure { wanted: wanted.to_owned(), found: found.to_owned() }), "{more}");
    }
}
