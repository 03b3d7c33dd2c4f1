//! Bodies as people write them, both ways.

use base64::Engine;
use encoding_rs::{Encoding, UTF_8};
use form_urlencoded::byte_serialize;
use serde_json::Value;

use super::is_special;
use crate::exchange::charset::parameter;
use crate::exchange::charset_of_content_type;
use crate::exchange::recorded::BASE64;
use crate::exchange::urlencoded::read_urlencoded;

/// The label a `form:` stands for.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
/// The label a `json:` stands for.
pub(super) const JSON: &str = "application/json";
/// The label a `multipart:` stands for.
pub(super) const MULTIPART: &str = "multipart/form-data; boundary=----case";
/// Chars of base64 in a line.
const WIDTH: usize = 76;

/// A body's bytes, and the content type its form stands for.
type Read = (Vec<u8>, Option<&'static str>);
/// The line, counted from 0, and what is wrong with it.
type Fault = (usize, String);

/// A body's bytes, and the content type its form stands for. `content_type` is the one given.
pub(super) fn read(lines: &[&str], content_type: Option<&str>) -> Result<Read, Fault> {
    let rest = lines.get(1..).unwrap_or_default();
    match lines.first().map(|first| first.trim_end()) {
        Some("form:") => {
            let charset = content_type.and_then(charset_of_content_type).unwrap_or(UTF_8);
            let fields = fields(rest)?.into_iter().map(|field| match field {
                (at, Field { file: Some(_), .. }) => Err((at, "files are sent by `multipart:`".to_owned())),
                (_, Field { name, value, .. }) => Ok(format!("{}={}", escape(&name, charset), escape(&value, charset))),
            });
            Ok((fields.collect::<Result<Vec<_>, _>>()?.join("&").into_bytes(), Some(FORM)))
        }
        Some("multipart:") => {
            let boundary = boundary(content_type.unwrap_or(MULTIPART)).ok_or((0, NO_BOUNDARY.to_owned()))?;
            let fields: Vec<_> = fields(rest)?.into_iter().map(|(_, field)| field).collect();
            Ok((multipart(&fields, &boundary), Some(MULTIPART)))
        }
        Some("json:") => {
            let text = rest.join("\n");
            let value: Value =
                serde_json::from_str(&text).map_err(|fault| (fault.line(), format!("no JSON: {fault}")))?;
            Ok((value.to_string().into_bytes(), Some(JSON)))
        }
        Some("crlf:") => Ok((plain(rest).replace("\\r\n", "\r\n").into_bytes(), None)),
        Some("base64:") => {
            let text: String = rest.iter().flat_map(|line| line.split_whitespace()).collect();
            let bytes = BASE64.decode(text).map_err(|fault| (1, format!("no base64: {fault}")))?;
            Ok((bytes, None))
        }
        _ => Ok((plain(lines).into_bytes(), None)),
    }
}

const NO_BOUNDARY: &str = "`multipart:` needs a `boundary=` in the content type, or no content type at all";

/// A body as lines, and whether its form stands for this content type, which then need not be written.
pub(super) fn write(bytes: &[u8], content_type: Option<&str>) -> (String, bool) {
    if bytes.is_empty() {
        return (String::new(), false);
    }
    let forms = [form(bytes, content_type), parts(bytes, content_type), json(bytes, content_type)];
    for text in forms.into_iter().flatten() {
        let lines: Vec<&str> = text.lines().collect();
        // Whatever reads back as the same bytes will do, and nothing else.
        if let Ok((read, stands_for)) = read(&lines, content_type)
            && read == bytes
        {
            return (text, stands_for == content_type);
        }
    }
    let ends_are_plain = |text: &str| !text.contains("\\r\n") && !text.replace("\r\n", "").contains('\r');
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(['\r', '\0']) => (written_plain(text), false),
        Ok(text) if !text.contains('\0') && ends_are_plain(text) => {
            let written = written_plain(&text.replace("\r\n", "\\r\n"));
            (if written.starts_with("base64:") { coded(bytes) } else { format!("crlf:\n{written}") }, false)
        }
        _ => (coded(bytes), false),
    }
}

fn coded(bytes: &[u8]) -> String {
    let coded = BASE64.encode(bytes);
    let lines: Vec<_> = coded.as_bytes().chunks(WIDTH).map(String::from_utf8_lossy).collect();
    format!("base64:\n{}", lines.join("\n"))
}
/// Text as it stands.
fn plain(lines: &[&str]) -> String {
    let exact = lines.last() == Some(&"\\");
    let lines = if exact { lines.get(..lines.len() - 1).unwrap_or_default() } else { lines };
    let shown = lines.iter().map(|line| match line.strip_prefix('\\') {
        Some(inner) if is_special(line) => inner,
        _ => line,
    });
    let mut text = shown.collect::<Vec<_>>().join("\n");
    if exact && !lines.is_empty() {
        text.push('\n');
    }
    text
}

fn written_plain(text: &str) -> String {
    let lines = text.split('\n').map(|line| if is_special(line) { format!("\\{line}") } else { line.to_owned() });
    let mut written = lines.collect::<Vec<_>>().join("\n");
    let last = written.rsplit('\n').next().unwrap_or_default();
    // Blank lines at the end would be cut.
    if !written.is_empty() && last.trim().is_empty() {
        if last.is_empty() {
            written.push('\\');
        } else {
            // No line break at the end, but blanks: only base64 says that exactly.
            return coded(text.as_bytes());
        }
    }
    written
}

