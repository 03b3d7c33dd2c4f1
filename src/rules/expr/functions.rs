//! The functions `rows` and `changed`.

use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value};

use super::lookups::Lookups;
use super::value::{Table, is_nothing, scalar_text, to_json};

/// `rows(a=list, b=list)`: named rows, as many as the shortest list has; uneven lists are noted.
#[derive(Debug)]
pub(super) struct Rows(pub(super) Lookups);

impl Object for Rows {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let named = match args {
            [named] if named.is_kwargs() => Kwargs::try_from(named.clone())?,
            _ => return Err(Error::new(ErrorKind::InvalidOperation, "rows takes named lists: rows(id=…, qty=…)")),
        };
        let mut columns = Vec::new();
        for name in named.args() {
            let list: Value = named.get(name)?;
            let mut column = Vec::new();
            if !is_nothing(&list) {
                for item in list.try_iter()? {
                    state.consume_fuel(1)?;
                    column.push(item);
                }
            }
            columns.push((name.to_owned(), column));
        }
        let shortest = columns.iter().map(|(_, list)| list.len()).min().unwrap_or(0);
        if columns.iter().any(|(_, list)| list.len() != shortest) {
            let lengths: Vec<_> = columns.iter().map(|(name, list)| format!("{name} has {}", list.len())).collect();
            self.0.note(&format!("rows: the lists are of uneven length ({}); the shortest counts", lengths.join(", ")));
        }
        state.consume_fuel((shortest * columns.len()) as u64)?;
        let row = |at: usize| {
            let cells = columns.iter().filter_map(|(name, list)| Some((name, list.get(at)?.clone())));
            cells.collect::<Table>().into_value()
        };
        Ok((0..shortest).map(row).collect::<Vec<_>>().into())
    }
}

/// `changed(a, b)`: both are there and differ. Numbers and the texts that read as them are the same.
pub(super) fn changed(a: &Value, b: &Value) -> bool {
    if is_nothing(a) || is_nothing(b) {
        return false;
    }
    match (scalar_text(a), scalar_text(b)) {
        (Some(a), Some(b)) => match (plain_number(&a), plain_number(&b)) {
            (Some(a), Some(b)) => a != b,
            _ => a != b,
        },
        (None, None) => to_json(a) != to_json(b),
        _ => true,
    }
}

/// A decimal number without what does not count: `3.0` and `3` give the same, `007` and `1e5` are no numbers.
fn plain_number(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(part) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let part = part.trim_end_matches('0');
    let sign = if whole == "0" && part.is_empty() { "" } else { sign };
    Some(format!("{sign}{whole}.{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_compares_what_is_there() {
        let rows: [(Value, Value, bool); 10] = [
            (3.into(), "3".into(), false),
            ("3.0".into(), 3.into(), false),
            ("3".into(), "4".into(), true),
            ("-0".into(), "0".into(), false),
            ("007".into(), "7".into(), true),
            ("a".into(), "A".into(), true),
            (Value::UNDEFINED, "3".into(), false),
            ("3".into(), Value::from(()), false),
            (vec![1].into(), vec![1].into(), false),
            (vec![1].into(), "1".into(), true),
        ];
        for (a, b, wanted) in rows {
            assert_eq!(changed(&a, &b), wanted, "{a:?} {b:?}");
        }
    }
}
