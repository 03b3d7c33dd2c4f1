//! A case in all its forms, and faults with their lines.

use http::header;

use super::*;

const CASE: &str = r#"# A guest buys; the order's number is on the next page only.
>>> POST /index.php?main_page=checkout_process t=2.5
Host: shop.example
Cookie: zenid=8c1f0a7b

form:
comments = No hurry, "please"
items[1][name] = Grüner Tee
lines = "one\r\ntwo"
"a = b" = 1
empty =

<<< 302
Location: /index.php?main_page=checkout_success
Set-Cookie: a=1
Set-Cookie: b=2

>>> GET /index.php?main_page=checkout_success secure
<<< 200
Content-Type: text/html; charset=utf-8

<div id="checkoutSuccessOrderNumber">

Your order: 17</div>
\>>> is no mark
\\

# The shop is down.
>>> GET /

>>> POST /admin/product t=9
Content-Type: multipart/form-data; boundary=B

multipart:
name = Tee
image @ "" application/octet-stream
image2 @ tea.jpg image/jpeg

<<< 200 body=cut total=70000
X-Raw:= "Jü"

json:
{
  "id": 7
}

=== answer GET /admin/orders.php?sort=date
<<< 200
Content-Type: text/html

<td>17</td>
\

# What must come of it.
=== events
{"topic":"order.created","id":17}

# none for the look-up
{"topic":"product.updated"}
"#;

fn body(case: &CaseText, step: usize, response: bool) -> String {
    let (_, exchange) = case.exchanges().nth(step).unwrap();
    let body = if response { &exchange.response_body } else { &exchange.request_body };
    String::from_utf8(body.bytes.to_vec()).unwrap()
}

