//! GraphQL over HTTP: where operations stand in a request, and what foreign bytes do to them.

use proptest::prelude::*;
use serde_json::{Value, json};
use shopbell::exchange::{
    CapturedBody, Damage, GraphqlCall, GraphqlKind, Part, PersistedDocuments, ReadOptions, Reading, RequestHead,
};

use super::{FORM, PARTS, answered, exchange};

/// An exchange with a GraphQL endpoint.
fn asked(method: &str, url: &str, content_type: &'static str, body: &[u8], answer: &Value) -> Reading {
    let json: super::Lines<'_> = &[("content-type", b"application/json")];
    let kind: super::Lines<'_> = &[("content-type", content_type.as_bytes())];
    let mut exchange = exchange(url, kind, body, json, answer.to_string().as_bytes());
    exchange.request = RequestHead { method: method.parse().expect("a method"), ..exchange.request };
    Reading::new(exchange, ReadOptions::default())
}

fn names(part: Part<&[GraphqlCall]>) -> Option<Vec<String>> {
    part.ok().map(|calls| calls.iter().map(|call| format!("{} {}", call.kind.as_str(), call.name)).collect())
}

#[test]
fn operations_are_found_where_clients_put_them() {
    let answer = json!({"data": {"a": {"id": 1}}});
    let upload = b"--B\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{\"query\":\"mutation{a{id}}\"}\r\n--B--\r\n";
    for (method, url, content_type, body, expected) in [
        ("POST", "/api", "application/json", &b"{\"query\":\"mutation{a{id}}\"}"[..], Some("mutation a")),
        ("POST", "/api", "text/plain", b"{\"query\":\"mutation{a{id}}\"}", Some("mutation a")),
        ("POST", "/api", "application/graphql", b"mutation M($i: Int) { a(i: $i) { id } }", Some("mutation a")),
        ("POST", "/api", PARTS, upload, Some("mutation a")),
        ("POST", "/api", FORM, b"query=%7Ba%7Bid%7D%7D", Some("query a")),
        ("GET", "/api?query=%7Ba%7Bid%7D%7D&variables=%7B%7D", "", b"", Some("query a")),
        ("GET", "/search?query=tea", "", b"", None),
        ("POST", "/api", "application/json", b"{\"query\":\"tea\"}", None),
        ("POST", "/api", FORM, b"a=1", None),
        ("POST", "/api", "", b"", None),
    ] {
        let reading = asked(method, url, content_type, body, &answer);
        let expected = expected.map(|name| vec![name.to_owned()]);
        assert_eq!(names(reading.graphql()), expected, "{method} {url} {content_type}");
        if let Part::Is([call]) = reading.graphql() {
            assert_eq!((call.data.as_ref(), call.ok), (Some(&json!({"id": 1})), true), "{url}");
        }
    }
    let cut = |mut exchange: shopbell::exchange::Exchange| {
        exchange.request_body = CapturedBody { damage: Some(Damage::Cut), ..exchange.request_body };
        Reading::new(exchange, ReadOptions::default())
    };
    for content_type in ["application/json", "application/graphql"] {
        let whole = asked("POST", "/api", content_type, b"{\"query\":\"{a}\"}", &answer);
        assert_eq!(cut(whole.exchange().clone()).graphql(), Part::Damaged(Damage::Cut), "{content_type}");
    }
    assert_eq!(answered(&[], b"{}", None, "utf-8").graphql(), Part::NotThis);
}

#[test]
fn a_document_is_remembered_from_one_exchange_to_the_next() {
    let documents = PersistedDocuments::default();
    let hash = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
    let first = json!({"query": "{__typename}", "extensions": extensions}).to_string();
    let later = format!("/api?extensions={extensions}").replace('"', "%22").replace(['{'], "%7B").replace('}', "%7D");
    let answer = json!({"data": {"__typename": "Query"}});
    let unknown = asked("GET", &later, "", b"", &answer).with_persisted(&documents);
    assert_eq!(unknown.graphql(), Part::Damaged(Damage::Undecodable));
    asked("POST", "/api", "application/json", first.as_bytes(), &answer).with_persisted(&documents).graphql();
    let known = asked("GET", &later, "", b"", &answer).with_persisted(&documents);
    assert_eq!(names(known.graphql()), Some(vec!["query __typename".to_owned()]));
}

/// Documents made of what has a meaning in them.
fn document() -> impl Strategy<Value = String> {
    let pieces: &[&str] = &[
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ":",
        "!",
        "=",
        "$a",
        "@skip(if: true)",
        "@include(if: $a)",
        "...",
        "... on T",
        "...F",
        "a",
        "b",
        "c: d",
        "query",
        "mutation",
        "fragment F on T",
        "fragment G on T { ...F }",
        "\"x\"",
        "\"\"\"x\"\"\"",
        "\"",
        "# c\n",
        "1",
        "-1.5e9",
        "true",
        "null",
        " ",
        ",",
        "\\u0041",
        "é",
    ];
    let wild = proptest::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.join(" "));
    prop_oneof![any::<String>(), wild.clone(), wild.prop_map(|inner| format!("mutation {{ a {{ {inner} }} }}"))]
}

/// Values of any kind, three levels deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-d]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("(a|b|c|d|data|errors|path|errorCode|__typename)", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_read_or_refused(query in document(), variables in value(), answer in value(), name in "[ab]?") {
        let body = json!({"query": query, "variables": variables, "operationName": name});
        let reading = asked("POST", "/api", "application/json", body.to_string().as_bytes(), &answer);
        if let Part::Is(calls) = reading.graphql() {
            for call in calls {
                prop_assert!(call.args.is_object() && !call.name.is_empty() && !call.alias.is_empty());
                prop_assert!(!call.ok || call.data.as_ref().is_some_and(|data| !data.is_null()));
            }
        }
    }

    #[test]
    fn aliases_are_undone_whatever_they_are(
        names in proptest::collection::btree_set("[a-m]{1,4}", 1..8), aliases in proptest::collection::btree_set("[n-z]{1,4}", 8), wrap in any::<bool>(),
    ) {
        let pairs: Vec<_> = names.iter().zip(&aliases).collect();
        let fields = pairs.iter().map(|(name, alias)| format!("{alias}: {name}")).collect::<Vec<_>>().join(" ");
        let fields = if wrap { format!("...F }} }} fragment F on T {{ ... on T {{ {fields} }} }} #") } else { format!("{fields} }} }}") };
        let body = json!({"query": format!("mutation {{ z: run {{ {fields}")}).to_string();
        let values = |key: &dyn Fn(usize) -> String| Value::Object((0..pairs.len()).map(|at| (key(at), json!(at))).collect());
        let answer = json!({"data": {"z": values(&|at| pairs[at].1.clone())}});
        let reading = asked("POST", "/api", "application/json", body.as_bytes(), &answer);
        let calls = reading.graphql().ok().expect("a document");
        prop_assert_eq!(calls.len(), 1);
        prop_assert_eq!((calls[0].kind, calls[0].data.as_ref()), (GraphqlKind::Mutation, Some(&values(&|at| pairs[at].0.clone()))));
    }
}
