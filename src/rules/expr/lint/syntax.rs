//! Text that is no expression: what the parser says, and what was probably meant.

use super::super::ExprFault;

/// The fault of `source`, with the cure of the usual slips from other languages.
pub(super) fn fault(source: &str, error: &minijinja::Error) -> ExprFault {
    let range = error.range().unwrap_or(0..source.len());
    // The parser counts bytes: an odd char of several is meant as a whole.
    let start = source.floor_char_boundary(range.start);
    let range = start..source.ceil_char_boundary(range.end.max(start));
    let message = error.detail().unwrap_or("this is no expression").to_owned();
    let fault = ExprFault::error(range, message);
    let bytes = source.as_bytes();
    let lone_equals = bytes.iter().enumerate().any(|(at, byte)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let near = |byte: Option<&u8>, set: &[u8]| byte.is_some_and(|byte| set.contains(byte));
        *byte == b'=' && !near(before, b"=!<>") && !near(bytes.get(at + 1), b"=")
    });
    let hints = [
        ("&&", "write `and`"),
        ("||", "write `or`"),
        ("===", "use `==` to compare"),
        ("{{", "leave out the braces: this is an expression already"),
        (" ? ", "write `a if condition else b`"),
    ];
    match hints.iter().find(|(sign, _)| source.contains(sign)) {
        Some((_, hint)) => fault.hint(*hint),
        None if lone_equals => fault.hint("use `==` to compare"),
        None => fault,
    }
}
