//! The settings file: TOML, each setting under its flag's name.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use toml::de::{DeTable, DeValue};

use super::units::{parse_budget, parse_retention, parse_time};
use super::{LogFormat, RunArgs};
use crate::diagnostic::{Diagnostic, nearest};

/// Settings a file may hold.
const KEYS: [&str; 14] = [
    "listen",
    "upstream",
    "rules",
    "data",
    "allow-delivery-to",
    "trusted-proxy",
    "cores",
    "answer-timeout",
    "drain",
    "events-budget",
    "log-budget",
    "retention",
    "log-format",
    "log",
];

/// Reads the settings file; all faults at once.
pub(super) fn read_file(path: &Path) -> Result<RunArgs, Vec<Diagnostic>> {
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
        "events-budget" => args.events_budget = Some(with(value, parse_budget)?),
        "log-budget" => args.log_budget = Some(with(value, parse_budget)?),
        "retention" => args.retention = Some(with(value, parse_retention)?),
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
    with(value, parse_time)
}

/// What a flag's own reader makes of it.
fn with<T>(value: &DeValue<'_>, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Fault> {
    parse(&text(value)?).map_err(|message| (message, None))
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
}
