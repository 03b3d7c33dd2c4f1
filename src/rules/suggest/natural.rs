//! Natural keys: the field by which people know a thing that has no id on the wire.

use serde_json::Value;

use super::identity::{bare, scalar};
use super::payload::is_secret;
use super::sample::{Sample, field};
use super::success::Judged;
use super::text;
use super::topic::Guess;
use super::words::{Noun, Verb};

/// A key's name, and the names of fields that hold it (letters and digits only), best first.
type Row = (&'static str, &'static [&'static str]);

const PERSON: &[Row] = &[
    (
        "email",
        &["email", "emailaddress", "useremail", "registrationemail", "customeremail", "billingemail", "accountemail"],
    ),
    ("username", &["username", "userlogin", "loginusername", "log", "login", "user", "useroremail"]),
];
const PRODUCT: &[Row] = &[
    ("sku", &["sku", "productsku", "upc", "ean"]),
    ("model", &["model", "productmodel", "productsmodel"]),
    ("name", &["name", "title", "productname", "productsname", "posttitle"]),
];
const COUPON: &[Row] = &[("code", &["code", "couponcode", "vouchercode", "coupon", "voucher"])];
const ORDER: &[Row] = &[("email", &["email", "billingemail", "customeremail"])];

/// The natural key that is filled in all accepted requests: its name, and the expression that reads it.
pub(super) fn key(judged: &Judged<'_>, guess: &Guess) -> Option<(&'static str, String)> {
    let rows = match (guess.resource(), guess.verb) {
        (_, Some(Verb::Copy)) => return None,
        (_, Some(Verb::Login | Verb::Register)) | (Some(Noun::Customer | Noun::Me), _) => PERSON,
        (Some(Noun::Product), _) if !guess.is_action() => PRODUCT,
        (Some(Noun::Coupon), _) => COUPON,
        (Some(Noun::Order), _) => ORDER,
        _ => return None,
    };
    rows.iter().find_map(|(key, names)| {
        let (expression, values) = names.iter().find_map(|wanted| filled(&judged.accepted, wanted))?;
        // A login name that always is an address is one.
        let address = *key == "username" && values.iter().all(|value| value.contains('@'));
        Some((if address { "email" } else { key }, expression))
    })
}

/// The field of this name, if every request fills it, and its values.
fn filled(accepted: &[&Sample], wanted: &str) -> Option<(String, Vec<String>)> {
    let first = accepted.first()?;
    let fits = |name: &str| !name.contains('[') && bare(name) == wanted && !is_secret(name);
    let all = |of: &dyn Fn(&Sample) -> Option<String>| {
        let values = accepted.iter().map(|sample| of(sample).filter(|value| !value.trim().is_empty()));
        values.collect::<Option<Vec<String>>>()
    };
    let form = first.form.iter().map(|(name, _)| name).filter(|name| fits(name)).find_map(|name| {
        let values = all(&|sample| field(&sample.form, name).map(str::to_owned))?;
        Some((text::field("form", name)?, values))
    });
    form.or_else(|| {
        let Some(Value::Object(json)) = &first.json else { return None };
        json.keys().filter(|name| fits(name)).find_map(|name| {
            let values = all(&|sample| sample.json.as_ref()?.get(name).and_then(scalar))?;
            Some((text::json("json", std::slice::from_ref(name))?, values))
        })
    })
}
