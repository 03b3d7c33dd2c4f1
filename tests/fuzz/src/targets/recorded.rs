//! Recordings: JSON lines, HAR files, cases; and what is proposed from them.

use shopbell::exchange::{
    CaseText, CaseWhat, Exchange, HAR_HEAD, HAR_TAIL, ReadOptions, har_entry, parse_har, parse_line, to_line,
};
use shopbell::rules::suggest::{Suggester, Trial};
use shopbell::rules::{SourceFile, load};

use super::text;

/// Exchanges of a case that are looked at.
const MAX_EXCHANGES: usize = 50;

/// What is read is written so that the same is read again.
pub(super) fn har(data: &[u8]) {
    let Ok(lines) = parse_har(&text(data)) else { return };
    let entries: Vec<String> = lines.iter().map(|line| har_entry(&line.exchange)).collect();
    let written = format!("{HAR_HEAD}{}{HAR_TAIL}", entries.join(",\n"));
    let again = parse_har(&written).expect("what was written is read");
    assert_eq!(again.len(), lines.len(), "an entry is lost");
}

/// The same for a line.
pub(super) fn line(data: &[u8]) {
    let Ok(line) = parse_line(&text(data)) else { return };
    let written = to_line(&line.exchange, line.t);
    let again = parse_line(&written).expect("what was written is read");
    assert_eq!(to_line(&again.exchange, again.t), written);
}

/// The same for a case.
pub(super) fn case_text(data: &[u8]) {
    if let Ok(case) = CaseText::parse(&text(data)) {
        let written = case.write();
        let again = CaseText::parse(&written).expect("what was written is read");
        assert_eq!(again.write(), written);
    }
}

/// Proposals load, whatever the recording was.
pub(super) fn suggest(data: &[u8]) {
    let mut suggester = Suggester::new(ReadOptions::default());
    for (seq, exchange) in exchanges(data).into_iter().enumerate() {
        suggester.feed(seq, exchange);
    }
    let again = |trial: &mut Trial<'_>| -> Result<(), std::convert::Infallible> {
        exchanges(data).iter().enumerate().for_each(|(seq, exchange)| trial.feed(seq, exchange));
        Ok(())
    };
    let Ok(suggestion) = suggester.finish(again);
    let loaded = load(&[SourceFile { path: "suggested.toml".to_owned(), bytes: suggestion.text.clone().into_bytes() }]);
    assert!(loaded.ruleset.is_some(), "{}", suggestion.text);
}

/// The exchanges of a case.
pub(super) fn exchanges(data: &[u8]) -> Vec<Exchange> {
    let Ok(case) = CaseText::parse(&text(data)) else { return Vec::new() };
    let exchange = |what| match what {
        CaseWhat::Exchange { exchange, .. } => Some(*exchange),
        CaseWhat::Answer { .. } => None,
    };
    case.steps.into_iter().filter_map(|step| exchange(step.what)).take(MAX_EXCHANGES).collect()
}
