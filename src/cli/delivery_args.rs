//! What can be typed about the log, deliveries, runs and erasing. Doc comments here are the help texts.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::args::Place;

/// What narrows the log down.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Narrow {
    /// Only this webhook, by name or id
    #[arg(long, value_name = "NAME")]
    pub(super) webhook: Option<String>,
    /// Only this topic; `*` stands for anything (order.*)
    #[arg(long)]
    pub(super) topic: Option<String>,
    /// Only this resource: order, product, customer …
    #[arg(long, value_name = "WORD")]
    pub(super) resource: Option<String>,
    /// Only this resource id
    #[arg(long)]
    pub(super) id: Option<String>,
    /// Only what holds these words
    #[arg(long)]
    pub(super) text: Option<String>,
    /// Only what is so new: 15m, 2h, 3d, 2026-11-03, or 2026-11-03T16:07:00Z
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Only what is older than this
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
}

impl Narrow {
    /// As pairs of a query; what is not given is left out.
    pub(super) fn pairs(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("webhook", &self.webhook),
            ("topic", &self.topic),
            ("resource", &self.resource),
            ("id", &self.id),
            ("text", &self.text),
            ("since", &self.since),
            ("until", &self.until),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

#[derive(Args, Debug)]
pub(super) struct LogArgs {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) narrow: Narrow,
    /// Only these kinds: event, attempt, outcome, notice
    #[arg(long, value_delimiter = ',')]
    pub(super) kind: Vec<String>,
    /// Only attempts and outcomes that went well (delivered), or that did not (failed)
    #[arg(long, value_name = "STATE")]
    pub(super) state: Option<String>,
    /// Only attempts with this status code: 404, or 5xx
    #[arg(long, value_name = "CODE")]
    pub(super) status: Option<String>,
    /// Only the delivery with this id
    #[arg(long, value_name = "ID")]
    pub(super) delivery: Option<String>,
    /// At most so many lines
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) limit: u32,
    /// Go on with what comes, until interrupted
    #[arg(long)]
    pub(super) follow: bool,
    /// Print one JSON object a line instead
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeliveriesCommand {
    /// List the newest deliveries and what became of them, also those not tried yet
    List(DeliveriesArgs),
    /// Tell the whole story of one delivery
    Show(DeliveryArgs),
    /// Send one delivery again: under its id if it had failed, under a new one if it had been delivered; one not ended is
    /// made due now
    Replay(DeliveryArgs),
    /// Send all deliveries again that fit, in the background
    Recover(RecoverArgs),
}

/// How deliveries of a list stand.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StandingWord {
    /// Never tried
    Queued,
    /// Tried, and tried again when due
    Waiting,
    /// Not ended yet: both of these
    Held,
    /// The receiver took it
    Delivered,
    /// Given up, dropped or cancelled
    Failed,
    /// All of them
    Any,
}

impl StandingWord {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Any => "any",
        }
    }
}

/// Which deliveries are sent again.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StateWord {
    /// Given up, dropped or cancelled
    Failed,
    /// The receiver took it
    Delivered,
    /// Not ended yet
    Held,
    /// All of them
    Any,
}

impl StateWord {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delivered => "delivered",
            Self::Held => "held",
            Self::Any => "any",
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct DeliveriesArgs {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(flatten)]
    pub(super) narrow: Narrow,
    /// How they stand
    #[arg(long, value_enum, default_value = "any")]
    pub(super) state: StandingWord,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) limit: u32,
    /// Print one JSON object a line instead
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct DeliveryArgs {
    /// Its id, or EVENT:WEBHOOK (the event's sequence, and name or id of the webhook)
    #[arg(value_name = "ID")]
    pub(super) which: String,
    #[command(flatten)]
    pub(super) place: Place,
    /// Print JSON instead
    #[arg(long)]
    pub(super) json: bool,
}

/// What happens before something is done to many things.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Sure {
    /// Only count
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(super) yes: bool,
}

#[derive(Args, Debug)]
pub(super) struct RecoverArgs {
    /// The webhook, by name or id
    #[arg(long, value_name = "NAME")]
    pub(super) webhook: String,
    /// In which state they are
    #[arg(long, value_enum, default_value = "failed")]
    pub(super) state: StateWord,
    /// Only this topic; `*` stands for anything (order.*)
    #[arg(long)]
    pub(super) topic: Option<String>,
    /// Only events so new: 15m, 2h, 3d, 2026-11-03, or 2026-11-03T16:07:00Z
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Only events older than this
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    /// Only events that hold these words
    #[arg(long)]
    pub(super) text: Option<String>,
    /// So many a second at most, as in 50/s [default: as fast as the webhook's own limits let them]
    #[arg(long, value_name = "RATE")]
    pub(super) rate: Option<String>,
    /// Only the newest event of each resource; one whose newest event was delivered is left out
    #[arg(long)]
    pub(super) latest: bool,
    #[command(flatten)]
    pub(super) sure: Sure,
    #[command(flatten)]
    pub(super) place: Place,
    /// Print JSON instead
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum RunsCommand {
    /// List all runs and how far they are
    List(super::args::ListArgs),
    /// Show one run
    Show(OneRunArgs),
    /// Stop it for a while; what is on its way comes home
    Pause(OneRunArgs),
    /// Let it go on
    Resume(OneRunArgs),
    /// End it for good
    Cancel(OneRunArgs),
}

#[derive(Args, Debug)]
pub(super) struct OneRunArgs {
    /// Its number, as `runs list` tells it
    #[arg(value_name = "RUN")]
    pub(super) run: u32,
    #[command(flatten)]
    pub(super) place: Place,
    /// Print JSON instead
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("whom").required(true))]
pub(super) struct EraseArgs {
    /// The customer: an id, or a key such as the e-mail address
    #[arg(long, value_name = "KEY_OR_ID", group = "whom")]
    pub(super) customer: Option<String>,
    /// The order: an id, or a key such as the order number
    #[arg(long, value_name = "KEY_OR_ID", group = "whom")]
    pub(super) order: Option<String>,
    #[command(flatten)]
    pub(super) sure: Sure,
    #[command(flatten)]
    pub(super) place: Place,
    /// Print JSON instead
    #[arg(long)]
    pub(super) json: bool,
}
