//! What was expected against what came: the fewest differences, told by their paths.

use serde_json::{Map, Value};

use super::expected::Expected;
use super::run::Came;

/// Pairs of an expected event and one that came that are compared at most; beyond it they are held against each other in
/// order, without looking for the best alignment.
const MAX_PAIRS: usize = 1_000_000;

/// Both lists held against each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// In order.
    pub rows: Vec<Row>,
}

/// One line of a comparison: numbers are places in the two lists.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// It came as expected.
    Same {
        /// Place among the expected.
        expected: usize,
        /// Place among those that came.
        came: usize,
    },
    /// It came, but not as expected.
    Differs {
        /// Place among the expected.
        expected: usize,
        /// Place among those that came.
        came: usize,
        /// Where.
        differences: Vec<Difference>,
    },
    /// It was expected and did not come.
    Missing {
        /// Place among the expected.
        expected: usize,
    },
    /// It came and was not expected.
    Unexpected {
        /// Place among those that came.
        came: usize,
    },
}

/// One value that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `payload.billing.email`, `payload.line_items.0.id`.
    pub path: String,
    /// What was expected; `None`: nothing.
    pub expected: Option<Value>,
    /// What came; `None`: nothing.
    pub came: Option<Value>,
}

/// Compares in order: as many as possible are the same, of the others those that belong together are paired.
pub(super) fn compare(expected: &[Expected], came: &[Came]) -> Comparison {
    let same = |one: usize, other: usize| differences(&expected[one], &came[other]).is_empty();
    let anchors = anchors(expected.len(), came.len(), &same);
    let mut rows = Vec::new();
    let (mut at, mut other) = (0, 0);
    for (one, fits) in anchors {
        gap(expected, came, (at..one, other..fits), &mut rows);
        rows.push(Row::Same { expected: one, came: fits });
        (at, other) = (one + 1, fits + 1);
    }
    gap(expected, came, (at..expected.len(), other..came.len()), &mut rows);
    Comparison { rows }
}

/// The longest common subsequence; where the lists are too long for that, a greedy one.
fn anchors(expected: usize, came: usize, same: &dyn Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    if expected.saturating_mul(came) > MAX_PAIRS {
        let both = expected.min(came);
        return (0..both).filter(|at| same(*at, *at)).map(|at| (at, at)).collect();
    }
    let fits: Vec<Vec<bool>> = (0..expected).map(|one| (0..came).map(|other| same(one, other)).collect()).collect();
    // `best[i][j]`: how many of the expected from i on and those that came from j on can be the same.
    let mut best = vec![vec![0_usize; came + 1]; expected + 1];
    for one in (0..expected).rev() {
        for other in (0..came).rev() {
            let skipped = best[one + 1][other].max(best[one][other + 1]);
            best[one][other] = if fits[one][other] { skipped.max(best[one + 1][other + 1] + 1) } else { skipped };
        }
    }
    let (mut one, mut other, mut found) = (0, 0, Vec::new());
    while one < expected && other < came {
        if fits[one][other] && best[one][other] == best[one + 1][other + 1] + 1 {
            found.push((one, other));
            (one, other) = (one + 1, other + 1);
        } else if best[one + 1][other] >= best[one][other + 1] {
            one += 1;
        } else {
            other += 1;
        }
    }
    found
}

/// Those between two that are the same: paired where the topic is, first those with the same id.
fn gap(
    expected: &[Expected],
    came: &[Came],
    (wanted, others): (std::ops::Range<usize>, std::ops::Range<usize>),
    rows: &mut Vec<Row>,
) {
    let mut left: Vec<usize> = others.collect();
    let mut pairs: Vec<(usize, Option<usize>)> = wanted.map(|one| (one, None)).collect();
    for by_id in [true, false] {
        for (one, pair) in pairs.iter_mut().filter(|(_, pair)| pair.is_none()) {
            let of = |key: &str, at: usize| came[at].event.get(key) == expected[*one].event.get(key);
            let place = left.iter().position(|at| of("topic", *at) && (!by_id || of("id", *at)));
            *pair = place.map(|place| left.remove(place));
        }
    }
    for (one, pair) in pairs {
        let Some(fits) = pair else {
            rows.push(Row::Missing { expected: one });
            continue;
        };
        // Those that came before it were not expected.
        let before = left.iter().take_while(|at| **at < fits).count();
        rows.extend(left.drain(..before).map(|came| Row::Unexpected { came }));
        let differences = differences(&expected[one], &came[fits]);
        // Paired across others it may be the same after all, only out of order.
        rows.push(if differences.is_empty() {
            let place = |at: usize| Some(Value::from(format!("event {} in order", at + 1)));
            let moved = Difference { path: "place".to_owned(), expected: place(one), came: place(fits) };
            Row::Differs { expected: one, came: fits, differences: vec![moved] }
        } else {
            Row::Differs { expected: one, came: fits, differences }
        });
    }
    rows.extend(left.into_iter().map(|came| Row::Unexpected { came }));
}

