//! Text to cases.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{CaseFault, CaseStep, CaseText, CaseWhat, ExpectedText, body};
use crate::exchange::recorded::parse_target;
use crate::exchange::{CapturedBody, Damage, End, Exchange, RequestHead, ResponseHead, Timestamp};

/// Bytes of one case.
const MAX_CASE: usize = 32 * 1024 * 1024;
/// Exchanges and answers of one case.
const MAX_STEPS: usize = 10_000;

pub(super) fn parse(text: &str) -> Result<CaseText, CaseFault> {
    if text.len() > MAX_CASE {
        return Err(CaseFault {
            line: 1,
            message: format!("{} bytes are more than a case may have ({MAX_CASE})", text.len()),
        });
    }
    let text = text.trim_start_matches('\u{feff}');
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let mut reader = Reader { lines: &lines, at: 0, comment: Vec::new(), inner: Vec::new() };
    let mut case = CaseText::default();
    while let Some(line) = reader.next_mark()? {
        let (at, mut comment) = (reader.at, std::mem::take(&mut reader.comment));
        if let Some(rest) = line.strip_prefix(">>>") {
            let what = reader.exchange(rest)?;
            comment.append(&mut reader.inner);
            case.steps.push(CaseStep { comment, line: at, what });
        } else if let Some(target) = answer_target(line) {
            let what = reader.answer(target)?;
            comment.append(&mut reader.inner);
            case.steps.push(CaseStep { comment, line: at, what });
        } else if line.trim_end() == "=== events" {
            let rest = lines.get(at..).unwrap_or_default();
            case.expected = Some(ExpectedText { comment, line: at + 1, text: rest.join("\n").trim_end().to_owned() });
            break;
        } else if line.starts_with("<<<") {
            return Err(reader.fault("a response without a request: `>>> METHOD TARGET` goes before it"));
        } else {
            return Err(reader.fault(format!("{line:?} is not known; write `=== answer GET TARGET` or `=== events`")));
        }
        if case.steps.len() > MAX_STEPS {
            return Err(reader.fault(format!("more than {MAX_STEPS} exchanges and answers")));
        }
    }
    Ok(case)
}

fn answer_target(line: &str) -> Option<&str> {
    line.strip_prefix("=== answer ")
}

struct Reader<'a> {
    lines: &'a [&'a str],
    /// The line after the one read last; as a number of a line, that one, counted from 1.
    at: usize,
    /// Comments since the last part.
    comment: Vec<String>,
    /// Comments within the part that is read.
    inner: Vec<String>,
}

/// A head's first line beside what it begins with.
#[derive(Default)]
struct Options {
    t: Option<f64>,
    secure: bool,
    end: Option<End>,
    damage: Option<Damage>,
    total: Option<u64>,
}

