//! `status`: `302`, `"3xx"`, `"200-204"`, or a list of these.

use super::super::rule::StatusSet;
use super::loader::Loader;
use super::tree::{Node, Toml};

const HINT: &str = "write 302, \"3xx\", \"200-204\" or a list of these";

/// The set of statuses a value names.
pub(super) fn status(loader: &mut Loader, node: &Node) -> Option<StatusSet> {
    let ranges = match &node.toml {
        Toml::List(items) if !items.is_empty() => {
            let ranges: Vec<_> = items.iter().map(|item| range(loader, item)).collect();
            ranges.into_iter().collect::<Option<Vec<_>>>()?
        }
        _ => vec![range(loader, node)?],
    };
    Some(StatusSet { ranges })
}

fn range(loader: &mut Loader, node: &Node) -> Option<(u16, u16)> {
    let found = match &node.toml {
        Toml::Integer(Some(integer)) => u16::try_from(*integer).ok().map(|status| (status, status)),
        Toml::Text(text) => written(text.trim()),
        _ => {
            loader.wrong_type("status", "a status, a class or a list of these", node, Some(HINT.to_owned()));
            return None;
        }
    };
    let fits = found.filter(|(from, to)| from <= to && *from >= 100 && *to <= 999);
    if fits.is_none() {
        loader.report.error(node.at, format!("{} is no status", node.found()), HINT.to_owned());
    }
    fits
}

fn written(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| (text.len() == 3).then(|| text.parse::<u16>().ok()).flatten();
    if let Some(class) = text.strip_suffix("xx") {
        let class = class.parse::<u16>().ok().filter(|class| (1..=9).contains(class))?;
        return Some((class * 100, class * 100 + 99));
    }
    match text.split_once('-') {
        Some((from, to)) => Some((number(from.trim())?, number(to.trim())?)),
        None => number(text).map(|status| (status, status)),
    }
}

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn statuses_classes_and_ranges_are_read() {
        let rows = [
            ("3xx", Some((300, 399))),
            ("302", Some((302, 302))),
            ("200-204", Some((200, 204))),
            ("xx", None),
            ("33xx", None),
            ("0xx", None),
            ("20-204", None),
            ("ok", None),
        ];
        for (text, expected) in rows {
            assert_eq!(written(text), expected, "{text}");
        }
    }
}
