//! Fields of forms that look like WooCommerce's, under WooCommerce's names.

use serde_json::Value;

use super::super::derive;
use super::sample::{Answer, Sample};
use super::text;
use super::topic::Guess;
use super::words::{Noun, Verb};

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Money,
    Int,
    /// A switch that says whether the thing is shown.
    Shown,
    /// A status by name.
    Status,
}

/// A field of WooCommerce: its name, what it holds, and the names shops have for it, best first (letters and digits only).
type Row = (&'static str, Kind, &'static [&'static str]);

const PRODUCT: &[Row] = &[
    ("name", Kind::Text, &["name", "title", "posttitle", "productname", "productsname", "producttitle"]),
    ("sku", Kind::Text, &["sku", "productsku", "upc", "model", "productsmodel"]),
    ("regular_price", Kind::Money, &["regularprice", "price", "productprice", "productsprice", "priceexcltax"]),
    ("sale_price", Kind::Money, &["saleprice", "priceretail"]),
    ("stock_quantity", Kind::Int, &["stockquantity", "stock", "quantity", "qty", "productsquantity", "numinstock"]),
    ("description", Kind::Text, &["description", "content", "productdescription", "productsdescription"]),
    ("status", Kind::Shown, &["status", "productsstatus", "enabled", "active", "ispublic"]),
];
const CUSTOMER: &[Row] = &[
    ("email", Kind::Text, &["email", "useremail", "emailaddress", "customersemailaddress", "accountemail"]),
    ("first_name", Kind::Text, &["firstname", "customersfirstname", "accountfirstname"]),
    ("last_name", Kind::Text, &["lastname", "customerslastname", "accountlastname"]),
    ("username", Kind::Text, &["username", "userlogin"]),
];
const COUPON: &[Row] = &[
    ("code", Kind::Text, &["code", "couponcode", "vouchercode", "posttitle"]),
    ("amount", Kind::Money, &["amount", "couponamount", "discount", "benefitvalue"]),
];
const ORDER: &[Row] = &[
    ("status", Kind::Status, &["orderstatus", "newstatus", "status"]),
    ("billing.email", Kind::Text, &["billingemail", "email"]),
    ("billing.first_name", Kind::Text, &["billingfirstname", "firstname"]),
    ("billing.last_name", Kind::Text, &["billinglastname", "lastname"]),
];

/// Whether a field holds what must not leave the shop.
pub(super) fn is_secret(name: &str) -> bool {
    derive::is_secret(name)
}

/// Lines of the payload, all from one body.
pub(super) fn lines(accepted: &[&Sample], guess: &Guess) -> Vec<String> {
    let saved = matches!(guess.verb, Some(Verb::Create | Verb::Update | Verb::Save | Verb::Register));
    if !saved || guess.is_action() {
        return Vec::new();
    }
    let rows = match guess.resource() {
        Some(Noun::Product) => PRODUCT,
        Some(Noun::Customer) => CUSTOMER,
        Some(Noun::Coupon) => COUPON,
        Some(Noun::Order) => ORDER,
        _ => return Vec::new(),
    };
    if !accepted.is_empty() && accepted.iter().all(|sample| is_woocommerce(sample)) {
        return vec!["payload_from = \"response.json\"".to_owned()];
    }
    rows.iter().filter_map(|row| line(accepted, row)).collect()
}

/// An answer that is a resource of WooCommerce's own API already.
fn is_woocommerce(sample: &Sample) -> bool {
    matches!(&sample.answer, Answer::Json(json) if json.get("date_created_gmt").is_some() && json.get("id").is_some())
}

fn line(accepted: &[&Sample], (field, kind, names): &Row) -> Option<String> {
    let first = accepted.first()?;
    names.iter().find_map(|wanted| {
        let form = first.form.iter().map(|(name, _)| name).filter(|name| last_key(name) == *wanted && !is_secret(name));
        let from_form = form.into_iter().find_map(|name| {
            let values = |sample: &&Sample| {
                sample.form.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.clone())
            };
            let values: Vec<String> = accepted.iter().filter_map(values).collect();
            value(&text::field("form", name)?, *kind, &values)
        });
        let found = from_form.or_else(|| {
            let json = first.json.as_ref()?.as_object()?;
            let name = json.keys().find(|name| last_key(name) == *wanted && !is_secret(name))?;
            let values = |sample: &&Sample| match sample.json.as_ref()?.get(name)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            let values: Vec<String> = accepted.iter().filter_map(values).collect();
            value(&text::json("json", std::slice::from_ref(name))?, *kind, &values)
        });
        found.map(|value| format!("payload.{field} = {}", text::string(&value)))
    })
}

/// The value's template, if all recorded values fit the kind.
fn value(expression: &str, kind: Kind, values: &[String]) -> Option<String> {
    let filled: Vec<&str> = values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()).collect();
    let number = |text: &&str| {
        text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || b".,-'".contains(&byte))
    };
    let fits = !filled.is_empty()
        && match kind {
            Kind::Text => true,
            Kind::Money => filled.iter().all(number),
            Kind::Int => filled.iter().all(|text| text.parse::<i64>().is_ok()),
            Kind::Shown => filled.iter().all(|text| {
                matches!(text.to_ascii_lowercase().as_str(), "0" | "1" | "on" | "true" | "false" | "yes" | "no")
            }),
            Kind::Status => filled.iter().all(|text| text.parse::<f64>().is_err() && text.len() <= 32),
        };
    let always = filled.len() == values.len();
    fits.then(|| match kind {
        // An empty text is no number.
        Kind::Int if !always => format!("{{{{ ({expression} | int) if {expression} != '' }}}}"),
        Kind::Text | Kind::Status => format!("{{{{ {expression} }}}}"),
        Kind::Money => format!("{{{{ {expression} | money }}}}"),
        Kind::Int => format!("{{{{ {expression} | int }}}}"),
        Kind::Shown => format!("{{{{ 'publish' if {expression} | yes else 'draft' }}}}"),
    })
}

/// The last key of a name, letters and digits only: `name` of `product_description[1][name]`, `price` of `lines-0-price`.
fn last_key(name: &str) -> String {
    let name = name.trim_end_matches("[]");
    let key = name.rsplit_once('[').map_or(name, |(_, key)| key.trim_end_matches(']'));
    // A formset's prefix: `stockrecords-0-price`.
    let key = key
        .rsplit_once('-')
        .filter(|(before, _)| before.ends_with(|c: char| c.is_ascii_digit()))
        .map_or(key, |(_, key)| key);
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_in_their_key() {
        for (name, key) in [
            ("product_description[1][name]", "name"),
            ("stockrecords-0-price", "price"),
            ("_regular_price", "regularprice"),
            ("ids[]", "ids"),
            ("billing-email", "billingemail"),
            ("[", ""),
        ] {
            assert_eq!(last_key(name), key, "{name}");
        }
    }
}
