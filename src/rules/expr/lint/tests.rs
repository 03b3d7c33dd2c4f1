use super::*;

fn shown(source: &str, scope: Scope) -> String {
    let faults = lint(source, scope, true).faults;
    let shown = faults.iter().map(|fault| {
        let kind = if fault.warning { "warning " } else { "" };
        let hint = fault.hint.as_deref().unwrap_or("-");
        format!("{kind}{}..{} {} ({hint})", fault.range.start, fault.range.end, fault.message)
    });
    shown.collect::<Vec<_>>().join("; ")
}

#[test]
fn sound_expressions_have_no_faults() {
    for source in [
        "form.price | money",
        "'publish' if form.status | yes else 'draft'",
        "form['x[]'] | length > 2",
        "form.qty | int > 3",
        "status == 302",
        "json.total > 10",
        "(location.query.post_type or referer.query.post_type) == 'a'",
        "query.action | pick({'trash': 'deleted', 'untrash': 'restored'})",
        "known('product', form.id).facts.master in form['cat[]']",
        "rows(id=form['id[]'], qty=form['qty[]'])",
        "location.params.id is defined",
        "form.price[form.id | first] | money == '1.00'",
        "[1, 2][0] == 1",
        "json.a-json.b == 1",
        "form.qty | int * form.price | float > 10",
        "json.price * 100 == 5",
        "response.json.items | map(attribute='id') | list",
    ] {
        assert_eq!(shown(source, Scope::Rule), "", "{source}");
    }
    assert_eq!(shown("changed(item.qty, 3) and index < 5", Scope::Item), "");
    assert_eq!(shown("payload.total | float > 100 and topic == 'order.created'", Scope::Filter), "");
}

#[test]
fn faults_name_the_place_and_the_cure() {
    let rows = [
        ("fom.price", "0..3 unknown variable `fom` (did you mean `form`?)"),
        ("response.status == 200", "9..15 `response` has no `status` (write `status` alone)"),
        ("form.name | uppercase", "12..21 unknown filter `uppercase` (here it is called `upper`)"),
        ("form.price | monee", "13..18 unknown filter `monee` (did you mean `money`?)"),
        ("form.x is dfined", "10..16 unknown test `dfined` (did you mean `defined`?)"),
        ("knwon('a', 1)", "0..5 unknown function `knwon` (did you mean `known`?)"),
        ("money(form.x)", "0..5 `money` is a filter, not a function (write `value | money`)"),
        ("item.id == 'a'", "0..4 `item` is known only where the rule has `for_each` (add `for_each = \"…\"`)"),
        (
            "query.remove-item",
            "0..17 `query.remove-item` is a subtraction (a name with a dash stands in brackets: write \
             `query['remove-item']`; a subtraction takes spaces)",
        ),
        (
            "form.multi-order-status == 'a'",
            "0..23 `form.multi-order-status` is a subtraction (a name with a dash stands in brackets: write \
             `form['multi-order-status']`; a subtraction takes spaces)",
        ),
        ("location.qery.a == 'b'", "9..13 `location` has no `qery` (did you mean `location.query`?)"),
        (
            "form.a == 10",
            "0..12 `form.a` is text and is compared with a number (write `form.a | int == 10`, or put the number in quotes)",
        ),
        (
            "3 < query['n'] | trim",
            "0..21 `query['n'] | trim` is text and is compared with a number (write `3 < query['n'] | trim | int`, \
             or put the number in quotes)",
        ),
        ("status = 302", "7..8 unexpected input after expression (use `==` to compare)"),
        ("form.a\u{fffd} | int", "6..9 unexpected character (-)"),
        ("a && b", "2..3 unexpected character (write `and`)"),
        ("form.a.split(',')", "6..17 values have no methods: `.split(…)` cannot be called (use a filter: `… | split`)"),
        (
            "'b' if form.a else 'c'",
            "warning 7..13 `form.a` is text: it counts as true even where it is `0` or `off` (write `form.a | yes`, \
             or `form.a != ''` if that is meant)",
        ),
        (
            "form.a | map({'1': 'x'})",
            "9..24 `map` here is MiniJinja's filter over lists, not a choice from a table (use `pick({…})`)",
        ),
        (
            "json.a * json.b > 1",
            "0..6 `json.a` is a factor and not certainly a number (write `json.a | int` or `json.a | float`)",
        ),
        (
            "(form.x | length) * [0]",
            "20..23 `[0]` is a factor and not certainly a number (write `[0] | int` or `[0] | float`)",
        ),
        ("(1 + ", "3..4 unexpected end of input, expected expression (-)"),
    ];
    let shown_all = rows.map(|(source, _)| shown(source, Scope::Rule));
    assert_eq!(shown_all, rows.map(|(_, wanted)| wanted.to_owned()));
    assert_eq!(
        shown("form.x == 'a'", Scope::Filter),
        "0..4 unknown variable `form` (a filter knows topic, resource, event, id, key, payload)"
    );
}

#[test]
fn what_an_expression_reads_is_known() {
    let reads = |source: &str| lint(source, Scope::Rule, false).reads.iter().map(Root::word).collect::<Vec<_>>();
    assert_eq!(reads("response.json.id or form.x"), ["form", "response.json"]);
    assert_eq!(reads("response['headers'].etag"), ["response.headers"]);
    assert_eq!(reads("known('product', query.id).name"), ["query", "known"]);
    assert_eq!(reads("response").len(), 4);
}
