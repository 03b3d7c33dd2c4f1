//! What can be typed. Doc comments here are the help texts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use crate::settings::RunArgs;

use super::case::Seqs;
use super::delivery_args::{DeliveriesCommand, EraseArgs, LogArgs, RunsCommand};
use super::help;
use super::record::{parse_size, parse_time};
use super::rotate::parse_keep;

/// WooCommerce-style webhooks from any online shop.
///
/// shopbell stands in front of a shop as a reverse proxy, works out from its traffic what happened, by rules you write, and
/// delivers that as signed, retried webhooks. The shop needs no plug-in and no change.
#[derive(Debug, Parser)]
#[command(name = "shopbell", version, disable_help_subcommand = true, arg_required_else_help = true)]
#[command(after_help = help::SHOPBELL)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Stand in front of a shop: forward its traffic, derive events, deliver webhooks
    #[command(after_help = help::RUN)]
    Run(RunArgs),
    /// Find every fault of a rules directory, with its place and what to do
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Lay out a rules directory: a shop's pack, or a commented starter
    #[command(after_help = help::INIT)]
    Init(InitArgs),
    /// Write what passes through the running process to a file, without its secrets
    #[command(after_help = help::RECORD)]
    Record(RecordArgs),
    /// Show why exchanges of a recording gave the events they gave, and why others gave none
    #[command(after_help = help::EXPLAIN)]
    Explain(ExplainArgs),
    /// Make a case for `test` out of exchanges of a recording
    #[command(after_help = help::CASE)]
    Case(CaseArgs),
    /// Run the cases beside the rules and show what did not come as stated
    #[command(after_help = help::TEST)]
    Test(TestArgs),
    /// Print the JSON Schema of rules files, for editors
    #[command(after_help = help::SCHEMA)]
    Schema,
    /// Run a recording through rules and print the events as JSON lines
    #[command(after_help = help::REPLAY)]
    Replay(ReplayArgs),
    /// Propose rules for a recording, as a commented file to edit
    #[command(after_help = help::SUGGEST)]
    Suggest(SuggestArgs),
    /// Search events, delivery attempts, outcomes and notices, or follow them as they come
    Log(LogArgs),
    /// Look at deliveries, send one again, or all that fit
    Deliveries {
        #[command(subcommand)]
        command: DeliveriesCommand,
    },
    /// Look at the runs that send deliveries again, pause, resume or cancel them
    Runs {
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// Erase what is stored about one customer or one order
    Erase(EraseArgs),
    /// Look at webhooks, enable, disable, pause, resume or ping them, rotate their secrets
    Webhooks {
        #[command(subcommand)]
        command: WebhooksCommand,
    },
    /// Read the rules directory of the running process again, now
    Reload(Place),
    /// Show what the running process does
    Status(StatusArgs),
    /// See it all work: a shop, shopbell in front of it, a receiver behind it, and a few visitors
    Demo(DemoArgs),
}

/// Where the data of a process is.
#[derive(Args, Clone, Debug)]
pub(super) struct Place {
    /// Data directory of the process [its control socket is in it]
    #[arg(long, env = "SHOPBELL_DATA", value_name = "DIR", default_value = "data")]
    pub(super) data: PathBuf,
    /// Rules directory, needed only where no process runs
    #[arg(long, env = "SHOPBELL_RULES", value_name = "DIR", default_value = "rules")]
    pub(super) rules: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The rules directory
    #[arg(value_name = "DIR", default_value = "rules", conflicts_with = "rules")]
    dir: PathBuf,
    /// The same, as other commands take it
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Print one JSON object per fault instead
    #[arg(long)]
    pub(super) json: bool,
}

impl CheckArgs {
    /// The rules directory.
    pub(super) fn dir(&self) -> &Path {
        self.rules.as_deref().unwrap_or(&self.dir)
    }
}

#[derive(Args, Debug)]
pub(super) struct InitArgs {
    /// The shop whose rules to lay out, with their cases and manual; without it, a starter for any shop
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(super::init::names()))]
    pub(super) shop: Option<String>,
    /// The directory to make; it must be empty or not there yet
    #[arg(value_name = "DIR", default_value = "rules")]
    pub(super) dir: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct RecordArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// The new file
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Write a HAR file, as browsers do, instead of JSON lines
    #[arg(long)]
    pub(super) har: bool,
    /// End after this time: 30s, 10m, 2h
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub(super) time: Option<Duration>,
    /// End when the file is so large: 500KB, 50MB
    #[arg(long, value_name = "SIZE", default_value = "50MB", value_parser = parse_size)]
    pub(super) max: u64,
    /// Only such requests: 'POST /admin/**', '/cart*', POST; may be given several times
    #[arg(long = "match", value_name = "PATTERN")]
    pub(super) matches: Vec<String>,
    /// Pictures, scripts and styles too
    #[arg(long)]
    pub(super) files: bool,
    /// Keep cookies, passwords, tokens and card numbers as they are
    #[arg(long)]
    pub(super) raw: bool,
}

/// Exchanges in a file.
#[derive(Args, Debug)]
pub(super) struct RecordingArgs {
    /// A recording: JSON lines, a HAR file as browsers export it, or a case; `-` is stdin
    #[arg(value_name = "FILE", conflicts_with = "exchanges")]
    file: Option<PathBuf>,
    /// The same, as a flag
    #[arg(long, value_name = "FILE", hide = true)]
    exchanges: Option<PathBuf>,
}

