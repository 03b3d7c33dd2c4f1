//! `shopbell webhooks rotate`: a new secret, the old one signing beside it for a while.
//!
//! The rules directory is edited here, by whoever calls: the process need not be allowed to write it. A process that runs is
//! asked before and after, as it alone has the environment that its rules name.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use crate::admin::{ReloadView, StatusView, WebhookView};
use crate::app::rotation::{self, MAX_KEEP, Origin, RotateError, Rotation, Wish};
use crate::settings;

use super::args::{NamedArgs, RotateArgs};
use super::control::{Api, segment};
use super::failure::Failure;
use super::output::{diagnostics, json_lines, pairs};
use super::ruleset::at_hand;

/// Longest wait until a process has read its rules directory: it waits 10 s itself for a file that somebody writes.
const RELOAD_AT_MOST: Duration = Duration::from_secs(30);
/// Bytes of a secret on standard input that are read: more than any can have.
const MAX_INPUT_BYTES: u64 = 128 * 1024;

pub(super) async fn run(args: RotateArgs) -> Result<(), Failure> {
    let given = if args.stdin { Some(read_secret()?) } else { None };
    let site = Site::find(&args.named).await?;
    let wish = Wish::new(site.webhook.clone(), given, site.made.clone(), args.keep);
    let rotation = rotation::plan(&site.dir, &site.base, wish).await.map_err(|error| refused(&error))?;
    site.is_of(&rotation)?;
    let staged = rotation.stage().map_err(|error| refused(&error))?;
    let mut outcome = Outcome::Waits;
    if let Some(secret_file) = staged.put().map_err(|error| refused(&error))? {
        if rotation.rules_file().is_some() {
            outcome = site.take(&rotation).await;
        }
        if let Outcome::Refused(why) = &outcome {
            return Err(Failure::Failed(half_way(&rotation, why)));
        }
        secret_file.put().map_err(|error| Failure::Failed(half_way(&rotation, &error.to_string())))?;
    }
    outcome = site.take(&rotation).await;
    tell(&rotation, &outcome, &args)?;
    match outcome {
        Outcome::Refused(why) => Err(Failure::Failed(format!(
            "the new secret is written, but the running process has not taken it, and signs as before: {why}"
        ))),
        Outcome::InForce | Outcome::Waits => Ok(()),
    }
}

/// How long the old secret signs on: `24h`, `3d`, `0`. The error is for people.
pub(super) fn parse_keep(text: &str) -> Result<Duration, String> {
    match settings::parse_time(if text.trim() == "0" { "0s" } else { text.trim() })? {
        keep if keep > MAX_KEEP => Err(format!("`{text}` is too long: an old secret may sign on for 7d at most")),
        keep => Ok(keep),
    }
}

/// The secret on standard input; one line end behind it is cut.
fn read_secret() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(MAX_INPUT_BYTES).read_to_string(&mut text);
    read.map_err(|fault| Failure::caused("the secret on standard input cannot be read", &fault))?;
    let cut = text.strip_suffix('\n').map_or(text.as_str(), |cut| cut.strip_suffix('\r').unwrap_or(cut));
    Ok(cut.to_owned())
}

/// Where the rules are, and the process that runs on them.
struct Site {
    dir: PathBuf,
    base: PathBuf,
    webhook: String,
    made: Option<String>,
    /// The process, and the fingerprint of its rules.
    running: Option<(Api, String)>,
}

impl Site {
    /// With a process, its rules directory, which must be in force as it stands; otherwise that of `--rules`.
    async fn find(args: &NamedArgs) -> Result<Self, Failure> {
        let path = format!("/v1/webhooks/{}", segment(&args.which));
        if let Some(api) = Api::if_running(&args.place).await? {
            let report = reload(&api).await.map_err(Failure::Failed)?;
            if !report.ok {
                diagnostics(&report.diagnostics)?;
                let text = "the running process refuses its rules directory as it stands, and would refuse an edit of it: \
                            mend it first. Nothing was changed";
                return Err(Failure::Failed(text.to_owned()));
            }
            let status: StatusView = api.get("/v1/status").await?;
            let webhook: WebhookView = api.get(&path).await?;
            let base = PathBuf::from(status.work_dir);
            let dir = base.join(status.rules_dir);
            let running = Some((api, report.rules.fingerprint));
            return Ok(Self { dir, base, webhook: webhook.name, made: webhook.made_secret, running });
        }
        let (dir, base) = (at_hand(&args.place.rules).to_owned(), PathBuf::new());
        if !args.place.data.is_dir() {
            // Nothing ever ran here: no secret was made, and no id given.
            return Ok(Self { dir, base, webhook: args.which.clone(), made: None, running: None });
        }
        let webhook: WebhookView = Api::running_or_here(&args.place).await?.get(&path).await?;
        Ok(Self { dir, base, webhook: webhook.name, made: webhook.made_secret, running: None })
    }

