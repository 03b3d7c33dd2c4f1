//! What a rule worked out, as rows: every step, or what matters at a glance.

use anstyle::Style;
use serde_json::Value;

use super::super::output::count;
use super::cells::{BAD, CALM, DIM, GOOD, ODD, Row, plain};
use crate::rules::Traced;

/// Items of a `for_each` that are shown, where not all are asked for.
pub(super) const ITEMS: usize = 3;

/// Values in the order in which they were computed; those of items below their item.
pub(super) fn steps(steps: &[Traced], most: usize, rows: &mut Vec<Row>) {
    let mut items = 0;
    for step in steps {
        if let Some(item) = item(step) {
            items += 1;
            rows.extend(Some(item).filter(|_| items <= most));
        } else if let Some(row) = row(step).filter(|_| items <= most) {
            rows.push(if items > 0 { row.below() } else { row });
        }
    }
    if items > most {
        rows.push(Row::new(format!("… {} more", items - most), "").style(DIM));
    }
}

fn item(step: &Traced) -> Option<Row> {
    let Traced::Item { index, value } = step else { return None };
    let text = value.as_ref().map_or_else(|| "undefined".to_owned(), Value::to_string);
    Some(Row::new(format!("item {index}"), text).style(CALM))
}

fn row(step: &Traced) -> Option<Row> {
    Some(match step {
        Traced::Items { source, count: items } => Row::new("for_each", count(*items, "item")).source(source),
        Traced::When { source, held, error } => {
            let (text, style) = match (held, error) {
                (_, Some(error)) => (format!("false: {error}"), BAD),
                (true, None) => ("true".to_owned(), GOOD),
                (false, None) => ("false".to_owned(), ODD),
            };
            Row::new("when", text).style(style).source(source)
        }
        Traced::Value { place, source, value: given, error } => {
            let row = match (given, error) {
                (_, Some(error)) => Row::new(place, format!("undefined: {error}")).style(BAD),
                (None, None) => Row::new(place, "undefined").style(ODD),
                (Some(given), None) => Row::new(place, given.to_string()),
            };
            // A constant says itself.
            let constant = given.as_ref().is_some_and(|given| plain(given) == *source);
            if constant { row } else { row.source(source) }
        }
        Traced::Copied { source, kept, left_out } => {
            let left_out =
                if left_out.is_empty() { String::new() } else { format!("; left out: {}", left_out.join(" ")) };
            Row::new("payload_from", format!("{}{left_out}", kept.join(" "))).source(source)
        }
        Traced::Once { key, fresh: true } => Row::new("once", format!("{key}: not used before")),
        Traced::Once { key, fresh: false } => Row::new("once", format!("{key}: used before, so no event")).style(ODD),
        _ => return None,
    })
}

/// The same in short: the payload in one row, and of all else what is undefined, false or broken. Topic, id and keys are those
/// of the event below.
pub(super) fn brief(steps: &[Traced], rows: &mut Vec<Row>) {
    let mut short = Short::default();
    for step in steps {
        match step {
            Traced::Item { .. } => {
                short.end(rows);
                short.items += 1;
            }
            Traced::Value { place, value: Some(value), error: None, .. } => {
                if let Some(field) = place.strip_prefix("payload.") {
                    short.payload.push(format!("{field}={value}"));
                } else if place == "arg" || place == "payload" {
                    short.payload.push(value.to_string());
                }
                continue;
            }
            Traced::Value { place, value: None, error: None, .. } => {
                short.undefined.push(place.clone());
                continue;
            }
            Traced::When { held: true, error: None, .. } | Traced::Once { fresh: true, .. } => continue,
            _ => {}
        }
        if short.items <= ITEMS {
            let item = matches!(step, Traced::Item { .. });
            rows.extend(
                self::item(step)
                    .or_else(|| row(step))
                    .map(|row| if short.items > 0 && !item { row.below() } else { row }),
            );
        }
    }
    short.end(rows);
    if short.items > ITEMS {
        rows.push(Row::new(format!("… {} more", short.items - ITEMS), "").style(DIM));
    }
}

/// What one item gave, gathered.
#[derive(Default)]
struct Short {
    items: usize,
    payload: Vec<String>,
    undefined: Vec<String>,
}

impl Short {
    fn end(&mut self, rows: &mut Vec<Row>) {
        let shown = self.items <= ITEMS;
        let gathered = [("payload", &mut self.payload, Style::new()), ("undefined", &mut self.undefined, ODD)];
        for (name, texts, style) in gathered {
            if !texts.is_empty() && shown {
                let row = Row::new(name, texts.join(" ")).style(style);
                rows.push(if self.items > 0 { row.below() } else { row });
            }
            texts.clear();
        }
    }
}
