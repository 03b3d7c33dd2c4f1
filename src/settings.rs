//! Process settings: flags, `SHOPBELL_*` environment, `shopbell.toml`; the first that says something wins, in this order.
//!
//! Everything about events and webhooks is in the rules directory instead, where it can change without a restart.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use jiff::SignedDuration;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, nearest};

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
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
            log: args.log.or(file.log).unwrap_or_else(|| default.log.clone()),
            ..default
        })
    }
}

/// Most threads that forward traffic.
const MAX_CORES: usize = 256;

/// `30s`, `5m`, `1h 30m`: the error is for people.
fn parse_time(text: &str) -> Result<Duration, String> {
    let time = text.parse::<SignedDuration>().map_err(|_| ());
    let time = time.and_then(|time| Duration::try_from(time).map_err(|_| ()));
    time.map_err(|()| format!("`{text}` is no time: write a number with its unit, such as 30s, 5m or 1h"))
}

const KEYS: [&str; 11] = [
    "listen",
    "upstream",
    "rules",
    "data",
    "allow-delivery-to",
    "trusted-proxy",
    "cores",
    "answer-timeout",
    "drain",
    "log-format",
    "log",
];

fn read_file(path: &Path) -> Result<RunArgs, Vec<Diagnostic>> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Diagnostic::of_file(&name, format!("the settings file cannot be read: {error}"))])?;
    parse_file(&name, &text)
}

fn parse_file(name: &str, text: &str) -> Result<RunArgs, Vec<Diagnostic>> {
    let table = DeTable::parse(text).map_err(|error| {
        vec![Diagnostic::at(name, text, error.span().unwrap_or_default(), error.message().to_owned())]
    })?;
    let mut args = RunArgs::default();
    let mut faults = Vec::new();
    for (key, value) in table.get_ref() {
        if let Err((message, hint)) = set(&mut args, key.get_ref(), value.get_ref()) {
            let range = if KEYS.contains(&key.get_ref().as_ref()) { value.span() } else { key.span() };
            let fault = Diagnostic::at(name, text, range, message);
            faults.push(match hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            });
        }
    }
    if faults.is_empty() { Ok(args) } else { Err(faults) }
}

type Fault = (String, Option<String>);

fn set(args: &mut RunArgs, key: &str, value: &DeValue<'_>) -> Result<(), Fault> {
    match key {
        "listen" => args.listen = Some(parsed(value, "an address and a port, such as 127.0.0.1:8080")?),
        "upstream" => args.upstream = Some(text(value)?),
        "rules" => args.rules = Some(text(value)?.into()),
        "data" => args.data = Some(text(value)?.into()),
        "allow-delivery-to" => args.allow_delivery_to = ranges(value)?,
        "trusted-proxy" => args.trusted_proxy = ranges(value)?,
        "cores" => args.cores = Some(number(value)?),
        "answer-timeout" => args.answer_timeout = Some(time(value)?),
        "drain" => args.drain = Some(time(value)?),
        "log-format" => {
            let word = text(value)?;
            let format = LogFormat::from_str(&word, false);
            args.log_format =
                Some(format.map_err(|_| (format!("`{word}` is no log format"), Some("write text or json".into())))?);
        }
        "log" => args.log = Some(text(value)?),
        _ => {
            let hint = nearest(key, KEYS)
                .map_or_else(|| format!("known are {}", KEYS.join(", ")), |near| format!("did you mean `{near}`?"));
            return Err((format!("unknown setting `{key}`"), Some(hint)));
        }
    }
    Ok(())
}

fn text(value: &DeValue<'_>) -> Result<String, Fault> {
    value.as_str().map(str::to_owned).ok_or_else(|| (format!("must be a string, found {}", value.type_str()), None))
}

fn parsed<T: std::str::FromStr>(value: &DeValue<'_>, what: &str) -> Result<T, Fault> {
    let text = text(value)?;
    text.parse().map_err(|_| (format!("`{text}` is not {what}"), None))
}

fn number(value: &DeValue<'_>) -> Result<usize, Fault> {
    let number = value.as_integer().and_then(|number| number.as_str().parse().ok());
    number.ok_or_else(|| (format!("must be a whole number from 1 up, found {}", value.type_str()), None))
}

fn time(value: &DeValue<'_>) -> Result<Duration, Fault> {
    parse_time(&text(value)?).map_err(|message| (message, None))
}

fn ranges(value: &DeValue<'_>) -> Result<Vec<IpNet>, Fault> {
    const WHAT: &str = "an address range, such as 10.0.0.0/8 or 127.0.0.1/32";
    match value.as_array() {
        Some(list) => list.iter().map(|entry| parsed(entry.get_ref(), WHAT)).collect(),
        None => Ok(vec![parsed(value, WHAT)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_of_the_file_are_told_at_once() {
        let text = "listen = \"nowhere\"\nupstraem = \"http://127.0.0.1:1\"\ncores = \"two\"\ndrain = \"ten\"\n";
        let faults = parse_file("shopbell.toml", text).unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 4, "{told:#?}");
        assert!(told[0].starts_with("shopbell.toml:1:10: `nowhere` is not an address"), "{told:#?}");
        assert!(told[1].contains("did you mean `upstream`?"), "{told:#?}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("shopbell.toml");
        std::fs::write(
            &file,
            "upstream = \"http://127.0.0.1:1\"\ndrain = \"5s\"\nallow-delivery-to = [\"10.0.0.0/8\"]\n",
        )
        .unwrap();
        let args = RunArgs { config: Some(file), upstream: Some("http://127.0.0.1:2".into()), ..RunArgs::default() };
        let settings = Settings::resolve(args).unwrap();
        assert_eq!((settings.upstream.as_str(), settings.drain), ("http://127.0.0.1:2", Duration::from_secs(5)));
        assert_eq!(settings.allow_delivery_to.len(), 1);
        let missing = Settings::resolve(RunArgs::default()).unwrap_err();
        assert!(missing[0].to_string().contains("--upstream"), "{missing:?}");
    }
}
