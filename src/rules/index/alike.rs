//! Rules that heads cannot tell apart: what is decided for one of them by the heads holds for all.

use std::collections::HashMap;

use super::super::matching::Stage;
use super::super::rule::{Condition, EventRule};

/// For each rule the number of those it is like.
#[derive(Debug, Default)]
pub(super) struct Alike {
    of: Vec<u32>,
    count: usize,
}

impl Alike {
    /// Rules are alike that want the same status and have the same conditions on the heads and the same tables.
    pub(super) fn build(events: &[EventRule]) -> Self {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let of = events.iter().map(|event| {
            let early = |condition: &&Condition| condition.subject.stage() != Stage::Whole;
            let early: Vec<&Condition> = event.conditions.iter().filter(early).collect();
            let EventRule { status, any, none, .. } = event;
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(format!("{status:?} {early:?} {any:?} {none:?}")).or_insert(next)
        });
        let of = of.collect();
        Self { of, count: numbers.len() }
    }

    /// Keeps the rules for which `stays` holds, which is asked once for those that are alike.
    pub(super) fn retain(&self, rules: &mut Vec<u32>, mut stays: impl FnMut(u32) -> bool) {
        let mut known: Vec<Option<bool>> = vec![None; self.count];
        rules.retain(|rule| {
            let known = self.of.get(*rule as usize).and_then(|like| known.get_mut(*like as usize));
            match known {
                Some(known) => *known.get_or_insert_with(|| stays(*rule)),
                None => stays(*rule),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::rules::{SourceFile, load};

    #[test]
    fn the_status_conditions_on_heads_and_tables_count() {
        let mut text = String::new();
        for (name, conditions) in [
            ("a", "query.x = '1'\nform.a = '1'"),
            ("b", "query.x = '1'\nform.b = '2'\npriority = 5"),
            ("c", "query.x = '1'\nstatus = 201"),
            ("d", "query.x = '2'"),
            ("e", "query.x = '1'\nlocation = '/a'"),
            ("f", "query.x = '1'\nnone = [{ query.y = true }]"),
        ] {
            write!(text, "[event.{name}]\non = 'POST /x'\ntopic = 'a.b'\nid = 1\n{conditions}\n")
                .expect("a string takes it");
        }
        let rules =
            load(&[SourceFile { path: "a.toml".to_owned(), bytes: text.into_bytes() }]).ruleset.expect("it loads");
        let mut asked = Vec::new();
        let mut all: Vec<u32> = (0..6).collect();
        rules.index.alike.retain(&mut all, |rule| {
            asked.push(rules.events[rule as usize].name.as_str());
            rule != 0
        });
        assert_eq!(asked, ["b", "c", "d", "e", "f"]);
        let left: Vec<&str> = all.iter().map(|rule| rules.events[*rule as usize].name.as_str()).collect();
        assert_eq!(left.len(), 4, "{left:?} are left without those like the first");
    }
}
