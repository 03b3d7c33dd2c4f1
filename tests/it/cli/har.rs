//! HAR files as browsers export them: each tool that reads a recording reads them too.

use serde_json::Value;

use super::Bench;

const RULES: &str = r#"
[event.saved]
on       = "POST /products/{id:int}/edit"
location = "/products"
topic    = "product.updated"
id       = "{{ params.id }}"
payload.name = "{{ form.name }}"
"#;

/// As Chromium's developer tools write it (HTTP/2, the form as text and as fields), and Firefox's (HTTP/1.1, no text of
/// redirects); after each the page that follows, whose picture is of no interest.
const CHROMIUM: &str = r#"{
  "log": {
    "version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "pages": [],
    "entries": [
      {
        "_connectionId": "71", "_initiator": {"type": "other"}, "_priority": "VeryHigh", "_resourceType": "document", "cache": {},
        "startedDateTime": "2026-11-24T09:12:30.125Z", "time": 61.2, "connection": "443",
        "request": {
          "method": "POST", "url": "https://shop.example/products/7/edit", "httpVersion": "h2", "headersSize": -1, "bodySize": 12,
          "headers": [
            {"name": ":authority", "value": "shop.example"}, {"name": ":method", "value": "POST"},
            {"name": "content-type", "value": "application/x-www-form-urlencoded"}, {"name": "content-length", "value": "12"}
          ],
          "queryString": [], "cookies": [{"name": "sid", "value": "a1", "path": "/", "httpOnly": true}],
          "postData": {"mimeType": "application/x-www-form-urlencoded", "text": "name=T%C3%A9e",
                       "params": [{"name": "name", "value": "T%C3%A9e"}]}
        },
        "response": {
          "status": 302, "statusText": "", "httpVersion": "h2", "headersSize": -1, "bodySize": -1, "_transferSize": 90,
          "headers": [{"name": "location", "value": "/products"}], "cookies": [],
          "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "/products", "_error": null
        },
        "timings": {"blocked": 1, "dns": -1, "ssl": -1, "connect": -1, "send": 0.1, "wait": 59, "receive": 1}
      }
    ]
  }
}"#;
const FIREFOX: &str = r#"{"log":{"version":"1.2","creator":{"name":"Firefox","version":"128.4.0"},
"browser":{"name":"Firefox","version":"128.4.0"},"pages":[{"id":"page_1","pageTimings":{},"startedDateTime":
"2026-11-24T10:12:30.125+01:00","title":"x"}],"entries":[{"startedDateTime":"2026-11-24T10:12:30.125+01:00","request":{
"bodySize":12,"method":"POST","url":"http://shop.example/products/7/edit","httpVersion":"HTTP/1.1","headers":[{"name":"Host",
"value":"shop.example"},{"name":"Content-Type","value":"application/x-www-form-urlencoded"},{"name":"Cookie","value":"sid=a1"}],
"cookies":[{"name":"sid","value":"a1"}],"queryString":[],"headersSize":420,"postData":{"mimeType":
"application/x-www-form-urlencoded","params":[{"name":"name","value":"T%C3%A9e"}],"text":"name=T%C3%A9e"}},"response":{"status":302,
"statusText":"Found","httpVersion":"HTTP/1.1","headers":[{"name":"Location","value":"/products"}],"cookies":[],"content":
{"mimeType":"text/html; charset=UTF-8","size":0,"text":""},"redirectURL":"/products","headersSize":200,"bodySize":200},"cache":{},
"timings":{"blocked":0,"dns":0,"connect":0,"ssl":0,"send":0,"wait":5,"receive":0},"time":5,"_securityState":"insecure",
"serverIPAddress":"203.0.113.7","connection":"80","pageref":"page_1"}]}}"#;

