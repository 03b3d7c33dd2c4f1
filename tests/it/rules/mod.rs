//! Files to diagnostics, exchanges to matches, matches to events.

mod derive;
mod explain;
mod load;
mod manual; // docs/rules.md, run
mod matching;
mod packs; // what is shipped in rules/
mod schema;
mod stateful;
mod suggest; // a recording to proposals

use shopbell::diagnostic::Diagnostic;
use shopbell::exchange::{CapturedBody, End, Exchange, ReadOptions, Reading, RequestHead, ResponseHead, Timestamp};
use shopbell::rules::{Loaded, Ruleset, SourceFile, load};

/// Loads one file.
fn load_text(text: &str) -> Loaded {
    load(&[SourceFile { path: "shop.toml".into(), bytes: text.as_bytes().to_vec() }])
}

/// Loads one file that has no fault.
fn ruleset(text: &str) -> Ruleset {
    let loaded = load_text(text);
    let shown = rendered(&loaded.diagnostics);
    loaded.ruleset.unwrap_or_else(|| panic!("{shown}"))
}

/// Diagnostics as `check` shows them.
fn rendered(diagnostics: &[Diagnostic]) -> String {
    let shown: Vec<String> = diagnostics.iter().map(|fault| fault.render(false)).collect();
    shown.join("\n\n")
}

/// An exchange as a test writes it.
#[derive(Clone, Default)]
struct Seen<'a> {
    request: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
    status: u16,
    response_headers: &'a [(&'a str, &'a str)],
    response_body: &'a str,
}

impl Seen<'_> {
    fn request_head(&self) -> RequestHead {
        let (method, target) = self.request.split_once(' ').expect("METHOD target");
        let mut request = http::Request::builder().method(method).uri(target).header("host", "shop.example");
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        RequestHead::of(&request.body(()).expect("a request").into_parts().0)
    }

    fn response_head(&self) -> ResponseHead {
        let mut response = http::Response::builder().status(if self.status == 0 { 200 } else { self.status });
        for (name, value) in self.response_headers {
            response = response.header(*name, *value);
        }
        ResponseHead::of(&response.body(()).expect("a response").into_parts().0)
    }

    fn exchange(&self) -> Exchange {
        Exchange {
            at: Timestamp::default(),
            request: self.request_head(),
            request_body: CapturedBody::whole(self.body.as_bytes().to_vec()),
            response: Some(self.response_head()),
            response_body: CapturedBody::whole(self.response_body.as_bytes().to_vec()),
            end: End::Complete,
        }
    }

    fn reading(&self) -> Reading {
        Reading::new(self.exchange(), ReadOptions::default())
    }
}
