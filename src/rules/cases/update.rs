//! The events that came, written into a case as the expected ones.

use serde_json::{Map, Value};

use super::CaseResult;
use super::compare::Row;
use super::expected::is_plain;
use crate::exchange::CaseText;

/// The line before the expected events.
const MARK: &str = "=== events";

pub(super) fn updated(text: &str, case: &CaseText, result: &CaseResult) -> String {
    let mut lines = Vec::new();
    for row in &result.comparison.rows {
        let above = |expected: usize| result.expected.get(expected).map_or(&[][..], |expected| &expected.above);
        let came = |came: usize| result.run.events.get(came).map(super::Came::line);
        match row {
            Row::Same { expected, .. } => {
                lines.extend_from_slice(above(*expected));
                lines.extend(result.expected.get(*expected).map(|expected| expected.text.clone()));
            }
            Row::Differs { expected, came: at, .. } => {
                lines.extend_from_slice(above(*expected));
                let both = result.expected.get(*expected).zip(result.run.events.get(*at));
                lines.extend(
                    both.map(|(expected, came)| Value::Object(now(&expected.event, &came.whole())).to_string()),
                );
            }
            Row::Missing { expected } => lines.extend_from_slice(above(*expected)),
            Row::Unexpected { came: at } => lines.extend(came(*at)),
        }
    }
    let mut out = String::new();
    if let Some(expected) = &case.expected {
        // Everything up to the mark stays byte for byte.
        out.extend(text.split_inclusive('\n').take(expected.line.saturating_sub(1)));
        let behind: Vec<&str> = expected.text.lines().rev().take_while(|line| is_plain(line)).collect();
        lines.extend(behind.into_iter().rev().map(str::to_owned));
        if !out.ends_with('\n') {
            out.push('\n');
        }
    } else {
        out.push_str(text.trim_end());
        out.push_str(if out.is_empty() { "" } else { "\n\n" });
        out.push_str(MARK);
        out.push('\n');
    }
    for line in lines {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// What was written, with the values that came: a case goes on saying no more than it said.
fn now(expected: &Map<String, Value>, came: &Map<String, Value>) -> Map<String, Value> {
    let pair = |(key, wanted): (&String, &Value)| {
        let value = match (wanted, came.get(key)) {
            (Value::Object(wanted), Some(Value::Object(came))) => Value::Object(now(wanted, came)),
            (Value::Null, None) => Value::Null,
            (_, came) => came?.clone(),
        };
        Some((key.clone(), value))
    };
    expected.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use crate::exchange::CaseText;
    use crate::rules::{SourceFile, load};

    #[test]
    fn only_the_expectation_changes_and_what_fits_stays() {
        let rules = "[event.r]\non = 'POST /x'\ntopic = 'a.b'\nfor_each = 'form.n'\nid = '{{ item }}'\n";
        let files = [SourceFile { path: "a.toml".to_owned(), bytes: rules.as_bytes().to_vec() }];
        let ruleset = load(&files).ruleset.expect("it loads");
        let head = "# Two.\n>>> POST /x\n\nform:\nn[] = 1\nn[]   =  2\n\n<<< 200\n\n";
        let open = |id: u8| format!("{{\"topic\":\"a.b\",\"id\":{id}}}\n");
        let full = |id: u8| format!("{{\"topic\":\"a.b\",\"id\":{id},\"payload\":{{\"id\":{id}}}}}\n");
        let rows = [
            (format!("{head}=== events\n# one\n{}\n# wrong\n{}# end\n", open(1), open(3)), false, {
                format!("{head}=== events\n# one\n{}\n# wrong\n{}# end\n", open(1), open(2))
            }),
            (
                format!("{head}=== events\n{}{}", open(1), open(2)),
                true,
                format!("{head}=== events\n{}{}", open(1), open(2)),
            ),
            (head.to_owned(), false, format!("{head}=== events\n{}{}", full(1), full(2))),
            (format!("{head}=== events"), false, format!("{head}=== events\n{}{}", full(1), full(2))),
        ];
        for (text, passes, wanted) in rows {
            let case = CaseText::parse(&text).expect("a case");
            let result = ruleset.run_case(&case).expect("it runs");
            assert_eq!(result.passed(), passes, "{text}");
            let updated = result.updated(&text, &case);
            assert_eq!(updated, wanted);
            let again = CaseText::parse(&updated).expect("a case");
            assert!(ruleset.run_case(&again).expect("it runs").passed(), "{updated}");
        }
    }
}