impl<'a> Reader<'a> {
    fn fault(&self, message: impl Into<String>) -> CaseFault {
        CaseFault { line: self.at.max(1), message: message.into() }
    }

    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let line = self.peek()?;
        self.at += 1;
        Some(line)
    }

    /// The next line that begins a part; comments before it are kept.
    fn next_mark(&mut self) -> Result<Option<&'a str>, CaseFault> {
        while let Some(line) = self.next() {
            if line.starts_with('#') {
                self.comment.push(comment_text(line));
            } else if is_mark(line) {
                return Ok(Some(line));
            } else if !line.trim().is_empty() {
                return Err(
                    self.fault(format!("{line:?} stands outside of an exchange; `>>> METHOD TARGET` begins one"))
                );
            }
        }
        Ok(None)
    }

    fn exchange(&mut self, first: &str) -> Result<CaseWhat, CaseFault> {
        let mut words = first.split_whitespace();
        let method = words.next().ok_or_else(|| self.fault("no method and target: `>>> GET /path`"))?;
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|_| self.fault(format!("{method:?} is no HTTP method")))?;
        let target = words.next().ok_or_else(|| self.fault("no target: `>>> GET /path`"))?;
        let uri = parse_target(target).map_err(|fault| self.fault(fault))?;
        let mut options = Options::default();
        for word in words.filter(|word| !word.starts_with("HTTP/")) {
            if !self.option(&mut options, word)? {
                return Err(self.fault(format!("{word:?} is not known here (blanks in a target are written `%20`)")));
            }
        }
        let (headers, request_body) = self.part(&options)?;
        let (response, response_body) = self.response(&mut options)?;
        let end = options.end.unwrap_or_else(|| End::usual(response.is_some()));
        let secure = options.secure || uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        let request = RequestHead { method, uri, headers, secure };
        let exchange = Exchange { at: Timestamp::default(), request, request_body, response, response_body, end };
        Ok(CaseWhat::Exchange { t: options.t, exchange: Box::new(exchange) })
    }

    fn answer(&mut self, target: &str) -> Result<CaseWhat, CaseFault> {
        let target = target.trim().strip_prefix("GET ").map(str::trim).filter(|target| target.starts_with('/'));
        let target = target.ok_or_else(|| self.fault("look-ups get a path: `=== answer GET /path?query`"))?.to_owned();
        let at = self.at;
        let (headers, request_body) = self.part(&Options::default())?;
        if !headers.is_empty() || !request_body.bytes.is_empty() {
            return Err(CaseFault {
                line: at + 1,
                message: "a response follows an answer's target: `<<< 200`".to_owned(),
            });
        }
        let (response, body) = self.response(&mut Options::default())?;
        Ok(CaseWhat::Answer { target, response, body })
    }

    /// `<<< STATUS` with all that belongs to it, if it comes next.
    fn response(&mut self, of_request: &mut Options) -> Result<(Option<ResponseHead>, CapturedBody), CaseFault> {
        let Some(first) = self.peek().and_then(|line| line.strip_prefix("<<<")) else {
            return Ok((None, CapturedBody::default()));
        };
        self.at += 1;
        self.inner.append(&mut self.comment);
        let mut words = first.split_whitespace().filter(|word| !word.starts_with("HTTP/"));
        let status = words.next().and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| self.fault("no status: `<<< 302`"))?;
        let mut options = Options::default();
        for word in words {
            // Anything else is the reason phrase.
            self.option(&mut options, word)?;
        }
        of_request.end = options.end.or(of_request.end);
        let (headers, body) = self.part(&options)?;
        Ok((Some(ResponseHead { status, headers }), body))
    }

    /// Takes an option in. False: it is none.
    fn option(&self, options: &mut Options, word: &str) -> Result<bool, CaseFault> {
        let bad = |what: &str| self.fault(format!("{word:?}: {what}"));
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "secure" if value.is_empty() => options.secure = true,
            "t" => {
                let t = value.parse().ok().filter(|t: &f64| t.is_finite());
                options.t = Some(t.ok_or_else(|| bad("seconds are a number, `t=2.5`"))?);
            }
            "end" => options.end = Some(End::of_word(value).ok_or_else(|| bad("`complete`, `failed` or `aborted`"))?),
            "body" => {
                let words = Damage::ALL.map(Damage::word).join(", ");
                options.damage = Some(Damage::of_word(value).ok_or_else(|| bad(&format!("one of {words}")))?);
            }
            "total" => options.total = Some(value.parse().map_err(|_| bad("bytes are a number, `total=70000`"))?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Headers and body, up to the next part.
    fn part(&mut self, options: &Options) -> Result<(HeaderMap, CapturedBody), CaseFault> {
        let mut headers = self.headers()?;
        let start = self.at;
        let length = self.lines.iter().skip(start).take_while(|line| !is_mark(line)).count();
        let lines = self.lines.get(start..start + length).unwrap_or_default();
        self.at = start + length;
        let last = lines.iter().rposition(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let (lines, behind) = lines.split_at(last.map_or(0, |last| last + 1));
        self.comment.extend(behind.iter().filter(|line| line.starts_with('#')).map(|line| comment_text(line)));
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (bytes, stands_for) =
            body::read(lines, kind).map_err(|(at, message)| CaseFault { line: start + 1 + at, message })?;
        if let (None, Some(kind)) = (kind, stands_for) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let body = CapturedBody::whole(bytes);
        let total = options.total.unwrap_or(body.total);
        Ok((headers, CapturedBody { total, damage: options.damage, ..body }))
    }

    /// Header lines up to the blank line, which is passed over, or the next part.
    fn headers(&mut self) -> Result<HeaderMap, CaseFault> {
        let mut headers = HeaderMap::new();
        while let Some(line) = self.peek().filter(|line| !is_mark(line)) {
            self.at += 1;
            if line.trim().is_empty() {
                break;
            }
            if line.starts_with('#') {
                self.inner.push(comment_text(line));
                continue;
            }
            let (name, value) = self.header(line)?;
            headers.append(name, value);
        }
        Ok(headers)
    }

    fn header(&self, line: &str) -> Result<(HeaderName, HeaderValue), CaseFault> {
        let hint = "write `Name: value`; a blank line goes before a body";
        let (name, value) =
            line.split_once(':').ok_or_else(|| self.fault(format!("{line:?} is no header line: {hint}")))?;
        let key = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|_| self.fault(format!("{name:?} is no header name: {hint}")))?;
        let bytes = match value.strip_prefix('=') {
            None => value.trim().as_bytes().to_vec(),
            Some(quoted) => {
                let text: Option<String> = serde_json::from_str(quoted.trim()).ok();
                let bytes =
                    text.and_then(|text| text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>());
                bytes.ok_or_else(|| self.fault("`:=` is followed by a JSON string of chars up to U+00FF"))?
            }
        };
        let value = HeaderValue::from_bytes(&bytes);
        Ok((key, value.map_err(|_| self.fault(format!("the value of {name:?} holds a control character")))?))
    }
}

fn comment_text(line: &str) -> String {
    let text = line.trim_start_matches('#');
    text.strip_prefix(' ').unwrap_or(text).trim_end().to_owned()
}

fn is_mark(line: &str) -> bool {
    [">>>", "<<<", "==="].iter().any(|mark| line.starts_with(mark))
}
