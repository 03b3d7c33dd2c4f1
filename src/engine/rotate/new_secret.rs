//! The new secret: given by the operator, or random in the form of the old one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::id::{fill_random, random_password};
use crate::model::Secret;

use super::super::active::MADE_SECRET_LENGTH;
use super::MAX_SECRET_BYTES;

/// How secrets of Standard Webhooks begin; base64 follows (specification 1.0.0, "signature scheme").
const STANDARD_PREFIX: &str = "whsec_";
/// Random bytes of one (that specification: 24 to 64).
const STANDARD_BYTES: usize = 32;

/// The secret that was given, if it can be one; or else a random one of the same form as `old`. The error is for people.
pub(super) fn choose(given: Option<Secret>, old: Option<&Secret>) -> Result<Secret, String> {
    let Some(given) = given else { return Ok(random(old)) };
    let text = given.expose();
    let wrong = if text.trim().is_empty() {
        "is empty"
    } else if text.len() as u64 > MAX_SECRET_BYTES {
        "is longer than 64 KiB"
    } else if text.contains(char::is_control) {
        "has line breaks or control characters in it"
    } else if old == Some(&given) {
        "is the one in force already"
    } else {
        return Ok(given);
    };
    Err(format!("the secret that was given {wrong}: nothing was changed"))
}

fn random(old: Option<&Secret>) -> Secret {
    // A receiver of Standard Webhooks takes no other form.
    if old.is_some_and(|old| old.expose().starts_with(STANDARD_PREFIX)) {
        let mut bytes = [0; STANDARD_BYTES];
        fill_random(&mut bytes);
        return Secret::new(format!("{STANDARD_PREFIX}{}", STANDARD.encode(bytes)));
    }
    Secret::new(random_password(MADE_SECRET_LENGTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_secret_is_taken_as_it_is_or_refused_with_a_reason() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let long = "x".repeat(65 * 1024);
        let rows = [
            ("n3w \"secret\" \\ é", None),
            ("", Some("is empty")),
            (" \t", Some("is empty")),
            ("a\nb", Some("line breaks")),
            ("old", Some("in force already")),
            (long.as_str(), Some("64 KiB")),
        ];
        for (text, wrong) in rows {
            let chosen = choose(Some(secret(text)), Some(&secret("old")));
            match wrong {
                None => assert_eq!(chosen, Ok(secret(text))),
                Some(wrong) => assert!(chosen.is_err_and(|text| text.contains(wrong)), "{text:?}"),
            }
        }
    }

    #[test]
    fn a_random_one_has_the_form_of_the_old_one() {
        let made = |old: &str| choose(None, Some(&Secret::new(old.to_owned()))).unwrap().expose().to_owned();
        let (plain, other) = (made("old"), made("old"));
        assert!(plain.len() == 50 && plain != other && plain.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let standard = made("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let bytes = STANDARD.decode(standard.strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(bytes.len(), STANDARD_BYTES);
    }
}
