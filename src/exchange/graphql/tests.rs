//! What exchanges with a GraphQL endpoint mean.

use serde_json::json;

use super::*;

/// Calls of a request body and an answer, in short: kind, name, arguments, data, and whether it worked.
fn read(body: &Value, answer: &Value) -> Vec<(GraphqlKind, String, Value, Option<Value>, bool)> {
    let calls =
        calls(&from_request_json(body), Part::Is(answer), &PersistedDocuments::default()).ok().expect("readable");
    calls.into_iter().map(|call| (call.kind, call.name, call.args, call.data, call.ok)).collect()
}

const MUTATION: GraphqlKind = GraphqlKind::Mutation;

#[test]
fn names_arguments_and_data_are_the_schemas() {
    for (query, variables, data, expected) in [
        (
            "mutation NotTelling($i: In!) { newOne: createProduct(input: $i, n: 1.5) { theId: id t: translations { n: name } } }",
            json!({"i": {"name": "Tea"}}),
            json!({"newOne": {"theId": "7", "t": [{"n": "Tea"}, {"n": "Thé"}]}}),
            vec![(
                "createProduct",
                json!({"input": {"name": "Tea"}, "n": 1.5}),
                json!({"id": "7", "translations": [{"name": "Tea"}, {"name": "Thé"}]}),
                true,
            )],
        ),
        (
            "mutation($id: ID! = 3, $gone: Int) { deleteProduct(id: $id, why: \"deleteOrder { x }\", in: {a: $gone, b: [$gone, OK]}, c: $gone) { result } # createProduct }\n }",
            json!({}),
            json!({"deleteProduct": {"result": "DELETED"}}),
            vec![(
                "deleteProduct",
                json!({"id": 3, "why": "deleteOrder { x }", "in": {"b": [null, "OK"]}}),
                json!({"result": "DELETED"}),
                true,
            )],
        ),
        (
            "mutation($no: Boolean!) { a: x @skip(if: true) { id } b: x @include(if: $no) { id } ...F ... @skip(if: $no) { d: y { id } } } fragment F on Mutation { c: x { id } }",
            json!({"no": false}),
            json!({"c": {"id": 1}, "d": {"id": 2}}),
            vec![("x", json!({}), json!({"id": 1}), true), ("y", json!({}), json!({"id": 2}), true)],
        ),
        (
            "mutation { a: add(n: 1) { id } b: add(n: 2) { id } }",
            json!(null),
            json!({"a": {"id": 1}, "b": {"id": 2}}),
            vec![("add", json!({"n": 1}), json!({"id": 1}), true), ("add", json!({"n": 2}), json!({"id": 2}), true)],
        ),
        (
            "mutation { login { k: __typename ... on User { x: id } ... on Oops { x: code ...E } } } fragment E on Err { m: message }",
            json!({}),
            json!({"login": {"k": "Oops", "x": "C", "m": "no"}}),
            vec![("login", json!({}), json!({"__typename": "Oops", "code": "C", "message": "no"}), true)],
        ),
        (
            "mutation { get { one: item(n: 1) { i: id } two: item(n: 2) { i: id } id id } }",
            json!({}),
            json!({"get": {"one": {"i": 1}, "two": {"i": 2}, "id": 3}}),
            vec![("get", json!({}), json!({"item": {"id": 1}, "id": 3, "two": {"id": 2}}), true)],
        ),
    ] {
        let found = read(&json!({"query": query, "variables": variables}), &json!({"data": data}));
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, args, data, ok)| (MUTATION, name.to_owned(), args, Some(data), ok))
            .collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[test]
