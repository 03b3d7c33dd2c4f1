//! Rules files, expressions and extraction.

use std::hint::black_box;

use serde_json::json;
use shopbell::exchange::{Exchange, Part, ReadOptions, Reading, Timestamp};
use shopbell::rules::expr::{Context, ExpressionsBuilder, MAX_ITEMS, Scope, Template};
use shopbell::rules::rule::Shop;
use shopbell::rules::{MemoryState, OpenWaits, Replay, Ruleset, SourceFile};

use super::{FORM, choice, exchange, first_line, text};

/// Between two files.
const FILE_BREAK: &str = "\n=====\n";
/// A form with most of what PHP makes of names.
const BODY: &[u8] =
    b"name=Tea&price=1.234%2C50&qty=&a[1]=one&a[5]=five&x[]=p&x[]=q&s=1&s=2&body=%3Cp%3ECaf%26eacute%3B%3C/p%3E\
                      &line[7][qty]=2&line[3][qty]=4&csv=1,2,3&json={\"a\":[1,{\"b\":2}]}&nested=u%3D1%26v%3D2";
/// A page with what rules look for.
const PAGE: &[u8] =
    b"<!doctype html><title>T</title><table><tr class=r data-id=7><td>1<td>two</tr><tr class=r><td>3<td>4</table>\
                      <div class=alert>saved 12</div><a href='/p/9?x=1'>l</a>";

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn ruleset(text: &str) -> Option<Ruleset> {
    shopbell::rules::load(&[file("a.toml", text)]).ruleset
}

/// Some exchanges for any rules: a form, a page, JSON.
fn some() -> [Exchange; 3] {
    let json = br#"{"id":7,"items":[{"sku":"a","n":1.5},{"sku":null}],"data":{"order":{"id":"x"}}}"#;
    [exchange(FORM.as_bytes(), BODY, b""), exchange(b"text/html", b"", PAGE), exchange(b"application/json", json, json)]
}

/// A rules directory: faults are told with the place they stand in; where there is none, exchanges run through it.
pub(super) fn load(data: &[u8]) {
    let text = text(data);
    let names = ["a.toml", "b/c.toml", "d.toml"];
    let files: Vec<_> = text.splitn(3, FILE_BREAK).zip(names).map(|(text, name)| file(name, text)).collect();
    let loaded = shopbell::rules::load(&files);
    for fault in &loaded.diagnostics {
        assert!(!fault.message.is_empty(), "a fault says what is wrong");
        black_box(fault.render(false));
    }
    let Some(ruleset) = loaded.ruleset else {
        assert!(!loaded.diagnostics.is_empty(), "no ruleset and no word why");
        return;
    };
    let mut replay = Replay::new(&ruleset);
    for (seq, exchange) in some().into_iter().enumerate() {
        black_box(replay.feed(seq, exchange));
    }
    black_box(replay.finish());
}

/// The first byte chooses scope and exchange, the rest is a value with holes.
pub(super) fn expression(data: &[u8]) {
    let (kind, source) = choice(data);
    let mut builder = ExpressionsBuilder::new();
    let (template, faults) = builder.template(&text(source), [Scope::Rule, Scope::Item, Scope::Filter][kind % 3]);
    for fault in &faults {
        assert!(text(source).get(fault.range.clone()).is_some(), "a fault stands in the text: {fault:?}");
    }
    let Some(template) = template else { return };
    with_context(some()[kind / 3 % 3].clone(), builder, |expressions, context| {
        let rule = context.rule(&[], &[]);
        black_box(expressions.value(&template, &rule).is_ok());
        black_box(expressions.text(&template, &rule).is_ok());
        for hole in template.holes() {
            black_box((expressions.truth(hole, &rule).is_ok(), expressions.source(hole)));
            let event = json!({"topic": "a.b", "payload": {"n": [1, "2"]}, "key": {}});
            black_box(expressions.filter(hole, event.as_object().expect("a table")).is_ok());
        }
    });
}

