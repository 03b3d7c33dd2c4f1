//! Recorded exchanges as commands read them: JSON lines, a HAR file, or the text of a case.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use serde_json::Value;

use crate::exchange::{CapturedBody, CaseText, CaseWhat, RecordedLine, ResponseHead, parse_har, parse_line};

use super::args::RecordingArgs;
use super::failure::Failure;

/// Bytes in which what `record` writes before the first exchange has room.
const HEAD_BYTES: u64 = 16 * 1024;

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

impl<'a> Source<'a> {
    /// The recording that the command line names.
    pub(super) fn of(args: &'a RecordingArgs) -> Result<Self, Failure> {
        args.path().map(Self).ok_or_else(|| {
            let text =
                "name a recording: a file of JSON lines, a HAR file as browsers export it, or a case; `-` is stdin";
            Failure::Usage(text.to_owned())
        })
    }

    /// Whether it is read from stdin, which goes only once.
    pub(super) fn is_stdin(self) -> bool {
        self.0.as_os_str() == "-"
    }

    /// Whether secrets stand in it as they were: not in a case, which people wrote, nor in what `record` wrote without
    /// `--raw`. Of stdin that is not known before it is read.
    pub(super) fn holds_secrets(self) -> Result<bool, Failure> {
        if self.is_stdin() {
            return Ok(true);
        }
        let mut start = Vec::new();
        let file = File::open(self.0).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut start));
        file.map_err(|fault| self.unreadable(&fault))?;
        let start = String::from_utf8_lossy(&start);
        Ok(match Kind::of(&start) {
            Kind::Har => true,
            Kind::Case => false,
            Kind::Lines => !start.lines().next().is_some_and(is_disguised),
        })
    }

    /// As people know it.
    pub(super) fn name(self) -> String {
        if self.is_stdin() { "stdin".to_owned() } else { self.0.display().to_string() }
    }

    /// Reads it from the start; JSON lines are not read further than they are used. Which of the three it is, its first
    /// bytes tell: files are renamed, and stdin has no name. A line of JSON without a request is a recording's own head.
    pub(super) fn each(self, mut see: impl FnMut(Recorded) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut input: Box<dyn BufRead> = if self.is_stdin() {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(self.0).map_err(|fault| self.unreadable(&fault))?))
        };
        let start = String::from_utf8_lossy(input.fill_buf().map_err(|fault| self.unreadable(&fault))?).into_owned();
        match Kind::of(&start) {
            Kind::Lines => self.lines(input, &mut see),
            Kind::Har => {
                let lines = parse_har(&self.text(input)?).map_err(|fault| self.failed(fault))?;
                lines.into_iter().try_for_each(|line| see(Recorded::Exchange(Box::new(line))))
            }
            Kind::Case => self.case(&self.text(input)?, &mut see),
        }
    }

    fn text(self, mut input: impl BufRead) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map_err(|fault| self.unreadable(&fault))?;
        String::from_utf8(bytes).map_err(|_| self.failed("it is not UTF-8"))
    }

    fn failed(self, what: impl Display) -> Failure {
        Failure::Failed(format!("{}: {what}", self.name()))
    }

    fn case(self, text: &str, see: &mut dyn FnMut(Recorded) -> Result<(), Failure>) -> Result<(), Failure> {
        let case = CaseText::parse(text).map_err(|fault| self.failed(fault))?;
        case.steps.into_iter().try_for_each(|step| {
            see(match step.what {
                CaseWhat::Exchange { t, exchange } => {
                    Recorded::Exchange(Box::new(RecordedLine { t, exchange: *exchange }))
                }
                CaseWhat::Answer { target, response, body } => Recorded::Answer { target, response, body },
            })
        })
    }

    fn lines(self, input: impl BufRead, see: &mut dyn FnMut(Recorded) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut seq = 0;
        for line in input.split(b'\n') {
            let line = line.map_err(|fault| Failure::caused(format!("{} cannot be read", self.name()), &fault))?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() || is_head(&line) {
                continue;
            }
            let unreadable = |fault| format!("exchange {seq} (counted from 0) cannot be read: {fault}");
            let recorded = parse_line(&line).map_err(|fault| self.failed(unreadable(fault)))?;
            see(Recorded::Exchange(Box::new(recorded)))?;
            seq += 1;
        }
        Ok(())
    }

    fn unreadable(self, fault: &io::Error) -> Failure {
        Failure::Usage(format!("{} cannot be read: {fault}", self.name()))
    }
}

/// What a recording is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Lines,
    Har,
    Case,
}

impl Kind {
    /// Of a text that begins like this. A HAR file is one object with one key, `log` (HAR 1.2, "log"); a case begins with a
    /// comment or `>>>`.
    fn of(start: &str) -> Self {
        let start = start.trim_start_matches('\u{feff}').trim_start();
        if ["#", ">>>", "==="].iter().any(|mark| start.starts_with(mark)) {
            return Self::Case;
        }
        let log = start.strip_prefix('{').is_some_and(|inside| inside.trim_start().starts_with("\"log\""));
        if log { Self::Har } else { Self::Lines }
    }
}

/// Whether a line is what `record` writes before the first exchange.
fn is_head(line: &str) -> bool {
    line.trim_start().starts_with(super::HEAD_MARK)
}

/// Whether a line is such a head, of a recording without its secrets.
fn is_disguised(line: &str) -> bool {
    let head = Some(line).filter(|line| is_head(line)).and_then(|line| serde_json::from_str::<Value>(line).ok());
    head.is_some_and(|head| head["shopbell"]["raw"] == false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_a_recording_is() {
        for (start, kind) in [
            ("{\"log\":{\"version\":\"1.2\"", Kind::Har),
            ("\u{feff}{\r\n  \"log\": {", Kind::Har),
            ("{\"request\":{}}", Kind::Lines),
            ("{\"logged\":1}", Kind::Lines),
            ("# An order.\n>>> GET /", Kind::Case),
            ("\n>>> GET /", Kind::Case),
            ("=== answer /x\n", Kind::Case),
            ("", Kind::Lines),
        ] {
            assert_eq!(Kind::of(start), kind, "{start:?}");
        }
    }
}
