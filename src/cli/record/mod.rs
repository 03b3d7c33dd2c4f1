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
#[derive(Clone, Copy)]
enum End {
    Interrupted,
    Time(Duration),
    Full,
    /// The process has gone.
    Process,
}

pub(super) async fn run(args: RecordArgs) -> Result<(), Failure> {
    let api = Api::running(&args.place).await?;
    let form = if args.har { Form::Har } else { Form::Lines };
    let mut file = Recording::create(&args.out, form, args.max)?;
    if args.raw {
        let text = "warning: cookies, passwords, tokens and card numbers go into the file as they are";
        writeln!(anstream::stderr(), "{}", styled(Tone::Odd, text))?;
    }
    let body = api.stream(&format!("/v1/record?{}", query(&args))).await?;
    let limits = [args.time.map(|time| format!("for {time:?}")), Some(format!("up to {} bytes", args.max))];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    writeln!(anstream::stderr(), "recording to {}, {}; Ctrl-C ends it", args.out.display(), limits.join(", "))?;
    let (end, missed) = take(&api, body, &mut file, args.time).await?;
    let (exchanges, bytes) = file.finish()?;
    tell(&args, end, missed, exchanges, bytes)
}

/// Writes what comes into the file; gives why it ended, and how many exchanges the process missed if it said so.
async fn take(
    api: &Api,
    mut body: axum::body::Body,
    file: &mut Recording,
    time: Option<Duration>,
) -> Result<(End, Option<u64>), Failure> {
    let mut stop = crate::app::StopSignal::new()?;
    let deadline = time.map(|time| tokio::time::Instant::now() + time);
    let mut lines = Lines::default();
    // Once it was asked to end: what was seen before is still on its way.
    let mut ending = None;
    loop {
        let asked = tokio::select! {
            frame = body.frame() => {
                let Some(Ok(frame)) = frame else { break };
                let Ok(data) = frame.into_data() else { continue };
                if !write(file, lines.push(&data)?)? {
                    return Ok((End::Full, None));
                }
                continue;
            }
            () = stop.recv() => End::Interrupted,
            () = until(deadline), if ending.is_none() => End::Time(time.unwrap_or_default()),
        };
        let Some(number) = lines.number.filter(|_| ending.is_none()) else { return Ok((asked, None)) };
        // One that does not know how to end it, or is just gone, is left at once.
        let told: Result<serde_json::Value, Failure> = api.post(&format!("/v1/record/{number}/end")).await;
        if told.is_err() {
            return Ok((asked, None));
        }
        ending = Some(asked);
    }
    Ok((ending.unwrap_or(End::Process), lines.missed))
}

/// Writes lines; false once the file is full.
fn write(file: &mut Recording, lines: Vec<String>) -> Result<bool, Failure> {
    for line in lines {
        if line.starts_with(HEAD_MARK) {
            file.head(&line)?;
            continue;
        }
        let recorded = parse_line(&line).map_err(|fault| Failure::Failed(format!("the process sends {fault}")))?;
        if !file.exchange(&line, recorded)? {
            return Ok(false);
        }
    }
    Ok(true)
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

fn tell(args: &RecordArgs, end: End, missed: Option<u64>, exchanges: usize, bytes: u64) -> Result<(), Failure> {
    let why = match end {
        End::Interrupted => String::new(),
        End::Time(time) => format!(" after {time:?}"),
        End::Full => ": the file is as large as --max allows".to_owned(),
        End::Process if missed.is_some() => ": the process stopped".to_owned(),
        End::Process => ": the process has gone".to_owned(),
    };
    let all = count(exchanges, "exchange");
    writeln!(anstream::stderr(), "{all}, {bytes} bytes in {}{why}", args.out.display())?;
    if let Some(missed) = missed.filter(|missed| *missed > 0) {
        let missed = count(usize::try_from(missed).unwrap_or(usize::MAX), "exchange");
        let text = format!("{missed} missed: they came faster than they can be written; a narrower --match helps");
        writeln!(anstream::stderr(), "{}", styled(Tone::Odd, &text))?;
    }
    if exchanges == 0 {
        let text = "nothing fitted: is there traffic, and does --match name it?";
        writeln!(anstream::stderr(), "{}", styled(Tone::Odd, text))?;
    }
    Ok(())
}

/// Cuts what comes into lines.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    /// Which recording this is.
    number: Option<u64>,
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
            let said = |name: &str| said.as_ref().and_then(|said| said["shopbell"][name].as_u64());
            self.missed = said("missed").or(self.missed);
            self.number = said("number").or(self.number);
            lines.push(line);
        }
        if self.rest.len() > MAX_LINE {
            return Err(Failure::Failed(format!("the process sends a line of more than {MAX_LINE} bytes")));
        }
        Ok(lines)
    }
}
