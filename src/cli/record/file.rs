//! The file a recording goes to: readable by its owner only, never larger than allowed, whole whenever it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::exchange::{Exchange, HAR_HEAD, HAR_TAIL, RecordedLine, Timestamp, har_entry};

use super::super::failure::Failure;

/// How exchanges are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON lines.
    Lines,
    /// HAR 1.2.
    Har,
}

/// A recording on its way into a file.
pub(super) struct Recording {
    path: PathBuf,
    out: BufWriter<File>,
    form: Form,
    most: u64,
    written: u64,
    exchanges: usize,
}

impl Recording {
    /// Makes the file, which must not be there yet.
    pub(super) fn create(path: &Path, form: Form, most: u64) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|fault| match fault.kind() {
            io::ErrorKind::AlreadyExists => Failure::Failed(format!(
                "{} is there already, and nothing is overwritten: name another file",
                path.display()
            )),
            _ => Failure::caused(format!("{} cannot be written", path.display()), &fault),
        })?;
        let (path, out) = (path.to_owned(), BufWriter::new(file));
        Ok(Self { path, out, form, most, written: 0, exchanges: 0 })
    }

    /// What the recording says of itself: once before the exchanges, maybe once more behind them.
    pub(super) fn head(&mut self, line: &str) -> Result<(), Failure> {
        match self.form {
            Form::Lines => self.write(&format!("{line}\n")),
            Form::Har if self.written == 0 => {
                let comment = Value::from(comment(line));
                self.write(&HAR_HEAD.replacen("{\"log\":{", &format!("{{\"log\":{{\"comment\":{comment},"), 1))
            }
            Form::Har => Ok(()),
        }
    }

    /// Writes an exchange; false if it did not fit any more.
    pub(super) fn exchange(&mut self, line: &str, recorded: RecordedLine) -> Result<bool, Failure> {
        let text = match self.form {
            Form::Lines => format!("{line}\n"),
            Form::Har => {
                let at = recorded.t.map_or_else(Timestamp::default, moment);
                let entry = har_entry(&Exchange { at, ..recorded.exchange });
                if self.exchanges == 0 { entry } else { format!(",\n{entry}") }
            }
        };
        let tail = if self.form == Form::Har { HAR_TAIL.len() } else { 0 };
        if self.written + (text.len() + tail) as u64 > self.most {
            return Ok(false);
        }
        self.write(&text)?;
        self.exchanges += 1;
        // Whoever follows the file sees each exchange at once; there are few in a second.
        self.out.flush().map_err(|fault| self.fault(&fault))?;
        Ok(true)
    }

    /// Ends it; gives how many exchanges and bytes it holds.
    pub(super) fn finish(mut self) -> Result<(usize, u64), Failure> {
        if self.form == Form::Har {
            if self.written == 0 {
                self.write(HAR_HEAD)?;
            }
            self.write(HAR_TAIL)?;
        }
        self.out.flush().map_err(|fault| self.fault(&fault))?;
        Ok((self.exchanges, self.written))
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.out.write_all(text.as_bytes()).map_err(|fault| self.fault(&fault))?;
        self.written += text.len() as u64;
        Ok(())
    }

    fn fault(&self, fault: &io::Error) -> Failure {
        Failure::caused(format!("{} cannot be written", self.path.display()), fault)
    }
}

/// What a HAR file says of what was redacted.
fn comment(head: &str) -> String {
    let said: Value = serde_json::from_str(head).unwrap_or_default();
    let said = &said["shopbell"];
    let names: Vec<&str> = said["redacted"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let began = said["began"].as_str().unwrap_or_default();
    if names.is_empty() {
        return format!("recorded by shopbell from {began}, with all secrets in it");
    }
    format!("recorded by shopbell from {began}; replaced by pseudonyms: {}", names.join("; "))
}

#[expect(clippy::cast_possible_truncation, reason = "a cast from float stops at the ends of the range")]
fn moment(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0).round() as i64)
}
