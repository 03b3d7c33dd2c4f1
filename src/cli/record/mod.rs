//! `shopbell record`: live traffic to a file, without its secrets unless they are asked for.

mod file;
mod limits;

use std::io::Write as _;
use std::time::Duration;

use http_body_util::BodyExt as _;

use crate::exchange::parse_line;

use super::HEAD_MARK;
use super::args::RecordArgs;
use super::control::Api;
use super::failure::Failure;
use super::output::{Tone, count, styled};
use file::{Form, Recording};
pub(super) use limits::{parse_size, parse_time};

/// Bytes of one line of the stream that are taken at most.
const MAX_LINE: usize = 64 * 1024 * 1024;

/// Why a recording ended.
enum End {
    Interrupted,
    Time(Duration),
    Full,
    /// The process has gone; how many exchanges were missed, if it said so.
    Process(Option<u64>),
}

pub(super) async fn run(args: RecordArgs) -> Result<(), Failure> {
    let api = Api::running(&args.place).await?;
    let form = if args.har { Form::Har } else { Form::Lines };
    let mut file = Recording::create(&args.out, form, args.max)?;
    if args.raw {
        let text = "warning: cookies, passwords, tokens and card numbers go into the file as they are";
        writeln!(anstream::stderr(), "{}", styled(Tone::Odd, text))?;
    }
    let mut body = api.stream(&format!("/v1/record?{}", query(&args))).await?;
    let limits = [args.time.map(|time| format!("for {time:?}")), Some(format!("up to {} bytes", args.max))];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    writeln!(anstream::stderr(), "recording to {}, {}; Ctrl-C ends it", args.out.display(), limits.join(", "))?;

    let mut stop = crate::app::StopSignal::new()?;
    let deadline = args.time.map(|time| tokio::time::Instant::now() + time);
    let mut lines = Lines::default();
    let end = 'taken: loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = stop.recv() => break End::Interrupted,
            () = until(deadline) => break End::Time(args.time.unwrap_or_default()),
        };
        let Some(Ok(frame)) = frame else { break End::Process(lines.missed) };
        let Ok(data) = frame.into_data() else { continue };
        for line in lines.push(&data)? {
            if line.starts_with(HEAD_MARK) {
                file.head(&line)?;
                continue;
            }
            let recorded = parse_line(&line).map_err(|fault| Failure::Failed(format!("the process sends {fault}")))?;
            if !file.exchange(&line, recorded)? {
                break 'taken End::Full;
            }
        }
    };
    let (exchanges, bytes) = file.finish()?;
    tell(&args, &end, exchanges, bytes)
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn query(args: &RecordArgs) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(args.matches.iter().map(|pattern| ("match", pattern)));
    query.append_pair("files", if args.files { "true" } else { "false" });
    query.append_pair("raw", if args.raw { "true" } else { "false" });
    query.finish()
}

fn tell(args: &RecordArgs, end: &End, exchanges: usize, bytes: u64) -> Result<(), Failure> {
    let why = match end {
        End::Interrupted => String::new(),
        End::Time(time) => format!(" after {time:?}"),
        End::Full => ": the file is as large as --max allows".to_owned(),
        End::Process(None) => ": the process has gone".to_owned(),
        End::Process(Some(missed)) => format!(": the process stopped; {} missed", count_of(*missed)),
    };
    let all = count(exchanges, "exchange");
    writeln!(anstream::stderr(), "{all}, {bytes} bytes in {}{why}", args.out.display())?;
    if exchanges == 0 {
        let text = "nothing fitted: is there traffic, and does --match name it?";
        writeln!(anstream::stderr(), "{}", styled(Tone::Odd, text))?;
    }
    Ok(())
}

fn count_of(missed: u64) -> String {
    count(usize::try_from(missed).unwrap_or(usize::MAX), "exchange")
}

/// Cuts what comes into lines.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    missed: Option<u64>,
}

impl Lines {
    fn push(&mut self, data: &[u8]) -> Result<Vec<String>, Failure> {
        self.rest.extend_from_slice(data);
        let mut lines = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let said: Option<serde_json::Value> =
                line.starts_with(HEAD_MARK).then(|| serde_json::from_str(&line).ok()).flatten();
            if let Some(missed) = said.as_ref().and_then(|said| said["shopbell"]["missed"].as_u64()) {
                self.missed = Some(missed);
            }
            lines.push(line);
        }
        if self.rest.len() > MAX_LINE {
            return Err(Failure::Failed(format!("the process sends a line of more than {MAX_LINE} bytes")));
        }
        Ok(lines)
    }
}