fn differences(expected: &Expected, came: &Came) -> Vec<Difference> {
    let mut found = Vec::new();
    tables("", &expected.event, &came.whole(), &mut found);
    found
}

/// What is written must be there; what else came is nobody's concern.
fn tables(path: &str, expected: &Map<String, Value>, came: &Map<String, Value>, found: &mut Vec<Difference>) {
    for (key, value) in expected {
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        values(&path, Some(value), came.get(key), found);
    }
}

fn values(path: &str, expected: Option<&Value>, came: Option<&Value>, found: &mut Vec<Difference>) {
    match (expected, came) {
        (Some(Value::Object(expected)), Some(Value::Object(came))) => tables(path, expected, came, found),
        (Some(Value::Array(expected)), Some(Value::Array(came))) => {
            for at in 0..expected.len().max(came.len()) {
                values(&format!("{path}.{at}"), expected.get(at), came.get(at), found);
            }
        }
        (Some(Value::Null), None) => {}
        (expected, came) if expected == came => {}
        (expected, came) => {
            found.push(Difference { path: path.to_owned(), expected: expected.cloned(), came: came.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::ExpectedText;
    use serde_json::json;

    /// The events of short texts (`topic id name`) against expected lines; rows in short.
    fn shown(expected: &[&str], came: &[(&str, i64, &str)]) -> Vec<String> {
        let text = ExpectedText { line: 1, text: expected.join("\n"), ..ExpectedText::default() };
        let expected = super::super::expected::read(&text).expect("lines");
        let event = |(seq, (topic, id, name)): (usize, &(&str, i64, &str))| {
            let event = json!({ "topic": topic, "id": id, "payload": { "id": id, "name": name } });
            Came { seq, settled: seq, rule: "r".to_owned(), event: event.as_object().expect("a table").clone() }
        };
        let came: Vec<Came> = came.iter().enumerate().map(event).collect();
        let row = |row: Row| match row {
            Row::Same { expected, came } => format!("{expected}={came}"),
            Row::Missing { expected } => format!("-{expected}"),
            Row::Unexpected { came } => format!("+{came}"),
            Row::Differs { expected, came, differences } => {
                let paths: Vec<String> = differences.into_iter().map(|difference| difference.path).collect();
                format!("{expected}!{came} {}", paths.join(","))
            }
        };
        compare(&expected, &came).rows.into_iter().map(row).collect()
    }

    #[test]
    fn what_belongs_together_is_held_against_each_other() {
        let a = r#"{"topic":"a.b","id":1,"payload":{"id":1,"name":"x"}}"#;
        let b = r#"{"topic":"c.d","id":2,"payload":{"id":2,"name":"y"}}"#;
        let open = r#"{"topic":"a.b","payload":{"id":1,"sku":null}}"#;
        let ((came_a, came_b), other) = ((("a.b", 1, "x"), ("c.d", 2, "y")), ("a.b", 3, "z"));
        let rows: [(&[&str], &[_], &[&str]); 9] = [
            (&[a, "", "# why", b], &[came_a, came_b], &["0=0", "1=1"]),
            (&[a, b], &[came_b], &["-0", "1=0"]),
            (&[b], &[came_a, came_b], &["+0", "0=1"]),
            (&[a], &[("a.b", 1, "z")], &["0!0 payload.name"]),
            (&[a], &[other], &["0!0 id,payload.id,payload.name"]),
            (&[a, b], &[came_b, came_a], &["-0", "1=0", "+1"]),
            (&[open], &[came_a], &["0=0"]),
            (&[r#"{"topic":"a.b","seq":1,"rule":"s"}"#], &[came_a], &["0!0 seq,rule"]),
            (&[], &[came_a], &["+0"]),
        ];
        for (expected, came, wanted) in rows {
            assert_eq!(shown(expected, came), wanted, "{expected:?} {came:?}");
        }
    }

    #[test]
    fn lines_that_are_no_events_are_faults_with_their_line() {
        for (line, says) in [
            ("{", "a JSON object on one line"),
            ("[1]", "a JSON object on one line"),
            (r#"{"id":1}"#, "has a `topic`"),
            (r#"{"topic":"a.b","paylod":{}}"#, "did you mean `payload`?"),
        ] {
            let text = ExpectedText { line: 7, text: format!("# first\n{line}"), ..ExpectedText::default() };
            let fault = super::super::expected::read(&text).expect_err(line);
            assert!(fault.line == 8 && fault.message.contains(says), "{fault}");
        }
    }
}
