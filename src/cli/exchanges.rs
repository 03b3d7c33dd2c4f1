//! Recorded exchanges as commands read them: JSON lines, a HAR file, or the text of a case.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::exchange::{CapturedBody, CaseText, CaseWhat, RecordedLine, ResponseHead, parse_har, parse_line};

use super::failure::Failure;

/// One thing of a recording.
pub(super) enum Recorded {
    /// A visitor asked and the shop answered.
    Exchange(Box<RecordedLine>),
    /// What the shop says from here on if it is looked up; only cases say that.
    Answer { target: String, response: Option<ResponseHead>, body: CapturedBody },
}

/// Where a recording is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a>(pub(super) &'a Path);

impl Source<'_> {
    fn is_stdin(self) -> bool {
        self.0.as_os_str() == "-"
    }

    /// As people know it.
    pub(super) fn name(self) -> String {
        if self.is_stdin() { "stdin".to_owned() } else { self.0.display().to_string() }
    }

    /// Reads it from the start; JSON lines are not read further than they are used. `.har` is a HAR file, `.txt` a case, all
    /// else JSON lines, of which one without a request is a recording's own head.
    pub(super) fn each(self, mut see: impl FnMut(Recorded) -> Result<(), Failure>) -> Result<(), Failure> {
        let extension = self.0.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "har" => {
                let text = self.text()?;
                let lines = parse_har(&text).map_err(|fault| Failure::Failed(format!("{}: {fault}", self.name())))?;
                lines.into_iter().try_for_each(|line| see(Recorded::Exchange(Box::new(line))))
            }
            "txt" | "case" => self.case(&self.text()?, &mut see),
            _ => self.lines(&mut see),
        }
    }

    fn text(self) -> Result<String, Failure> {
        let bytes = fs::read(self.0).map_err(|fault| self.unreadable(&fault))?;
        String::from_utf8(bytes).map_err(|_| Failure::Failed(format!("{}: it is not UTF-8", self.name())))
    }

    fn case(self, text: &str, see: &mut dyn FnMut(Recorded) -> Result<(), Failure>) -> Result<(), Failure> {
        let case = CaseText::parse(text).map_err(|fault| Failure::Failed(format!("{}: {fault}", self.name())))?;
        case.steps.into_iter().try_for_each(|step| {
            see(match step.what {
                CaseWhat::Exchange { t, exchange } => {
                    Recorded::Exchange(Box::new(RecordedLine { t, exchange: *exchange }))
                }
                CaseWhat::Answer { target, response, body } => Recorded::Answer { target, response, body },
            })
        })
    }

    fn lines(self, see: &mut dyn FnMut(Recorded) -> Result<(), Failure>) -> Result<(), Failure> {
        let input: Box<dyn BufRead> = if self.is_stdin() {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(self.0).map_err(|fault| self.unreadable(&fault))?))
        };
        let mut seq = 0;
        for line in input.split(b'\n') {
            let line = line.map_err(|fault| Failure::caused(format!("{} cannot be read", self.name()), &fault))?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() || is_head(&line) {
                continue;
            }
            let recorded = parse_line(&line).map_err(|fault| {
                let hint = if line.starts_with(">>>") { "; a case has a name that ends in .txt" } else { "" };
                Failure::Failed(format!(
                    "{}: exchange {seq} (counted from 0) cannot be read: {fault}{hint}",
                    self.name()
                ))
            })?;
            see(Recorded::Exchange(Box::new(recorded)))?;
            seq += 1;
        }
        Ok(())
    }

    fn unreadable(self, fault: &io::Error) -> Failure {
        Failure::Usage(format!("{} cannot be read: {fault}", self.name()))
    }
}

/// Whether a line is what `record` writes before the first exchange.
fn is_head(line: &str) -> bool {
    line.trim_start().starts_with(super::HEAD_MARK)
}
