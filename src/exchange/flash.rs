//! What a shop says to its visitor at the next page, read from the cookie that carries it there (Django's
//! `contrib.messages.storage.cookie`).

use std::io::Read;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::bufread::ZlibDecoder;
use serde_json::Value;

use super::{Damage, Part, Reading};

/// Bytes a cookie may unpack to. Django keeps the cookie itself below 3 KiB.
const MAX_UNPACKED: u64 = 256 * 1024;
/// Messages read of one cookie.
const MAX_MESSAGES: usize = 1_000;
/// How Django marks one of its messages in JSON.
const MARK: &str = "__json_message";
/// What stands at the end of a list of which the rest lies in the session.
const NOT_FINISHED: &str = "__messagesnotfinished__";

/// base64 with `-` and `_`, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One line said to a visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashMessage {
    /// `debug`, `info`, `success`, `warning`, `error`; of a shop's own level its tags, else its number.
    pub level: String,
    /// As the shop wrote it, which may be HTML.
    pub text: String,
}

/// What an answer said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flash {
    /// In order.
    pub messages: Vec<FlashMessage>,
    /// Nothing more lies in the session, where no cookie shows it.
    pub complete: bool,
}

impl Flash {
    /// Reads a cookie's value: `[.]base64url(JSON)[:time:signature]`, where the dot says zlib, and the older
    /// `hash$JSON` and `JSON[:signature]`. An empty value, as of a cookie that is deleted, says nothing. `None` for any other.
    pub fn of_django(value: &str) -> Option<Self> {
        if value.is_empty() {
            return Some(Self { messages: Vec::new(), complete: true });
        }
        let json = unpacked(value)?;
        // What follows is the signature, which only the shop can check.
        let list = serde_json::Deserializer::from_slice(&json).into_iter::<Vec<Value>>().next()?.ok()?;
        let complete = !list.iter().any(|item| item == NOT_FINISHED);
        let messages = list.iter().take(MAX_MESSAGES).filter(|item| !item.is_string());
        Some(Self { messages: messages.map(message).collect::<Option<_>>()?, complete })
    }

    /// What is said here and was not said in `before`; of equal lines as many as are more.
    #[must_use]
    pub fn less(mut self, before: &Self) -> Self {
        for old in &before.messages {
            if let Some(at) = self.messages.iter().position(|new| new == old) {
                self.messages.remove(at);
            }
        }
        self
    }
}

impl Reading {
    /// What this answer added by a cookie of Django's: the answer's lines less the request's, for a browser that fetched no
    /// page in between carries earlier ones along. `NotThis` if the answer does not set the cookie.
    pub fn django_flash(&self, cookie: &str) -> Part<Flash> {
        let last = |cookies: &[(String, String)]| {
            cookies.iter().rev().find(|(name, _)| name == cookie).map(|(_, value)| Flash::of_django(value))
        };
        match last(self.response_cookies()) {
            None => Part::NotThis,
            Some(None) => Part::Damaged(Damage::Undecodable),
            Some(Some(said)) => Part::Is(said.less(&last(self.cookies()).flatten().unwrap_or_default())),
        }
    }
}