    /// Refuses where the process has other rules than those found here.
    fn is_of(&self, rotation: &Rotation) -> Result<(), Failure> {
        match &self.running {
            Some((_, fingerprint)) if *fingerprint != rotation.fingerprints.0 => Err(Failure::Failed(format!(
                "the rules in {} are not those of the running process: somebody edits them just now, or it sees another \
                 directory under that name (a container does). Nothing was changed",
                self.dir.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Waits until the process has taken the directory as it is now.
    async fn take(&self, rotation: &Rotation) -> Outcome {
        let Some((api, _)) = &self.running else { return Outcome::Waits };
        match reload(api).await {
            Ok(report) if report.ok && report.rules.fingerprint == rotation.fingerprints.1 => Outcome::InForce,
            Ok(report) if report.ok => Outcome::Refused("somebody has edited the rules meanwhile".to_owned()),
            Ok(report) => {
                let faults: Vec<_> = report.diagnostics.iter().map(ToString::to_string).collect();
                Outcome::Refused(faults.join("; "))
            }
            Err(why) => Outcome::Refused(why),
        }
    }
}

async fn reload(api: &Api) -> Result<ReloadView, String> {
    match tokio::time::timeout(RELOAD_AT_MOST, api.post("/v1/reload")).await {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(Failure::Failed(text) | Failure::Usage(text))) => Err(text),
        Ok(Err(_)) => Err("it does not answer".to_owned()),
        Err(_) => Err(format!("it has not read them within {} s", RELOAD_AT_MOST.as_secs())),
    }
}

/// What became of the edit.
enum Outcome {
    /// The process signs with it.
    InForce,
    /// No process runs: the next start reads it.
    Waits,
    /// The process has not taken it.
    Refused(String),
}

fn refused(error: &RotateError) -> Failure {
    if let RotateError::Faults(faults) = error
        && let Err(broken) = diagnostics(faults)
    {
        return broken.into();
    }
    Failure::of(error)
}

/// What to say where the secret file has not changed, and the rules perhaps name the copy of it already.
fn half_way(rotation: &Rotation, why: &str) -> String {
    let text = format!("the secret was not changed, and deliveries are signed as before: {why}");
    match rotation.rules_file().map(Path::display) {
        Some(file) => format!(
            "{text}. {file} is written already: when that is mended, take the first entry of `secret_previous` out of it, and \
             call this again"
        ),
        None => text,
    }
}

/// A rotation as `--json` tells it.
#[derive(Serialize)]
struct RotatedView<'a> {
    webhook: &'a str,
    /// Absent where it was given on standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    /// Until when the old one signs beside it (RFC 3339).
    old_until: Option<String>,
    /// Until when others of before sign too.
    earlier_until: Vec<String>,
    files: Vec<String>,
    leftover: &'a [String],
    in_force: bool,
}

fn tell(rotation: &Rotation, outcome: &Outcome, args: &RotateArgs) -> Result<(), Failure> {
    let secret = (!args.stdin).then(|| rotation.secret());
    let files: Vec<String> = rotation.files().iter().map(|path| path.display().to_string()).collect();
    let until = rotation.until.map(|until| until.to_string());
    let earlier: Vec<String> = rotation.earlier.iter().map(ToString::to_string).collect();
    if args.named.json {
        let in_force = matches!(outcome, Outcome::InForce);
        let (webhook, leftover) = (rotation.webhook.as_str(), rotation.leftover.as_slice());
        let view = RotatedView { webhook, secret, old_until: until, earlier_until: earlier, files, leftover, in_force };
        return Ok(json_lines([view])?);
    }
    let taken = match outcome {
        Outcome::InForce => "; the running process signs with it",
        Outcome::Waits => "; no shopbell runs here, the next start takes it",
        Outcome::Refused(_) => ", not in force yet",
    };
    writeln!(anstream::stdout(), "webhook {} has a new secret{taken}", rotation.webhook)?;
    let old = match &until {
        Some(until) => format!("signs beside it in webhook-signature until {until}"),
        None => "signs no longer".to_owned(),
    };
    Ok(pairs(&[
        ("secret", secret.unwrap_or("as you gave it").to_owned()),
        ("old secret", format!("{old}; X-WC-Webhook-Signature carries one signature, the new one's")),
        ("before it", if earlier.is_empty() { String::new() } else { format!("signs until {}", earlier.join(", ")) }),
        ("written", files.join(", ")),
        ("note", notes(rotation)),
        ("to do", to_do(until.as_deref())),
    ])?)
}

fn to_do(until: Option<&str>) -> String {
    let rest = "what it refuses until then is tried again, as `retry` says";
    match until {
        Some(until) => format!(
            "give the receiver the new secret: at once if it checks X-WC-Webhook-Signature, before {until} if it checks \
             webhook-signature; {rest}"
        ),
        None => format!("give the receiver the new secret at once; {rest}"),
    }
}

fn is_read_by_all(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).is_ok_and(|meta| meta.mode() & 0o004 != 0)
}

fn notes(rotation: &Rotation) -> String {
    let mut notes = Vec::new();
    match &rotation.origin {
        Origin::Literal | Origin::File(_) => {}
        Origin::Made => {
            notes.push("the secret that shopbell had made was not in the rules; the new one is".to_owned());
        }
        Origin::Key(key) => {
            notes.push(format!("it had the secret of [key.{key}], which stays what it is; now it has its own"));
        }
    }
    let moved = matches!(rotation.origin, Origin::Made | Origin::Key(_));
    if let Some(file) = rotation.rules_file().filter(|file| moved && is_read_by_all(file)) {
        notes.push(format!("{} can be read by everybody on this machine", file.display()));
    }
    if !rotation.leftover.is_empty() {
        notes.push(format!("no rule needs {} any more: remove it", rotation.leftover.join(", ")));
    }
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_secret_signs_on_for_7_days_at_most() {
        for (text, hours) in
            [("24h", Some(24)), ("0", Some(0)), ("0s", Some(0)), ("7d", Some(168)), ("169h", None), ("1", None)]
        {
            assert_eq!(parse_keep(text).ok(), hours.map(Duration::from_hours), "{text}");
        }
    }
}