#[test]
fn a_case_is_read() {
    let case = CaseText::parse(CASE).unwrap();
    assert_eq!(case.steps.iter().map(|step| step.line).collect::<Vec<_>>(), [2, 18, 29, 31, 47]);
    assert_eq!(case.steps[0].comment, ["A guest buys; the order's number is on the next page only."]);
    assert_eq!(case.steps[2].comment, ["The shop is down."]);
    assert_eq!(
        body(&case, 0, false),
        "comments=No+hurry%2C+%22please%22&items%5B1%5D%5Bname%5D=Gr%C3%BCner+Tee&lines=one%0D%0Atwo&a+%3D+b=1&empty="
    );
    assert_eq!(
        body(&case, 1, true),
        "<div id=\"checkoutSuccessOrderNumber\">\n\nYour order: 17</div>\n>>> is no mark\n\\"
    );
    assert_eq!(
        body(&case, 3, false),
        "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nTee\r\n--B\r\nContent-Disposition: form-data; name=\"image\"; \
         filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"image2\"; \
         filename=\"tea.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\r\n--B--\r\n"
    );
    let heads: Vec<_> =
        case.exchanges().map(|(t, exchange)| (t, exchange.request.secure, exchange.end.word())).collect();
    let done = "complete";
    assert_eq!(
        heads,
        [(Some(2.5), false, done), (None, true, done), (None, false, "failed"), (Some(9.0), false, done)]
    );
    let last = case.exchanges().last().unwrap().1;
    let response = last.response.as_ref().unwrap();
    assert_eq!(response.headers["x-raw"].as_bytes(), b"J\xfc");
    assert_eq!(response.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!((last.response_body.total, last.response_body.damage), (70_000, Some(crate::exchange::Damage::Cut)));
    assert_eq!(body(&case, 3, true), "{\"id\":7}");
    let CaseWhat::Answer { target, body, .. } = &case.steps[4].what else { panic!("an answer") };
    assert_eq!((target.as_str(), body.bytes.as_ref()), ("/admin/orders.php?sort=date", &b"<td>17</td>\n"[..]));
    let expected = case.expected.as_ref().unwrap();
    assert_eq!((expected.line, expected.text.lines().count(), expected.comment.len()), (56, 4, 1));
}

#[test]
fn a_case_is_written_as_it_was() {
    let case = CaseText::parse(CASE).unwrap();
    assert_eq!(case.write(), CASE);
    for (text, written) in [
        ("", ""),
        ("# alone", ""),
        (">>> GET /", ">>> GET /\n"),
        (">>> get / HTTP/1.1\r\n<<< HTTP/1.1 302 Found\r\n", ">>> get /\n<<< 302\n"),
        (">>> GET https://shop.example/a secure\n", ">>> GET https://shop.example/a\n"),
        (
            ">>> POST /\nContent-Type: application/x-www-form-urlencoded\n\na=1&b[]=x",
            ">>> POST /\nContent-Type: application/x-www-form-urlencoded\n\na=1&b[]=x\n",
        ),
        (">>> POST /\nContent-Type: application/x-www-form-urlencoded\n\na=1", ">>> POST /\n\nform:\na = 1\n"),
        (">>> POST /\n\njson:\n[]", ">>> POST /\n\njson:\n[]\n"),
        (">>> POST /\n\nbase64:\nAP8=", ">>> POST /\n\nbase64:\nAP8=\n"),
        (">>> POST /\n\ncrlf:\na\\r\nb\n\\>>>\\r\nc\\r\n\\", ">>> POST /\n\ncrlf:\na\\r\nb\n\\>>>\\r\nc\\r\n\\\n"),
        (">>> POST /\n\n\n\ntext\n\n\n", ">>> POST /\n\n\n\ntext\n"),
        (">>> POST /\n\nmultipart:\na = b", ">>> POST /\n\nmultipart:\na = b\n"),
        ("=== events\n\n", "=== events\n"),
        ("=== events\n{}\r\r\n{}", "=== events\n{}\n{}\n"),
        (
            ">>> GET /\n# in the head\nA: b\n\n# and behind\n<<< 200\n",
            "# in the head\n# and behind\n>>> GET /\nA: b\n<<< 200\n",
        ),
    ] {
        let found = CaseText::parse(text).map(|case| case.write());
        assert_eq!(found, Ok(written.to_owned()), "{text:?}");
    }
}

#[test]
fn faults_name_line_and_remedy() {
    for (text, line, remedy) in [
        ("hello", 1, "`>>> METHOD TARGET`"),
        ("\n<<< 200", 2, "`>>> METHOD TARGET`"),
        ("# x\n>>> ", 2, "`>>> GET /path`"),
        (">>> GET", 1, "`>>> GET /path`"),
        (">>> GET /a b", 1, "`%20`"),
        (">>> GET / t=x", 1, "`t=2.5`"),
        (">>> GET / body=bad", 1, "cut, incomplete"),
        (">>> GET / end=bad", 1, "aborted"),
        (">>> GET / total=bad", 1, "total=70000"),
        (">>> GET /\n<<< \n", 2, "`<<< 302`"),
        (">>> GET /\nno header\n", 2, "blank line"),
        (">>> GET /\na b: c\n", 2, "header name"),
        (">>> GET /\na:= x\n", 2, "JSON string"),
        (">>> POST /\n\nform:\na = 1\nb\n", 5, "`name = value`"),
        (">>> POST /\n\nform:\na = \"x\n", 4, "JSON string"),
        (">>> POST /\n\nform:\na @ x.jpg\n", 4, "`multipart:`"),
        (">>> POST /\nContent-Type: multipart/form-data\n\nmultipart:\na = 1\n", 4, "`boundary=`"),
        (">>> POST /\n\njson:\n{\n\"a\": }\n", 5, "no JSON"),
        (">>> POST /\n\nbase64:\n*\n", 4, "no base64"),
        ("=== answer POST /x", 1, "`=== answer GET /path?query`"),
        ("=== answer GET /x\nA: b\n<<< 200", 2, "`<<< 200`"),
        ("=== what", 1, "`=== events`"),
    ] {
        let fault = CaseText::parse(text).unwrap_err();
        assert_eq!(fault.line, line, "{text:?}: {fault}");
        assert!(fault.message.contains(remedy), "{text:?}: {fault}");
        assert!(fault.to_string().starts_with("line "));
    }
}
