//! Takes a value apart into plain text and the expressions in its `{{ … }}` holes.

use std::ops::Range;

use super::ExprFault;

/// A stretch of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    /// Plain text.
    Text(Range<usize>),
    /// The expression between the braces.
    Hole(Range<usize>),
}

/// Cuts `source` into stretches that cover all of it but the braces.
pub(super) fn split(source: &str) -> Result<Vec<Stretch>, ExprFault> {
    let mut stretches = Vec::new();
    let mut from = 0;
    let mut at = 0;
    let bytes = source.as_bytes();
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"{%" => {
                let end = source[at..].find("%}").map_or(source.len(), |end| at + end + 2);
                let fault = ExprFault::error(at..end, "statements `{% … %}` are not allowed in values");
                return Err(fault.hint("use an expression: `{{ a if condition else b }}`"));
            }
            b"{{" => {
                if from < at {
                    stretches.push(Stretch::Text(from..at));
                }
                let hole = hole(source, at)?;
                at = hole.end + 2;
                from = at;
                stretches.push(Stretch::Hole(hole));
            }
            _ => at += 1,
        }
    }
    if from < source.len() {
        stretches.push(Stretch::Text(from..source.len()));
    }
    Ok(stretches)
}

/// The expression in the hole that opens at `open`, without the braces.
fn hole(source: &str, open: usize) -> Result<Range<usize>, ExprFault> {
    let bytes = source.as_bytes();
    let start = open + 2;
    if bytes.get(start) == Some(&b'-') && bytes.get(start + 1).is_some_and(|next| !next.is_ascii_digit()) {
        let fault = ExprFault::error(open..start + 1, "`{{-` has no use in a value");
        return Err(fault.hint("write `{{ … }}` and leave out the blanks around it"));
    }
    let (mut at, mut depth, mut quote) = (start, 0_usize, None);
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth > 0 => depth -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Ok(start..at),
            _ => {}
        }
        at += 1;
    }
    let what = if quote.is_some() { "a text in this hole is not closed" } else { "this `{{` has no `}}`" };
    let hint =
        if quote.is_some() { "close the quote" } else { "close it, or write `{{ '{{' }}` for two braces as text" };
    Err(ExprFault::error(open..source.len(), what).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        match split(source) {
            Ok(parts) => parts
                .into_iter()
                .map(|part| match part {
                    Stretch::Text(range) => format!("[{}]", &source[range]),
                    Stretch::Hole(range) => format!("<{}>", source[range].trim()),
                })
                .collect(),
            Err(fault) => format!("{}..{}: {}", fault.range.start, fault.range.end, fault.message),
        }
    }

    #[test]
    fn values_are_cut_at_their_holes() {
        let rows = [
            ("plain", "[plain]"),
            ("", ""),
            ("{{ a }}", "<a>"),
            ("a{{ b }}c{{d}}", "[a]<b>[c]<d>"),
            ("{{ x | pick({'a': {'b': 1}}) }}é", "<x | pick({'a': {'b': 1}})>[é]"),
            ("{{ '}}' ~ \"\\\"}}\" }}", "<'}}' ~ \"\\\"}}\">"),
            ("a } b }} c { d", "[a } b }} c { d]"),
            ("{{ -1 }}", "<-1>"),
            ("é{{ a", "2..6: this `{{` has no `}}`"),
            ("{{ 'a }}", "0..8: a text in this hole is not closed"),
            ("{{- a }}", "0..3: `{{-` has no use in a value"),
            ("x{% if a %}", "1..11: statements `{% … %}` are not allowed in values"),
        ];
        for (source, wanted) in rows {
            assert_eq!(shown(source), wanted, "{source}");
        }
    }
}
