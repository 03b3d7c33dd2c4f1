//! The filters of the language: MiniJinja's own, which let an undefined value through, and ours.

mod builtin;
mod date;
mod entities;
mod markup;
mod money;
mod tables;

pub(in crate::rules) use date::seconds as date_seconds;
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::rules::rule::Shop;

/// Puts all of them into `env`. The shop's decimal sign guides `money`, its zone `date` and `gmt`.
pub(super) fn install(env: &mut Environment<'static>, shop: &Shop) {
    builtin::install(env);
    let decimal = shop.decimal;
    env.add_filter("money", move |value: &Value| money::filter(value, decimal));
    let zone = shop.timezone.clone();
    env.add_filter("date", move |value: &Value, format: Option<&str>, tz: Option<&str>| {
        date::local(value, format, tz, &zone)
    });
    let zone = shop.timezone.clone();
    env.add_filter("gmt", move |value: &Value| date::gmt(value, &zone));
    env.add_filter("yes", tables::yes);
    env.add_filter("pick", tables::pick);
    env.add_filter("keyed", tables::keyed);
    env.add_filter("tojson", tables::tojson);
    env.add_filter("strip_tags", |value: &Value| text_filter(value, "strip_tags", markup::strip_tags));
    env.add_filter("unhtml", |value: &Value| text_filter(value, "unhtml", entities::decode));
}

fn text_filter(value: &Value, name: &str, work: impl Fn(&str) -> String) -> Result<Value, Error> {
    if super::value::is_nothing(value) {
        return Ok(value.clone());
    }
    let text = super::value::scalar_text(value).ok_or_else(|| wrong(name, "text", value))?;
    Ok(work(&text).into())
}

/// The error of a filter that was given something of another kind.
fn wrong(name: &str, wanted: &str, value: &Value) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("`{name}` takes {wanted}, not a {}", value.kind()))
}
