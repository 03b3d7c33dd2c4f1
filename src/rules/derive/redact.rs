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

/// Leaves out, at every depth, what is secret by name, or named in `omit` or `redact` (globs).
pub(super) fn without(map: Map<String, Value>, omit: &[String], redact: &[String]) -> Map<String, Value> {
    let own: Vec<String> = omit.iter().chain(redact).map(|name| name.to_lowercase()).collect();
    table(map, &own)
}

fn table(map: Map<String, Value>, own: &[String]) -> Map<String, Value> {
    let kept = map.into_iter().filter(|(name, _)| {
        let name = name.to_lowercase();
        let hit = |pattern: &str| glob(pattern, &name);
        !SECRETS.iter().any(|pattern| hit(pattern)) && !own.iter().any(|pattern| hit(pattern))
    });
    kept.map(|(name, value)| (name, below(value, own))).collect()
}

fn below(value: Value, own: &[String]) -> Value {
    match value {
        Value::Object(map) => Value::Object(table(map, own)),
        Value::Array(list) => Value::Array(list.into_iter().map(|item| below(item, own)).collect()),
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
            "passenger": "kept", "pinot": "kept", "shipping": "kept",
        }) else {
            panic!("a table")
        };
        let kept = without(form, &["NOTE*".to_owned()], &["iban".to_owned()]);
        let wanted = json!({
            "name": "Tea", "account": {"email": "a@b", "lines": [{"qty": "2"}]},
            "passenger": "kept", "pinot": "kept", "shipping": "kept",
        });
        assert_eq!(Value::Object(kept), wanted);
    }
}
