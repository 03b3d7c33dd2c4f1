//! The literal form field that keeps most rules away from an exchange: read once, compared once for each candidate.

use crate::exchange::FieldPath;

use super::super::matching::{Sight, form_texts};
use super::super::rule::{Condition, EventRule, Matcher, Subject};

/// For each rule the form field and texts without which it cannot match.
#[derive(Debug, Default)]
pub(super) struct Gates {
    paths: Vec<FieldPath>,
    /// By rule: index of the path, and its texts in order.
    rules: Vec<Option<(usize, Vec<String>)>>,
}

impl Gates {
    /// Chooses for each rule, of the form literals it has, the one whose field has the most different values in the set.
    pub(super) fn build(events: &[EventRule]) -> Self {
        let mut paths: Vec<FieldPath> = Vec::new();
        let mut spread: Vec<Vec<&String>> = Vec::new();
        for (path, texts) in events.iter().flat_map(literals) {
            let at = paths.iter().position(|known| known == path).unwrap_or_else(|| {
                paths.push(path.clone());
                spread.push(Vec::new());
                paths.len() - 1
            });
            spread[at].extend(texts);
        }
        for texts in &mut spread {
            texts.sort_unstable();
            texts.dedup();
        }
        let gate = |event: &EventRule| {
            let numbered = literals(event).filter_map(|(path, texts)| {
                let at = paths.iter().position(|known| known == path)?;
                Some((at, texts))
            });
            numbered.max_by_key(|(at, _)| spread[*at].len()).map(|(at, texts)| {
                let mut texts = texts.clone();
                texts.sort_unstable();
                (at, texts)
            })
        };
        let rules = events.iter().map(gate).collect();
        Self { paths, rules }
    }

    /// Those of `rules` whose form literal stands in the exchange, and those without one. A form that is cut or cannot be
    /// read keeps nobody out.
    pub(super) fn past(&self, sight: &Sight<'_>, rules: &[u32]) -> Vec<u32> {
        let mut read: Vec<Option<Option<Vec<String>>>> = vec![None; self.paths.len()];
        let mut passes = |rule: u32| {
            let Some(Some((at, texts))) = self.rules.get(rule as usize) else { return true };
            let (Some(slot), Some(path)) = (read.get_mut(*at), self.paths.get(*at)) else { return true };
            match slot.get_or_insert_with(|| form_texts(sight.reading, path).ok()) {
                Some(found) => found.iter().any(|text| texts.binary_search(text).is_ok()),
                None => true,
            }
        };
        rules.iter().copied().filter(|rule| passes(*rule)).collect()
    }
}

fn literals(event: &EventRule) -> impl Iterator<Item = (&FieldPath, &Vec<String>)> {
    event.conditions.iter().filter_map(|Condition { subject, matcher, .. }| match (subject, matcher) {
        (Subject::Form(path), Matcher::OneOf(texts)) if !path.parts.is_empty() => Some((path, texts)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use http::Request;

    use super::super::Candidates;
    use super::Sight;
    use crate::exchange::{CapturedBody, End, Exchange, ReadOptions, Reading, RequestHead, Timestamp};
    use crate::rules::{SourceFile, load};

    /// Of 300 rules for one path, each with another literal in the form, one is asked.
    #[test]
    fn other_form_literals_cost_nothing() {
        let mut text = String::new();
        for n in 0..300 {
            let rule = "on = 'POST /x'\ntopic = 'a.b'\nid = 1\nform.kind = 'same'\nform.action";
            write!(text, "[event.r{n}]\n{rule} = 'do-{n}'\n").expect("a string takes it");
        }
        let files = [SourceFile { path: "a.toml".to_owned(), bytes: text.into_bytes() }];
        let rules = load(&files).ruleset.expect("it loads");
        let request = Request::post("/x").header("content-type", "application/x-www-form-urlencoded").body(());
        let request = RequestHead::of(&request.expect("a request").into_parts().0);
        let candidates =
            rules.wants(&request, &crate::rules::OpenWaits::default()).expect("the head cannot tell them apart");
        assert_eq!(candidates.rules.len(), 300);
        let past = |body: CapturedBody| {
            let (request, response_body) = (request.clone(), CapturedBody::default());
            let at = Timestamp::default();
            let exchange =
                Exchange { at, request, request_body: body, response: None, response_body, end: End::Complete };
            let reading = Reading::new(exchange, ReadOptions::default());
            rules.index.past_gates(&Sight::new(&reading, None), &Candidates { rules: candidates.rules.clone() })
        };
        assert_eq!(past(CapturedBody::whole("kind=same&action=do-7")), [7]);
        assert_eq!(past(CapturedBody::whole("kind=same")), [0_u32; 0]);
        let cut =
            CapturedBody { damage: Some(crate::exchange::Damage::Cut), ..CapturedBody::whole("kind=same&action=do") };
        assert_eq!(past(cut).len(), 300);
    }
}
