//! Proposals as a rules file: rules that stand, then guesses that are commented out.

use std::fmt::Write as _;

use super::Counts;
use super::proposal::Proposal;

/// Columns of a comment.
const WIDTH: usize = 116;

/// The whole file.
pub(super) fn file(proposals: &[Proposal], counts: &Counts, session: &[String]) -> String {
    let mut out = String::new();
    comment(
        &mut out,
        "",
        "Rules that `shopbell suggest` proposes from a recording. They are guesses with reasons: read each, keep what is right, \
        change what is not, and run `shopbell check` and `shopbell replay` over it. Numbers of lines count from 0.",
    );
    comment(
        &mut out,
        "",
        &format!(
            "Read: {} exchanges. Left out: {} (static files, cut or unanswered ones), {} that only read or repeat themselves. Rules below: {}. \
         Commented out, as something about them is not certain: {}.",
            counts.exchanges, counts.unusable, counts.noise, counts.rules, counts.guesses
        ),
    );
    if !session.is_empty() {
        out.push('\n');
        comment(&mut out, "", "Visitors seem to be followed by these cookies (needed for `remember` and `wait`):");
        commented(&mut out, &followed(session));
    }
    if proposals.iter().any(|proposal| proposal.flash) {
        out.push('\n');
        comment(&mut out, "", "Answers carry Django's messages in a cookie (needed for `flash`):");
        commented(&mut out, FLASH);
    }
    let mut guesses = false;
    for proposal in proposals {
        if !proposal.doubts.is_empty() && !guesses {
            guesses = true;
            out.push_str("\n# ---- Not certain: nothing below takes effect until you uncomment it ----\n");
        }
        out.push('\n');
        out.push_str(&table(proposal));
    }
    out
}

/// [flash] of a Django shop.
const FLASH: &str = "[flash]\ncookie = \"messages\"\nformat = \"django\"\n";

fn followed(session: &[String]) -> String {
    format!("[session]\ncookies = [{}]\n", session.join(", "))
}

/// The tables that stand in the file as comments.
pub(super) fn tables(proposals: &[Proposal], session: &[String]) -> String {
    let session = if session.is_empty() { String::new() } else { followed(session) };
    let flash = if proposals.iter().any(|proposal| proposal.flash) { FLASH } else { "" };
    format!("{session}{flash}")
}

/// A proposal as a rule, whatever the doubts.
pub(super) fn standing(proposal: &Proposal) -> String {
    let lines = proposal.rule.join("\n");
    format!("[event.{}]\n{lines}\n", proposal.name)
}

fn commented(out: &mut String, lines: &str) {
    for line in lines.lines() {
        let _ = writeln!(out, "# {line}");
    }
}

/// One proposal.
fn table(proposal: &Proposal) -> String {
    let mut out = String::new();
    for note in &proposal.notes {
        comment(&mut out, "- ", note);
    }
    for doubt in &proposal.doubts {
        comment(&mut out, "- not certain: ", doubt);
    }
    let mark = if proposal.doubts.is_empty() { "" } else { "# " };
    for line in standing(proposal).lines() {
        let _ = writeln!(out, "{mark}{line}");
    }
    if proposal.topic.is_none() {
        let _ = writeln!(out, "{mark}topic = \"\" # say what it is");
    }
    out
}

/// A comment, wrapped between words.
fn comment(out: &mut String, start: &str, text: &str) {
    let mut line = format!("# {start}");
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + word.chars().count() > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            "#   ".clone_into(&mut line);
        }
        line.push_str(word);
        line.push(' ');
        empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
