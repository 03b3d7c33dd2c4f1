//! Cases to text.

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::{CaseStep, CaseText, CaseWhat, body};
use crate::exchange::recorded::header_text;
use crate::exchange::{CapturedBody, End, Exchange, ResponseHead};

pub(super) fn write(case: &CaseText) -> String {
    let mut out = String::new();
    for step in &case.steps {
        part(&mut out);
        comment(&mut out, &step.comment);
        write_step(&mut out, step);
    }
    if let Some(expected) = &case.expected {
        part(&mut out);
        comment(&mut out, &expected.comment);
        line(&mut out, "=== events");
        if !expected.text.is_empty() {
            line(&mut out, &expected.text);
        }
    }
    out
}

/// One blank line between parts.
fn part(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn comment(out: &mut String, comment: &[String]) {
    for text in comment {
        line(out, format!("# {text}").trim_end());
    }
}

fn write_step(out: &mut String, step: &CaseStep) {
    match &step.what {
        CaseWhat::Exchange { t, exchange } => write_exchange(out, *t, exchange),
        CaseWhat::Answer { target, response, body } => {
            line(out, &format!("=== answer GET {target}"));
            if let Some(response) = response {
                write_response(out, response, body);
            }
        }
    }
}

fn write_exchange(out: &mut String, t: Option<f64>, exchange: &Exchange) {
    let request = &exchange.request;
    let mut first = vec![format!(">>> {} {}", request.method, request.uri)];
    first.extend(t.map(|t| format!("t={t}")));
    if request.secure && request.uri.scheme() != Some(&http::uri::Scheme::HTTPS) {
        first.push("secure".to_owned());
    }
    if exchange.end != End::usual(exchange.response.is_some()) {
        first.push(format!("end={}", exchange.end.word()));
    }
    write_part(out, first, &request.headers, &exchange.request_body);
    if let Some(response) = &exchange.response {
        // A body ends at the next mark; a blank line before it reads better.
        if !exchange.request_body.bytes.is_empty() {
            out.push('\n');
        }
        write_response(out, response, &exchange.response_body);
    }
}

fn write_response(out: &mut String, response: &ResponseHead, body: &CapturedBody) {
    write_part(out, vec![format!("<<< {}", response.status.as_u16())], &response.headers, body);
}

fn write_part(out: &mut String, mut first: Vec<String>, headers: &HeaderMap, body: &CapturedBody) {
    first.extend(body.damage.map(|damage| format!("body={}", damage.word())));
    if body.total != body.bytes.len() as u64 {
        first.push(format!("total={}", body.total));
    }
    line(out, &first.join(" "));
    let one = if headers.get_all(header::CONTENT_TYPE).iter().count() == 1 {
        headers.get(header::CONTENT_TYPE)
    } else {
        None
    };
    let (text, told) = body::write(&body.bytes, one.and_then(|value| value.to_str().ok()));
    for (name, value) in headers {
        if !(told && name == header::CONTENT_TYPE) {
            line(out, &write_header(name.as_str(), value));
        }
    }
    if !body.bytes.is_empty() {
        out.push('\n');
        line(out, &text);
    }
}

fn write_header(name: &str, value: &HeaderValue) -> String {
    let parts = name.split('-').map(|part| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    let mut name = parts.collect::<Vec<_>>().join("-");
    if name.starts_with('#') {
        // Not at the line's start, where it would be a comment.
        name.insert(0, ' ');
    }
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) if text.trim() == text && !text.contains('\t') => format!("{name}: {text}").trim_end().to_owned(),
        _ => format!("{name}:= {}", Value::from(header_text(value))),
    }
}