#[test]
fn replay_explain_case_and_suggest_read_what_browsers_export() {
    let bench = Bench::with(&[
        ("rules/r.toml", RULES),
        ("chromium.har", CHROMIUM),
        ("firefox.har", FIREFOX),
        // Nobody has to keep the name.
        ("renamed.json", FIREFOX),
    ]);
    for har in ["chromium.har", "firefox.har", "renamed.json"] {
        let replayed = bench.run(&["replay", "--rules", "rules", "--exchanges", har]);
        let event: Value = serde_json::from_slice(&replayed.stdout).unwrap_or_else(|fault| panic!("{har}: {fault}"));
        assert_eq!((&event["id"], &event["payload"]["name"]), (&7.into(), &"Tée".into()), "{har}: {event}");
        let told = bench.said(&["explain", har]);
        assert!(told.contains("✓ saved") && told.contains("→ product.updated 7"), "{har}: {told}");
        let case = bench.said(&["case", har, "--rules", "rules"]);
        assert!(case.contains(">>> POST /products/7/edit t=0") && case.contains("\nname = Tée\n"), "{har}: {case}");
        assert!(case.contains(r#"{"topic":"product.updated","id":7,"#), "{har}: {case}");
        let suggested = bench.said(&["suggest", har]);
        assert!(suggested.starts_with("exit 0\n") && suggested.contains("1 exchange read"), "{har}: {suggested}");
    }
    let whole = "{\"log\":{\"version\":\"1.2\",\"entries\":[{}]}}";
    bench.write("broken.har", whole);
    let said = bench.said(&["replay", "--exchanges", "broken.har"]);
    assert!(said.starts_with("exit 1\n") && said.contains("broken.har: not a HAR file"), "{said}");
    for tool in ["replay", "explain", "case", "suggest"] {
        let said = bench.said(&[tool]);
        assert!(said.starts_with("exit 2\n") && said.contains("name a recording"), "{tool}: {said}");
        let said = bench.said(&[tool, "chromium.har", "--exchanges", "firefox.har"]);
        assert!(said.starts_with("exit 2\n") && said.contains("cannot be used with"), "{tool}: {said}");
    }
}

/// A login and what follows: a cookie, a password, a token that a page gives and a form sends back.
const SIGNED_IN: &str = r#"{"log":{"version":"1.2","entries":[
{"startedDateTime":"2026-11-24T09:12:30.125Z","request":{"method":"POST","url":"https://shop.example/login","httpVersion":"h2",
 "headers":[{"name":"Cookie","value":"sid=before-the-login-0001"},{"name":"content-type","value":"application/x-www-form-urlencoded"}],
 "postData":{"mimeType":"application/x-www-form-urlencoded",
 "text":"email=ida%40mail.example&password=hush-hush-hush"}},
 "response":{"status":302,"headers":[{"name":"location","value":"/account"},
 {"name":"set-cookie","value":"sid=after-the-login-0002; path=/"}],"content":{"size":0,"mimeType":"x-unknown"}}},
{"startedDateTime":"2026-11-24T09:12:31.125Z","request":{"method":"GET","url":"https://shop.example/account","httpVersion":"h2",
 "headers":[{"name":"Cookie","value":"sid=after-the-login-0002"}]},
 "response":{"status":200,"headers":[{"name":"content-type","value":"text/html"}],"content":{"mimeType":"text/html",
 "text":"<input type=hidden name=csrf_token value=f00dfeed1234cafe>"}}},
{"startedDateTime":"2026-11-24T09:12:32.125Z","request":{"method":"POST","url":"https://shop.example/account","httpVersion":"h2",
 "headers":[{"name":"Cookie","value":"sid=after-the-login-0002"},{"name":"content-type","value":"application/x-www-form-urlencoded"}],
 "postData":{"mimeType":"application/x-www-form-urlencoded",
 "text":"name=Ida&csrf_token=f00dfeed1234cafe&pin_of_door=4711-0815"}},
 "response":{"status":302,"headers":[{"name":"location","value":"/account"}],"content":{"size":0,"mimeType":"x-unknown"}}}]}}"#;

const SECRETS: [&str; 5] =
    ["before-the-login-0001", "after-the-login-0002", "hush-hush-hush", "f00dfeed1234cafe", "4711-0815"];

#[test]
fn a_case_of_a_browsers_recording_holds_no_secrets_and_still_fits() {
    let rules = r#"
[shop]
redact = ["pin_*"]
[session]
cookies = ["sid"]
[learn.login]
on = "POST /login"
remember.me = "{{ form.email }}"
[learn.form]
on = "GET /account"
find.token = { css = "input[name=csrf_token]", attr = "value" }
remember.token = "{{ find.token }}"
[event.saved]
on = "POST /account"
when = "form.csrf_token == session.token"
topic = "customer.updated"
key.email = "{{ session.me }}"
payload.name = "{{ form.name }}"
"#;
    let bench = Bench::with(&[("rules/r.toml", rules), ("x.har", SIGNED_IN)]);
    let made = bench.said(&["case", "x.har", "--rules", "rules", "--out", "rules/cases/saved.txt"]);
    assert!(
        made.starts_with("exit 0\n") && made.contains("3 exchanges and 1 event") && !made.contains("--raw"),
        "{made}"
    );
    let case = std::fs::read_to_string(bench.path("rules/cases/saved.txt")).unwrap();
    assert_eq!(
        SECRETS.into_iter().filter(|secret| case.contains(secret)).collect::<Vec<_>>(),
        Vec::<&str>::new(),
        "{case}"
    );
    assert!(case.contains("ida@mail.example") && case.contains("\nname = Ida\n"), "{case}");
    assert!(bench.said(&["test"]).contains("1 case: 1 passed"));
    // A secret of what is not chosen is none to show either.
    let last = bench.said(&["case", "x.har", "--seq", "2"]);
    assert!(last.contains("name = Ida") && !last.contains("after-the-login"), "{last}");

    let raw = bench.said(&["case", "x.har", "--rules", "rules", "--raw"]);
    assert!(SECRETS.iter().all(|secret| raw.contains(secret)), "{raw}");
    // What was disguised when it was made, or is a case, stays as it is.
    bench.write("made.txt", &case);
    let again = bench.run(&["case", "made.txt", "--rules", "rules"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), case);
    let lines = "{\"shopbell\":{\"recording\":1,\"raw\":RAW}}\n{\"request\":{\"method\":\"GET\",\"url\":\"/a\",\
                 \"headers\":[[\"Host\",\"shop.example\"],[\"Cookie\",\"sid=x0123456789\"]]},\"response\":{\"status\":200,\"headers\":[]}}\n";
    for (raw, stays) in [("false", true), ("true", false)] {
        bench.write("lines.jsonl", &lines.replace("RAW", raw));
        let said = bench.said(&["case", "lines.jsonl"]);
        assert!(said.starts_with("exit 0\n") && said.contains("sid=x0123456789") == stays, "{said}");
    }

    // A rule that rests on what is replaced sees something else.
    bench.write(
        "rules/r.toml",
        "[event.e]\non = 'POST /login'\nform.password = 'hush-hush-hush'\ntopic = 'a.b'\nid = '1'\n",
    );
    let said = bench.said(&["case", "x.har", "--rules", "rules"]);
    assert!(said.contains("make something else of it") && said.contains("--raw"), "{said}");
}