/// The JSON of a cookie's value, with what may follow it.
fn unpacked(value: &str) -> Option<Vec<u8>> {
    let plain = value.split_once('$').filter(|(hash, _)| hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let plain = plain.map_or(value, |(_, json)| json);
    if plain.starts_with('[') {
        return Some(plain.as_bytes().to_vec());
    }
    let coded = value.split(':').next().unwrap_or_default();
    let packed = coded.strip_prefix('.');
    let bytes = BASE64.decode(packed.unwrap_or(coded)).ok()?;
    if packed.is_none() {
        return Some(bytes);
    }
    let mut json = Vec::new();
    ZlibDecoder::new(bytes.as_slice()).take(MAX_UNPACKED + 1).read_to_end(&mut json).ok()?;
    Some(json).filter(|json| u64::try_from(json.len()).is_ok_and(|length| length <= MAX_UNPACKED))
}

/// `["__json_message", safe, level, text, tags?]`.
fn message(item: &Value) -> Option<FlashMessage> {
    let parts = item.as_array().filter(|parts| parts.first().is_some_and(|mark| mark == MARK))?;
    let number = parts.get(2)?.as_i64()?;
    let tags = parts.get(4).and_then(Value::as_str).filter(|tags| !tags.is_empty());
    let level = match number {
        10 => "debug".to_owned(),
        20 => "info".to_owned(),
        25 => "success".to_owned(),
        30 => "warning".to_owned(),
        40 => "error".to_owned(),
        own => tags.map_or_else(|| own.to_string(), str::to_owned),
    };
    Some(FlashMessage { level, text: parts.get(3)?.as_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LIST: &str =
        r#"[["__json_message",1,25,"<a href='/products/7/'>Tea</a> saved","safe"],["__json_message",0,40,"No stock"]]"#;

    fn zlib(json: &str) -> String {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(json.as_bytes()).unwrap();
        format!(".{}", BASE64.encode(encoder.finish().unwrap()).trim_end_matches('='))
    }

    #[test]
    fn every_form_is_read() {
        let coded = BASE64.encode(LIST);
        for value in [
            format!("{coded}:1uX3yZ:c2lnbmF0dXJl"),
            coded.trim_end_matches('=').to_owned(),
            format!("{}:1uX3yZ:sig", zlib(LIST)),
            format!("a9993e364706816aba3e25717850c26c9cd0d89d${LIST}"),
            format!("{LIST}:c2lnbmF0dXJl"),
            LIST.to_owned(),
        ] {
            let flash = Flash::of_django(&value).expect(&value);
            let said: Vec<_> = flash.messages.iter().map(|line| (line.level.as_str(), line.text.as_str())).collect();
            assert_eq!(said, [("success", "<a href='/products/7/'>Tea</a> saved"), ("error", "No stock")], "{value}");
            assert!(flash.complete);
        }
    }

    #[test]
    fn levels_have_names() {
        for (line, level) in [
            (r#"["__json_message",0,10,"x"]"#, "debug"),
            (r#"["__json_message",0,20,"x","own"]"#, "info"),
            (r#"["__json_message",0,30,"x",""]"#, "warning"),
            (r#"["__json_message",0,50,"x","critical big"]"#, "critical big"),
            (r#"["__json_message",0,50,"x",""]"#, "50"),
        ] {
            assert_eq!(Flash::of_django(&format!("[{line}]")).unwrap().messages[0].level, level, "{line}");
        }
        let rest = Flash::of_django(r#"[["__json_message",0,20,"x"],"__messagesnotfinished__"]"#).unwrap();
        assert_eq!((rest.messages.len(), rest.complete), (1, false));
    }

    #[test]
    fn what_is_no_such_cookie_is_refused() {
        let bomb = zlib(&format!("[{}]", " ".repeat(1 << 20)));
        for value in ["x", "{}", "[1]", "[[1]]", "[[\"__json_message\"]]", "null", ".", ":", "$", "W10", bomb.as_str()]
        {
            let expected = (value == "W10").then(|| Flash { messages: Vec::new(), complete: true });
            assert_eq!(Flash::of_django(value), expected, "{value:.20}");
        }
        assert_eq!(Flash::of_django("").unwrap().messages, []);
    }

    #[test]
    fn of_equal_lines_as_many_as_are_more_stay() {
        let flash = |texts: &[&str]| Flash {
            messages: texts.iter().map(|text| FlashMessage { level: "info".into(), text: (*text).into() }).collect(),
            complete: true,
        };
        for (answer, request, added) in [
            (&["a", "b"][..], &[][..], &["a", "b"][..]),
            (&["a", "b"], &["a"], &["b"]),
            (&["a", "a"], &["a"], &["a"]),
            (&["a"], &["a"], &[]),
            (&["b"], &["a"], &["b"]),
            (&[], &["a"], &[]),
        ] {
            assert_eq!(flash(answer).less(&flash(request)), flash(added), "{answer:?} {request:?}");
        }
    }
}
