//! What wholesale copies (`payload_from`) leave out, so that nobody's password leaves the shop by accident.

use serde_json::{Map, Value};

use crate::model::glob;

/// Names of fields that hold passwords, their hashes, tokens, session ids and card data in the forms of known shops. Lower
/// case; `*` stands for any run of characters.
const SECRETS: &[&str] = &[
    "*password*",
    "*passwd*",
    "*passphrase*",
    "*passwort*",
    "*kennwort*",
    "pass",
    "pass1",
    "pass2",
    "pass1-text",
    "user_pass*",
    "pwd",
    "*_pwd",
    "pwd_*",
    "confirm",
    "pin",
    "*hash",
    "*_hash_*",
    "hash_*",
    "salt",
    "*token*",
    "*nonce*",
    "*csrf*",
    "*xsrf*",
    "form_key",
    "securitykey",
    "*session*",
    "*sessid*",
    "sid",
    "oscsid",
    "zenid",
    "*secret*",
    "*api_key*",
    "*apikey*",
    "*private_key*",
    "*auth_key*",
    "authorization",
    "*credential*",
    "*card_number*",
    "*cardnumber*",
    "*card-number*",
    "*ccnum*",
    "*ccno*",
    "cc_*",
    "*_cc_*",
    "*cvv*",
    "*cvc*",
    "*cvn*",
    "csc",
    "*card_code*",
    "*security_code*",
    "*card_exp*",
    "*card-exp*",
    "*cardexp*",
    "*card_owner*",
    "*card_holder*",
    "*cardholder*",
    "*credit_card*",
    "*creditcard*",
    "*account_number*",
];

/// Whether a field of this name holds what must not leave the shop. Of a name with brackets every key counts.
pub(in crate::rules) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let hit = |part: &str| SECRETS.iter().any(|pattern| glob(pattern, part));
    hit(&name) || name.split(['[', ']']).any(hit)
}

/// Whether a value looks like the number of a payment card: 14 to 19 digits, maybe grouped, with a right check digit (ISO/IEC
/// 7812-1, annex B). 13 digits are an article number as a rule.
pub(in crate::rules) fn is_card(value: &str) -> bool {
    let digits: Vec<u32> = value.chars().filter_map(|letter| letter.to_digit(10)).collect();
    let grouped = value.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, ' ' | '-'));
    if !grouped || !(14..=19).contains(&digits.len()) || !matches!(digits.first(), Some(2..=6)) {
        return false;
    }
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Leaves out, at every depth, what is secret by name or a card's number by its look, or named in `omit` or `redact` (globs).
pub(super) fn without(map: Map<String, Value>, omit: &[String], redact: &[String]) -> Map<String, Value> {
    let own: Vec<String> = omit.iter().chain(redact).map(|name| name.to_lowercase()).collect();
    table(map, &own)
}

fn table(map: Map<String, Value>, own: &[String]) -> Map<String, Value> {
    let kept = map.into_iter().filter(|(name, value)| {
        let name = name.to_lowercase();
        let hit = |pattern: &str| glob(pattern, &name);
        !SECRETS.iter().any(|pattern| hit(pattern)) && !own.iter().any(|pattern| hit(pattern)) && !is_cards(value)
    });
    kept.map(|(name, value)| (name, below(value, own))).collect()
}

fn is_cards(value: &Value) -> bool {
    value.as_str().is_some_and(is_card)
}

fn below(value: Value, own: &[String]) -> Value {
    match value {
        Value::Object(map) => Value::Object(table(map, own)),
        Value::Array(list) => {
            Value::Array(list.into_iter().filter(|item| !is_cards(item)).map(|item| below(item, own)).collect())
        }
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_left_out_at_every_depth() {
        let Value::Object(form) = json!({
            "name": "Tea", "Password": "x", "account": {"email": "a@b", "confirm_password": "x", "lines": [{"cvv": "1", "qty": "2"}]},
            "user_token": "t", "PHPSESSID": "s", "cc_number": "4", "_wpnonce": "n", "Token": "t", "note": "n", "iban": "DE",
            "card": {"number": "4111 1111 1111 1111", "brand": "v"}, "all": ["5500000000000004", "x"], "ean": "4006381333931",
            "passenger": "kept", "pinot": "kept", "shipping": "kept",
        }) else {
            panic!("a table")
        };
        let kept = without(form, &["NOTE*".to_owned()], &["iban".to_owned()]);
        let wanted = json!({
            "name": "Tea", "account": {"email": "a@b", "lines": [{"qty": "2"}]},
            "card": {"brand": "v"}, "all": ["x"], "ean": "4006381333931",
            "passenger": "kept", "pinot": "kept", "shipping": "kept",
        });
        assert_eq!(Value::Object(kept), wanted);
    }
}
