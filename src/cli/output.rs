//! Tables and JSON lines on stdout.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use crate::diagnostic::Diagnostic;

/// How a line looks on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it is.
    Plain,
    /// It went well.
    Good,
    /// Something went wrong.
    Bad,
    /// Something to look at.
    Odd,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Odd => AnsiColor::Yellow.on_default(),
        }
    }
}

/// A text in its tone.
pub(super) fn styled(tone: Tone, text: &str) -> String {
    let style = tone.style();
    format!("{style}{text}{style:#}")
}

/// Writes a table: fitted to the terminal if there is one, in full width otherwise.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[(Tone, [String; N])]) -> io::Result<()> {
    let width = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten().map(|(width, _)| width.0);
    let mut out = anstream::stdout().lock();
    render(&mut out, header, rows, width)
}

fn render<const N: usize>(
    out: &mut impl Write,
    header: [&str; N],
    rows: &[(Tone, [String; N])],
    width: Option<u16>,
) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    if let Some(width) = width {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    for (_, row) in rows {
        table.add_row(row.iter().map(|cell| clean(cell).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut tones = rows.iter().map(|(tone, _)| tone.style());
    let mut style = Style::new().bold();
    for (number, line) in table.lines().enumerate() {
        // A cell that wraps leaves the first column empty; every row begins with something there.
        if number > 0 && !line.starts_with(' ') {
            style = tones.next().unwrap_or_default();
        }
        writeln!(out, "{style}{}{style:#}", line.trim_end())?;
    }
    Ok(())
}

/// Writes one JSON object a line.
pub(super) fn json_lines<T: Serialize>(rows: impl IntoIterator<Item = T>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for row in rows {
        serde_json::to_writer(&mut out, &row)?;
        writeln!(out)?;
    }
    out.flush()
}

/// Writes pairs of a name and a value, aligned; pairs without a value are left out.
pub(super) fn pairs(rows: &[(&str, String)]) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let bold = Style::new().bold();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{bold}{name:width$}{bold:#}  {}", clean(value))?;
    }
    Ok(())
}

/// Writes faults with their lines and carets to stderr.
pub(super) fn diagnostics(faults: &[Diagnostic]) -> io::Result<()> {
    let mut out = anstream::stderr().lock();
    faults.iter().try_for_each(|fault| writeln!(out, "{}\n", fault.render(true)))
}

/// Foreign text (a receiver's answer, a product's name) without what would command the terminal.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let odd = |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(odd) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|letter| if odd(letter) { ' ' } else { letter }).collect())
}

/// At most so many characters, the last of them `…` where there are more.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// `1 rule`, `2 rules`.
pub(super) fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_tone_when_they_wrap() {
        let rows = [
            (Tone::Plain, ["one".to_owned(), "fine".to_owned()]),
            (Tone::Bad, ["two".to_owned(), "a long story that has to wrap on this terminal".to_owned()]),
            (Tone::Plain, ["three".to_owned(), "x\u{1b}[31my\nz".to_owned()]),
        ];
        let mut out = Vec::new();
        render(&mut out, ["NAME", "TEXT"], &rows, Some(30)).unwrap();
        let text = String::from_utf8(out).unwrap();
        let red: Vec<_> = text.lines().filter(|line| line.contains("\u{1b}[31m")).collect();
        assert!(red.len() >= 2 && red[0].contains("two") && red.iter().all(|line| !line.contains("three")), "{text}");
        assert!(text.contains("x [31my z"), "{text}");
    }
}