impl RecordingArgs {
    /// Where it is, if one is named.
    pub(super) fn path(&self) -> Option<&Path> {
        self.file.as_deref().or(self.exchanges.as_deref())
    }
}

#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// The rules directory
    #[arg(long, env = "SHOPBELL_RULES", value_name = "DIR", default_value = "rules")]
    pub(super) rules: PathBuf,
    #[command(flatten)]
    pub(super) recording: RecordingArgs,
    #[command(flatten)]
    pub(super) live: LiveArgs,
    /// Only this exchange, counted from 0, with all there is to say; those before it are still remembered
    #[arg(long, value_name = "N")]
    pub(super) seq: Option<usize>,
    /// Only this rule
    #[arg(long, value_name = "NAME")]
    pub(super) rule: Option<String>,
    /// So many rules that nearly match
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(super) near: usize,
    /// Every exchange, and every rule whose path fits
    #[arg(long)]
    pub(super) all: bool,
    /// Print one JSON object per exchange instead, with everything in it
    #[arg(long)]
    pub(super) json: bool,
}

/// Exchanges of the running process.
#[derive(Args, Debug)]
pub(super) struct LiveArgs {
    /// The last exchanges of the running process that its rules cared about, held against --rules
    #[arg(long, conflicts_with_all = ["file", "exchanges"])]
    pub(super) live: bool,
    /// With --live: so many of them, 100 at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(super) last: usize,
    /// With --live: show secrets as they are
    #[arg(long, requires = "live")]
    pub(super) raw: bool,
    /// With --live: data directory of the process
    #[arg(long, env = "SHOPBELL_DATA", value_name = "DIR", default_value = "data")]
    pub(super) data: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct CaseArgs {
    #[command(flatten)]
    pub(super) recording: RecordingArgs,
    /// Only these exchanges, counted from 0: 12, 12-15, 12,17-19
    #[arg(long, value_name = "N", default_value = "", hide_default_value = true, value_parser = seqs)]
    pub(super) seq: Seqs,
    /// Write down what these rules make of it as what is expected
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Option<PathBuf>,
    /// Write to this new file instead of stdout, as a rule DIR/cases/NAME.txt
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Leave cookies, passwords and tokens as they are
    #[arg(long)]
    pub(super) raw: bool,
}

fn seqs(text: &str) -> Result<Seqs, String> {
    if text.is_empty() { Ok(Seqs::default()) } else { text.parse() }
}

#[derive(Args, Debug)]
pub(super) struct TestArgs {
    /// Rules directories, whose cases are cases/**/*.txt [default: rules]; any other word is the name of a case or part of it
    #[arg(value_name = "DIR|NAME")]
    pub(super) what: Vec<PathBuf>,
    /// A rules directory, as other commands take it
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Vec<PathBuf>,
    /// Write what came into the cases that fail, as what they expect
    #[arg(long)]
    pub(super) update: bool,
    /// Print one JSON object per case instead
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    /// The rules directory
    #[arg(long, env = "SHOPBELL_RULES", value_name = "DIR", default_value = "rules")]
    pub(super) rules: PathBuf,
    #[command(flatten)]
    pub(super) recording: RecordingArgs,
}

#[derive(Args, Debug)]
pub(super) struct SuggestArgs {
    #[command(flatten)]
    pub(super) recording: RecordingArgs,
    /// Write the rules to this new file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum WebhooksCommand {
    /// List all webhooks and how they do
    #[command(after_help = help::BACKLOG)]
    List(ListArgs),
    /// Show one webhook: its settings, its health, and the secret that was made for it
    #[command(after_help = help::BACKLOG)]
    Show(NamedArgs),
    /// Let it deliver again: what was held back goes out in order, at once also what waited for its next attempt
    Enable(NamedArgs),
    /// Stop it until it is enabled: events from now on pass it by
    Disable(NamedArgs),
    /// Stop it for a while: events pass it by, or are held with hold_when_paused
    Pause(NamedArgs),
    /// End a pause; what waits for its next attempt keeps its time
    Resume(NamedArgs),
    /// Send WooCommerce's ping now
    Ping(NamedArgs),
    /// Give it a new secret; the old one signs beside it for a while
    #[command(after_help = help::ROTATE)]
    Rotate(RotateArgs),
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// Print one JSON object a line instead
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct NamedArgs {
    /// NAME of its table, or its id
    #[arg(value_name = "NAME")]
    pub(super) which: String,
    #[command(flatten)]
    pub(super) place: Place,
    /// Print JSON instead
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct RotateArgs {
    #[command(flatten)]
    pub(super) named: NamedArgs,
    /// How long the old secret signs beside the new one: 0 (no longer) to 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_keep)]
    pub(super) keep: Duration,
    /// Take the new secret from standard input, instead of making a random one
    #[arg(long)]
    pub(super) stdin: bool,
}

#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// Print JSON instead
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// End after the scripted visit, with exit code 0 if everything arrived
    #[arg(long)]
    pub(super) once: bool,
    /// Keep rules and data in this directory instead of a temporary one
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// Address to open in a browser; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(super) listen: std::net::SocketAddr,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        <super::Cli as clap::CommandFactory>::command().debug_assert();
    }
}