fn the_operation_that_runs_is_read() {
    let two = "query createProductDialog { products { id } } mutation B { createProduct { id } }";
    for (body, expected) in [
        (json!({"query": two, "operationName": "B"}), vec![(MUTATION, "createProduct")]),
        (json!({"query": two, "operationName": "createProductDialog"}), vec![(GraphqlKind::Query, "products")]),
        (json!({"query": two}), vec![]),
        (json!({"query": two, "operationName": "C"}), vec![]),
        (json!({"query": "query Only { me { id } }", "operationName": ""}), vec![(GraphqlKind::Query, "me")]),
        (json!({"query": "subscription { s }"}), vec![(GraphqlKind::Subscription, "s")]),
        (json!([{"query": "{a}"}, {"query": "mutation {b}"}]), vec![(GraphqlKind::Query, "a"), (MUTATION, "b")]),
        (json!({"query": "tea"}), vec![]),
        (json!({"id": 1}), vec![]),
        (json!([]), vec![]),
        (json!([{"query": "{a}"}, 3]), vec![]),
    ] {
        let found = read(&body, &json!({}));
        let found: Vec<_> = found.iter().map(|(kind, name, ..)| (*kind, name.as_str())).collect();
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn what_worked_is_told_from_what_did_not() {
    let body = json!({"query": "mutation { x: do { __typename id errorCode } }"});
    for (answer, data, errors, ok) in [
        (json!({"data": {"x": {"id": 1}}}), Some(json!({"id": 1})), 0, true),
        (json!({"data": {"x": true}}), Some(json!(true)), 0, true),
        (json!({"data": {"x": null}}), Some(json!(null)), 0, false),
        (json!({"data": null, "errors": [{"message": "m"}]}), None, 1, false),
        (json!({"data": {"x": null}, "errors": [{"path": ["x"]}, {"path": ["y"]}]}), Some(json!(null)), 1, false),
        (json!({"data": {"x": {"id": 1}}, "errors": [{"path": ["x", "price"]}]}), Some(json!({"id": 1})), 1, true),
        (json!({"data": {"x": {"id": 1}}, "errors": [{"path": ["x"]}]}), Some(json!({"id": 1})), 1, false),
        (json!({"data": {"x": {"__typename": "StockError"}}}), Some(json!({"__typename": "StockError"})), 0, false),
        (json!({"data": {"x": {"errorCode": "E"}}}), Some(json!({"errorCode": "E"})), 0, false),
        (json!({"data": {"x": {"errorCode": null}}}), Some(json!({"errorCode": null})), 0, true),
        (
            json!({"data": {"x": [{"errorCode": "E"}, {"id": 1}]}}),
            Some(json!([{"errorCode": "E"}, {"id": 1}])),
            0,
            true,
        ),
        (json!({"data": {"x": []}}), Some(json!([])), 0, true),
        (json!([{"data": {"x": 1}}]), Some(json!(1)), 0, true),
        (json!("junk"), None, 0, false),
    ] {
        let calls = calls(&from_request_json(&body), Part::Is(&answer), &PersistedDocuments::default()).ok().unwrap();
        let [call] = calls.as_slice() else { panic!("one call: {answer}") };
        assert_eq!((&call.data, call.errors.len(), call.ok, call.alias.as_str()), (&data, errors, ok, "x"), "{answer}");
    }
    let batch = json!([{"query": "{a}"}, {"query": "{b}"}]);
    let found = read(&batch, &json!([{"data": {"a": 1}}, {"data": {"b": null}}]));
    assert_eq!(found.iter().map(|call| call.4).collect::<Vec<_>>(), [true, false]);
    assert!(read(&batch, &json!({"data": {"a": 1}})).iter().all(|call| !call.4), "a batch refused as a whole");
}

#[test]
fn hashes_stand_for_documents_seen() {
    let documents = PersistedDocuments::default();
    let hash = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
    let named = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}});
    let full = json!({"query": "{__typename}", "extensions": {"persistedQuery": {"sha256Hash": hash}}});
    let answer = json!({"data": {"__typename": "Query"}});
    let read = |body: &Value, answer: &Value| {
        let calls = calls(&from_request_json(body), Part::Is(answer), &documents);
        match calls {
            Part::Is(calls) => Ok(calls.len()),
            Part::Damaged(damage) => Err(damage),
            Part::NotThis => unreachable!("calls are always calls"),
        }
    };
    let refusal = json!({"errors": [{"message": "PersistedQueryNotFound"}]});
    assert_eq!(read(&named, &refusal), Ok(0));
    // The shop knows what we do not: that must not look like nothing.
    assert_eq!(read(&named, &answer), Err(Damage::Undecodable));
    assert_eq!(read(&full, &answer), Ok(1));
    assert_eq!(read(&named, &answer), Ok(1));
}

#[test]
fn bombs_are_refused() {
    let fragments = |body: &dyn Fn(usize) -> String| {
        (0..30).map(|n| format!("fragment F{n} on X {{ {} }} ", body(n))).collect::<Vec<_>>().concat()
    };
    let doubling = fragments(&|n| if n == 29 { "a".to_owned() } else { format!("...F{0} x {{ ...F{0} }}", n + 1) });
    for (query, damage) in [
        (format!("{{ ...F0 }} {doubling}"), Damage::TooLarge),
        ("{ ...F } fragment F on X { ...F }".to_owned(), Damage::TooLarge),
        ("{ ...F } fragment F on X { a { ...F } }".to_owned(), Damage::TooLarge),
        ("{ ...G }".to_owned(), Damage::Undecodable),
        (format!("{{ {} }}", (0..2_000).map(|n| format!("a{n}")).collect::<Vec<_>>().join(" ")), Damage::TooLarge),
        ("{ a".to_owned(), Damage::Undecodable),
    ] {
        let asked = from_request_json(&json!({"query": query}));
        let found = calls(&asked, Part::Is(&json!({})), &PersistedDocuments::default());
        assert_eq!(found, Part::Damaged(damage), "{query:.60}");
    }
    let asked = from_request_json(&json!({"query": "{a}"}));
    let cut = calls(&asked, Part::Damaged(Damage::Cut), &PersistedDocuments::default());
    assert_eq!(cut, Part::Damaged(Damage::Cut));
}
