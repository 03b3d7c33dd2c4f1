//! How a command ends when it does not end well.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// It failed, or the files have faults.
const FAILED: u8 = 1;
/// The command line is wrong.
pub(super) const USAGE: u8 = 2;

/// Why a command did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line asks for what cannot be. The text says what to do instead.
    Usage(String),
    /// It was tried and failed.
    Failed(String),
    /// It failed, and all there is to say has been said.
    Said,
    /// Nobody reads our output any more (`| head`): no failure, and nothing to say.
    BrokenPipe,
}

impl Failure {
    /// A failure with the chain of its causes.
    pub(super) fn of(error: &dyn Error) -> Self {
        let text = error.to_string();
        match error.source() {
            Some(cause) => Self::caused(text, cause),
            None => Self::Failed(text),
        }
    }

    /// A failure with the chain of its causes; a cause that only repeats what was said is left out.
    pub(super) fn caused(text: impl Into<String>, cause: &dyn Error) -> Self {
        let mut told: String = text.into();
        let mut next = Some(cause);
        // What a cause's own text already says of its cause is not said twice.
        while let Some(cause) = next {
            let text = cause.to_string();
            if !told.contains(&text) {
                told = format!("{told}: {text}");
            }
            next = cause.source();
        }
        Self::Failed(told)
    }

    /// Says it once on stderr, and gives the exit code.
    pub(super) fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Usage(text) => (text, USAGE),
            Self::Failed(text) => (text, FAILED),
            Self::Said => return ExitCode::from(FAILED),
            Self::BrokenPipe => return ExitCode::SUCCESS,
        };
        let _ = writeln!(anstream::stderr(), "shopbell: {text}");
        ExitCode::from(code)
    }
}

impl From<io::Error> for Failure {
    /// Of writing to stdout or stderr; whoever reads or writes anything else says what it was.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Failed(format!("the output cannot be written: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_causes_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] io::Error);

        let failure = Failure::caused("it failed", &Outer(io::Error::other("disk on fire")));
        assert!(matches!(failure, Failure::Failed(text) if text == "it failed: outer: disk on fire"));
    }
}