struct Field {
    name: String,
    value: String,
    /// A file's name and type.
    file: Option<(String, String)>,
}

/// `name = value` or `name @ file type` a line; comments and blank lines are left out.
fn fields(lines: &[&str]) -> Result<Vec<(usize, Field)>, Fault> {
    let lines = lines.iter().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|(line, at)| Ok((at, field(line).map_err(|fault| (at, fault))?))).collect()
}

fn field(line: &str) -> Result<Field, String> {
    let line = line.trim();
    let (name, rest) = if line.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(line).into_iter::<String>();
        let name = names.next().and_then(Result::ok).ok_or("the quoted name is no JSON string")?;
        (name, line.get(names.byte_offset()..).unwrap_or_default().trim_start())
    } else {
        let ends = [line.find('='), line.find(" @ ")];
        let (name, rest) = line.split_at(ends.into_iter().flatten().min().unwrap_or(line.len()));
        (name.trim_end().to_owned(), rest.trim_start())
    };
    if let Some(value) = rest.strip_prefix('=') {
        return Ok(Field { name, value: unquoted(value.trim())?, file: None });
    }
    let Some(file) = rest.strip_prefix('@') else {
        return Err(format!("{line:?} is no field: write `name = value` (or `name @ file.jpg image/jpeg`)"));
    };
    let file = file.trim();
    let (file, kind) = match file.rsplit_once(' ') {
        Some((file, kind)) if kind.contains('/') => (file.trim_end(), kind),
        _ => (file, "application/octet-stream"),
    };
    Ok(Field { name, value: String::new(), file: Some((unquoted(file)?, kind.to_owned())) })
}

fn unquoted(text: &str) -> Result<String, String> {
    if text.starts_with('"') {
        return serde_json::from_str(text).map_err(|_| format!("{text} begins like a JSON string and is none"));
    }
    Ok(text.to_owned())
}

/// Quoted where it would not be read as it is.
fn quoted(text: &str, is_name: bool) -> String {
    let odd =
        text.trim() != text || text.contains(|c: char| c.is_control() || c == '\\') || text.starts_with(['"', '#']);
    let odd_name = is_name && (text.is_empty() || text.contains(['=', '@', ' ']));
    if odd || odd_name || is_special(text) { Value::from(text).to_string() } else { text.to_owned() }
}

fn escape(text: &str, charset: &'static Encoding) -> String {
    byte_serialize(&charset.encode(text).0).collect()
}

fn form(bytes: &[u8], content_type: Option<&str>) -> Option<String> {
    let charset = charset_of_content_type(content_type.filter(|kind| kind.starts_with(FORM))?).unwrap_or(UTF_8);
    let fields = read_urlencoded(bytes, charset, None);
    let lines = fields.pairs().iter().map(|(name, value)| line(name, value));
    Some(format!("form:\n{}", lines.collect::<Vec<_>>().join("\n")))
}

fn line(name: &str, value: &str) -> String {
    format!("{} = {}", quoted(name, true), quoted(value, false)).trim_end().to_owned()
}

fn json(bytes: &[u8], content_type: Option<&str>) -> Option<String> {
    content_type.filter(|kind| kind.contains("json"))?;
    let value: Value = serde_json::from_slice(bytes).ok()?;
    Some(format!("json:\n{}", serde_json::to_string_pretty(&value).ok()?))
}

fn boundary(content_type: &str) -> Option<String> {
    parameter(content_type, "boundary").map(std::borrow::Cow::into_owned).filter(|boundary| !boundary.is_empty())
}

/// A body as browsers send it (RFC 7578), contents of files left out.
fn multipart(fields: &[Field], boundary: &str) -> Vec<u8> {
    let quote = |text: &str| text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
    let parts = fields.iter().map(|Field { name, value, file }| {
        let file = file.as_ref().map(|(file, kind)| format!("; filename=\"{}\"\r\nContent-Type: {kind}", quote(file)));
        let head = format!("Content-Disposition: form-data; name=\"{}\"{}", quote(name), file.unwrap_or_default());
        format!("--{boundary}\r\n{head}\r\n\r\n{value}\r\n")
    });
    let parts: Vec<String> = parts.collect();
    format!("{}--{boundary}--\r\n", parts.concat()).into_bytes()
}

/// What `multipart` wrote, read back; anything else need not be.
fn parts(bytes: &[u8], content_type: Option<&str>) -> Option<String> {
    let boundary = boundary(content_type.filter(|kind| kind.starts_with("multipart/form-data"))?)?;
    let text = std::str::from_utf8(bytes).ok()?.strip_suffix(&format!("--{boundary}--\r\n"))?;
    let unquote = |text: &str| text.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
    let delimiter = format!("--{boundary}\r\n");
    let parts = text.split(&delimiter).skip(1).map(|part| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let name = head.strip_prefix("Content-Disposition: form-data; name=\"")?;
        let (name, rest) = name.split_once('"')?;
        match rest.strip_prefix("; filename=\"").and_then(|rest| rest.split_once("\"\r\nContent-Type: ")) {
            Some((file, kind)) => {
                Some(format!("{} @ {} {kind}", quoted(&unquote(name), true), quoted(&unquote(file), true)))
            }
            None => Some(line(&unquote(name), value.strip_suffix("\r\n")?)),
        }
    });
    Some(format!("multipart:\n{}", parts.collect::<Option<Vec<_>>>()?.join("\n")))
}