/// The first line is the expression, the rest a form.
pub(super) fn for_each(data: &[u8]) {
    let (source, body) = first_line(data);
    let mut builder = ExpressionsBuilder::new();
    let Some(list) = builder.expression(&text(source), Scope::Rule).0 else { return };
    let item = builder.template("{{ item }}", Scope::Item).0.expect("an expression");
    let exchange = exchange(FORM.as_bytes(), body, b"");
    with_context(exchange, builder, |expressions, context| {
        let rule = context.rule(&[], &[]);
        let Ok(items) = expressions.elements(list, &rule) else { return };
        assert!(items.len() <= MAX_ITEMS, "more items than there may be");
        for (index, found) in items.into_iter().enumerate().take(20) {
            let rule = rule.with_item(&found, index);
            black_box((expressions.value(&item, &rule).is_ok(), expressions.text(&item, &rule).is_ok()));
        }
    });
}

fn with_context(
    exchange: Exchange,
    builder: ExpressionsBuilder,
    work: impl FnOnce(&shopbell::rules::expr::Expressions, &Context<'_>),
) {
    let shop = Shop::default();
    let expressions = builder.build(&shop);
    let (reading, state) = (Reading::new(exchange, ReadOptions::default()), MemoryState::default());
    work(&expressions, &Context::new(&reading, &shop, &state, Timestamp::default()));
    black_box(Template::Literal(String::new()));
}

/// Lines: selector of rows, selector of a column, attribute, expression; then the page.
pub(super) fn find(data: &[u8]) {
    let (rows, rest) = first_line(data);
    let (column, rest) = first_line(rest);
    let (attr, rest) = first_line(rest);
    let (regex, page) = first_line(rest);
    // What JSON escapes, TOML does alike.
    let quoted = |bytes: &[u8]| serde_json::Value::from(text(bytes)).to_string();
    let (rows, column, attr, regex) = (quoted(rows), quoted(column), quoted(attr), quoted(regex));
    let finds = [
        format!("{{ rows = {rows}, cols.a = {{ css = {column}, regex = {regex}, optional = true }} }}"),
        format!("{{ css = {column}, attr = {attr}, all = true }}"),
        format!("{{ from = \"body\", regex = {regex}, all = true }}"),
        format!("{{ from = \"body\", xml = {column}, regex = {regex} }}"),
    ];
    for find in finds {
        let rule = format!("[event.e]\non = 'POST /shop'\ntopic = 'a.b'\nid = '{{{{ find.f }}}}'\nfind.f = {find}\n");
        let Some(ruleset) = ruleset(&rule) else { continue };
        black_box(matched(&ruleset, exchange(b"text/html", b"", page)));
    }
}

/// How many rules match.
fn matched(ruleset: &Ruleset, exchange: Exchange) -> usize {
    let Some(candidates) = ruleset.wants(&exchange.request, &OpenWaits::default()) else { return 0 };
    let reading = Reading::new(exchange, ReadOptions::default());
    ruleset.matches(&reading, &candidates).rules.len()
}

/// A page that may show messages.
pub(super) fn flash_page(data: &[u8]) {
    thread_local! {
        static RULES: Ruleset = ruleset(
            "[flash]\npage = { success = '.ok, .alert > div:first-child', error = '.no' }\n\
             [event.e]\non = 'POST /shop'\ntopic = 'a.b'\nid = 1\nflash = 'success'\n",
        ).expect("it loads");
    }
    RULES.with(|rules| {
        let reading = Reading::new(exchange(b"text/html", b"", data), ReadOptions::default());
        black_box(rules.shown_flash(&reading).map(|messages| messages.len()));
        if let Part::Is(page) = reading.response_html() {
            black_box(rules.flash.as_ref().map(|flash| flash.boxes(page).len()));
        }
    });
}
