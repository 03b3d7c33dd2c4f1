//! What is replaced, what stays, and that everything still joins.

use super::Disguise;
use crate::exchange::{CaseText, CaseWhat, Exchange, to_line};

fn exchanges(text: &str) -> Vec<Exchange> {
    let steps = CaseText::parse(text).expect("a case").steps;
    let of = |what| match what {
        CaseWhat::Exchange { exchange, .. } => Some(*exchange),
        CaseWhat::Answer { .. } => None,
    };
    steps.into_iter().filter_map(|step| of(step.what)).collect()
}

fn disguised(text: &str) -> Vec<Exchange> {
    let mut disguise = Disguise::new([7; 32], &["IBAN".to_owned()], &["messages".to_owned()]);
    exchanges(text).iter().map(|exchange| disguise.exchange(exchange)).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All of an exchange that a file would show.
fn shown(exchange: &Exchange) -> String {
    format!(
        "{}\n{}\n{}",
        to_line(exchange, None),
        text(&exchange.request_body.bytes),
        text(&exchange.response_body.bytes)
    )
}

#[test]
fn secrets_leave_and_all_else_stays() {
    let case = r#"
>>> POST /admin/index.php?route=catalog/product/add&user_token=Wo05DMqbuCnk9pk4N70q
Host: shop.example
Cookie: OCSESSID=8be589475ac2241cf58884ef82; language=en-gb; basket=4:1abcDEF99xyz; messages=W1siX19qc29uX21lc3NhZ2Ui
Authorization: Bearer eyJhbGciOi12345
X-CSRF-Token: tok1234567890
Referer: http://shop.example/admin/index.php?user_token=Wo05DMqbuCnk9pk4N70q&page=2

form:
name = Green tea
email = ann@example.com
password = geheim
confirm = geheim
iban = DE89370400440532013000
note = 4111 1111 1111 1111
ean = 4006381333931
agree = 1
post_data = billing_city=Wien&_wpnonce=abcdef0123&x=1

<<< 302
Location: http://shop.example/admin/index.php?route=catalog/product&user_token=Wo05DMqbuCnk9pk4N70q
Set-Cookie: OCSESSID=8be589475ac2241cf58884ef82; path=/; HttpOnly
Content-Type: text/html; charset=utf-8

<input type="hidden" name="csrfmiddlewaretoken" value="ZZtop1234567"><a href="?a=1&amp;user_token=Wo05DMqbuCnk9pk4N70q">x</a>
<meta name="csrf-token" content="metaTok99887766"><script>var cfg = {"apiKey":"k-998877", "title": "Tea"};</script>
<label for="password">Password: "enter it"</label><input name="q" value="8be589475ac2241cf58884ef82">
"#;
    let all = shown(&disguised(case)[0]);
    for secret in [
        "Wo05DMqbuCnk9pk4N70q",
        "8be589475ac2241cf58884ef82",
        "1abcDEF99xyz",
        "eyJhbGciOi12345",
        "tok1234567890",
        "geheim",
        "DE89370400440532013000",
        "4111",
        "abcdef0123",
        "ZZtop1234567",
        "metaTok99887766",
        "k-998877",
    ] {
        assert!(!all.contains(secret), "{secret}\n{all}");
    }
    for kept in [
        "route=catalog/product/add",
        "language=en-gb",
        "basket=4:x",
        "messages=W1siX19qc29uX21lc3NhZ2Ui",
        "Bearer x",
        "name=Green+tea",
        "email=ann%40example.com",
        "ean=4006381333931",
        "agree=1",
        "billing_city",
        "path=/; HttpOnly",
        "page=2",
        r#""title": "Tea""#,
        r#"<label for="password">Password: "enter it"</label>"#,
    ] {
        assert!(all.contains(kept), "{kept}\n{all}");
    }
}

#[test]
fn a_value_has_one_pseudonym_wherever_it_stands() {
    let case = r#"
>>> GET /page
Cookie: sid=abcdefgh12345678
<<< 200
Content-Type: text/html

<input name="form_token" value="formtok-123456"><a href="/next?sid=abcdefgh12345678">n</a>

>>> POST /save?sid=abcdefgh12345678
Authorization: Bearer abcdefgh12345678

form:
form_token = formtok-123456

<<< 200
Content-Type: application/json

{"sessionId":"abcdefgh12345678","ok":true,"items":[{"token":"formtok-123456","n":5}]}

>>> POST /login

multipart:
user = ann
password = kurz
_token = formtok-123456

<<< 302

>>> POST /graphql

json:
{"query": "mutation { login(username: \"ann\", password: \"topsecret1\") { id } }", "variables": {"password": 12345}}

<<< 200
"#;
    let seen = disguised(case);
    let page = text(&seen[0].response_body.bytes);
    let cookie = seen[0].request.headers["cookie"].to_str().unwrap().strip_prefix("sid=").unwrap().to_owned();
    assert!(cookie.len() == 16 && page.contains(&format!("/next?sid={cookie}\"")), "{cookie} {page}");
    assert_eq!(seen[1].request.uri.to_string(), format!("/save?sid={cookie}"));
    assert_eq!(seen[1].request.headers["authorization"], format!("Bearer {cookie}"));
    let token = text(&seen[1].request_body.bytes).strip_prefix("form_token=").unwrap().to_owned();
    assert!(token.len() == 14 && page.contains(&format!("value=\"{token}\"")), "{token} {page}");
    let json = text(&seen[1].response_body.bytes);
    assert_eq!(json, format!(r#"{{"sessionId":"{cookie}","ok":true,"items":[{{"token":"{token}","n":5}}]}}"#));
    let parts = text(&seen[2].request_body.bytes);
    assert!(parts.contains("\r\n\r\nann\r\n") && parts.contains(&token) && !parts.contains("kurz"), "{parts}");
    let graphql = text(&seen[3].request_body.bytes);
    assert!(
        !graphql.contains("topsecret1") && !graphql.contains("12345") && graphql.contains(r#"\"ann\""#),
        "{graphql}"
    );
    // Another salt, other pseudonyms.
    let other = Disguise::new([8; 32], &[], &[]).exchange(&exchanges(case)[0]);
    assert_ne!(other.request.headers["cookie"], seen[0].request.headers["cookie"]);
}

#[test]
fn lengths_fit_and_what_cannot_be_read_is_left_out() {
    let case = ">>> POST /x\nContent-Length: 13\n\nform:\npassword = kurz\n\n<<< 200\nContent-Encoding: gzip\nContent-Type: text/html\n\nno gzip at all\n";
    let seen = disguised(case).remove(0);
    assert!(!seen.request.headers.contains_key("content-length"), "it would be wrong");
    assert_eq!(seen.request_body.total, seen.request_body.bytes.len() as u64);
    assert!(seen.response_body.bytes.is_empty() && seen.response_body.damage.is_some());
}
