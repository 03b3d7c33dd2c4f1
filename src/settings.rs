//! Process settings: flags, `SHOPBELL_*` environment, `shopbell.toml`; the first that says something wins, in this order.
//!
//! Everything about events and webhooks is in the rules directory instead, where it can change without a restart.

mod file;
mod units;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::diagnostic::Diagnostic;
use file::read_file;
pub use units::amount;
pub use units::parse_time;
use units::{parse_budget, parse_retention};

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Flags of `shopbell run`, each with its environment variable. What is not given here comes from `--config`.
#[derive(Args, Clone, Debug, Default)]
pub struct RunArgs {
    /// Address visitors connect to [default: 127.0.0.1:8080]
    #[arg(long, env = "SHOPBELL_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// The shop: http://host:port or unix:/path
    #[arg(long, env = "SHOPBELL_UPSTREAM", value_name = "URL")]
    pub upstream: Option<String>,
    /// Directory with the rules files [default: rules]
    #[arg(long, env = "SHOPBELL_RULES", value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// Directory for the journal and the state, on a local disk [default: data]
    #[arg(long, env = "SHOPBELL_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Private or loopback range that deliveries may go to; may be given several times
    #[arg(long, env = "SHOPBELL_ALLOW_DELIVERY_TO", value_name = "CIDR", value_delimiter = ',')]
    pub allow_delivery_to: Vec<IpNet>,
    /// Peers whose X-Forwarded-* headers are believed; may be given several times
    #[arg(long, env = "SHOPBELL_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<IpNet>,
    /// Threads that forward traffic [default: one per processor]
    #[arg(long, env = "SHOPBELL_CORES", value_name = "N")]
    pub cores: Option<usize>,
    /// How long the shop may take until its answer begins [default: 60s]
    #[arg(long, env = "SHOPBELL_ANSWER_TIMEOUT", value_name = "TIME", value_parser = parse_time)]
    pub answer_timeout: Option<Duration>,
    /// How long open requests may take after SIGTERM [default: 30s]
    #[arg(long, env = "SHOPBELL_DRAIN", value_name = "TIME", value_parser = parse_time)]
    pub drain: Option<Duration>,
    /// Disk for the journal of events, such as 7GiB; full: the oldest go, delivered or not [default: 7GiB]
    #[arg(long, env = "SHOPBELL_EVENTS_BUDGET", value_name = "SIZE", value_parser = parse_budget)]
    pub events_budget: Option<u64>,
    /// Disk for the journal of attempts, outcomes and notices, such as 500MiB [default: 3GiB]
    #[arg(long, env = "SHOPBELL_LOG_BUDGET", value_name = "SIZE", value_parser = parse_budget)]
    pub log_budget: Option<u64>,
    /// How long both journals are kept, such as 12h or 30d; what is not yet delivered stays [default: 30d]
    #[arg(long, env = "SHOPBELL_RETENTION", value_name = "TIME", value_parser = parse_retention)]
    pub retention: Option<Duration>,
    /// How log lines are written [default: text]
    #[arg(long, env = "SHOPBELL_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Which log lines: error, warn, info, debug, or a filter such as shopbell::deliver=debug [default: info]
    #[arg(long, env = "SHOPBELL_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// File with these settings, each under its flag's name
    #[arg(long, env = "SHOPBELL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What a process runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address visitors connect to.
    pub listen: SocketAddr,
    /// The shop, as written.
    pub upstream: String,
    /// Directory with the rules files.
    pub rules: PathBuf,
    /// Directory for the journal and the state.
    pub data: PathBuf,
    /// Private ranges deliveries may go to.
    pub allow_delivery_to: Vec<IpNet>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads that forward traffic.
    pub cores: usize,
    /// Until the shop's answer begins.
    pub answer_timeout: Duration,
    /// For open requests after a stop was asked for.
    pub drain: Duration,
    /// Disk for the journal of events, in bytes.
    pub events_budget: u64,
    /// Disk for the log journal, in bytes.
    pub log_budget: u64,
    /// How long both journals are kept.
    pub retention: Duration,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which log lines.
    pub log: String,
}

impl Settings {
    /// The defaults for a shop, with its rules and data.
    pub fn new(upstream: impl Into<String>, rules: impl Into<PathBuf>, data: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            upstream: upstream.into(),
            rules: rules.into(),
            data: data.into(),
            allow_delivery_to: Vec::new(),
            trusted_proxies: Vec::new(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            answer_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            events_budget: 7 << 30,
            log_budget: 3 << 30,
            retention: Duration::from_hours(30 * 24),
            log_format: LogFormat::Text,
            log: "info".to_owned(),
        }
    }

    /// Flags and environment over the settings file over the defaults; all faults of the file at once.
    pub fn resolve(args: RunArgs) -> Result<Self, Vec<Diagnostic>> {
        let file = match &args.config {
            Some(path) => read_file(path)?,
            None => RunArgs::default(),
        };
        let Some(upstream) = args.upstream.or(file.upstream) else {
            let fault = Diagnostic::of_file("command line", "no shop is named: --upstream is missing");
            return Err(vec![fault.hint("say where the shop listens, such as --upstream http://127.0.0.1:8000")]);
        };
        let lists = |flags: Vec<IpNet>, file: Vec<IpNet>| if flags.is_empty() { file } else { flags };
        let rules = args.rules.or(file.rules).unwrap_or_else(|| "rules".into());
        let data = args.data.or(file.data).unwrap_or_else(|| "data".into());
        let default = Self::new(upstream, rules, data);
        Ok(Self {
            listen: args.listen.or(file.listen).unwrap_or(default.listen),
            allow_delivery_to: lists(args.allow_delivery_to, file.allow_delivery_to),
            trusted_proxies: lists(args.trusted_proxy, file.trusted_proxy),
            cores: args.cores.or(file.cores).unwrap_or(default.cores).clamp(1, MAX_CORES),
            answer_timeout: args.answer_timeout.or(file.answer_timeout).unwrap_or(default.answer_timeout),
            drain: args.drain.or(file.drain).unwrap_or(default.drain),
            events_budget: args.events_budget.or(file.events_budget).unwrap_or(default.events_budget),
            log_budget: args.log_budget.or(file.log_budget).unwrap_or(default.log_budget),
            retention: args.retention.or(file.retention).unwrap_or(default.retention),
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
            log: args.log.or(file.log).unwrap_or_else(|| default.log.clone()),
            ..default
        })
    }
}

/// Most threads that forward traffic.
const MAX_CORES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shopbell.toml");
        std::fs::write(
            &file,
            "upstream = \"http://127.0.0.1:1\"\ndrain = \"5s\"\nallow-delivery-to = [\"10.0.0.0/8\"]\n\
             events-budget = \"1GiB\"\nlog-budget = \"64MiB\"\nretention = \"7d\"\n",
        )
        .unwrap();
        let upstream = Some("http://127.0.0.1:2".into());
        let args = RunArgs { config: Some(file), upstream, log_budget: Some(128 << 20), ..RunArgs::default() };
        let settings = Settings::resolve(args).unwrap();
        assert_eq!((settings.upstream.as_str(), settings.drain), ("http://127.0.0.1:2", Duration::from_secs(5)));
        assert_eq!(settings.allow_delivery_to.len(), 1);
        let kept = (settings.events_budget, settings.log_budget, settings.retention);
        assert_eq!(kept, (1 << 30, 128 << 20, Duration::from_hours(7 * 24)));
        let missing = Settings::resolve(RunArgs::default()).unwrap_err();
        assert!(missing[0].to_string().contains("--upstream"), "{missing:?}");
    }
}
