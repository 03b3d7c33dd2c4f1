//! The tables of all files, sorted by kind; NAME is unique within its kind over all files.

use std::collections::HashMap;

use super::loader::{Keys, Loader};
use super::report::At;
use super::tree::{Entry, Table, Toml};

const KEYS: Keys = Keys {
    known: &["shop", "session", "flash", "vars", "event", "learn", "part", "access", "webhook", "key"],
    later: &[],
};

/// Most characters of a NAME.
const NAME_CHARS: usize = 100;

/// What the files hold, in the order of files and of places.
#[derive(Debug, Default)]
pub(super) struct Gathered<'t> {
    /// `[shop]`.
    pub(super) shop: Option<&'t Entry>,
    /// `[session]`.
    pub(super) session: Option<&'t Entry>,
    /// `[flash]`.
    pub(super) flash: Option<&'t Entry>,
    /// Entries of `[vars]`.
    pub(super) vars: Vec<&'t Entry>,
    /// `[event.NAME]`.
    pub(super) events: Vec<&'t Entry>,
    /// `[learn.NAME]`.
    pub(super) learns: Vec<&'t Entry>,
    /// `[access.NAME]`.
    pub(super) access: Vec<&'t Entry>,
    /// `[part.NAME]`.
    pub(super) parts: Vec<&'t Entry>,
    /// `[webhook.NAME]`.
    pub(super) webhooks: Vec<&'t Entry>,
    /// `[key.NAME]`.
    pub(super) keys: Vec<&'t Entry>,
}

/// Sorts the top tables of all files.
pub(super) fn gather<'t>(loader: &mut Loader, files: &'t [Table]) -> Gathered<'t> {
    let mut gathered = Gathered::default();
    let mut singles: HashMap<&str, At> = HashMap::new();
    for top in files.iter().flat_map(|file| &file.entries) {
        match top.key.as_str() {
            "shop" | "session" | "flash" => {
                let first = singles.entry(top.key.as_str()).or_insert(top.at);
                if *first != top.at {
                    let place = loader.report.place(*first);
                    let hint = "it stands once over all files: join the two".to_owned();
                    loader.report.error(top.at, format!("[{}] stands in {place} already", top.key), hint);
                }
                match top.key.as_str() {
                    "shop" => gathered.shop = gathered.shop.or(Some(top)),
                    "session" => gathered.session = gathered.session.or(Some(top)),
                    "flash" => gathered.flash = gathered.flash.or(Some(top)),
                    _ => loader.not_yet(top.at, &format!("[{}]", top.key)),
                }
            }
            "vars" => gathered.vars.extend(named(loader, top, false)),
            "event" => gathered.events.extend(named(loader, top, true)),
            "part" => gathered.parts.extend(named(loader, top, true)),
            "webhook" => gathered.webhooks.extend(named(loader, top, true)),
            "key" => gathered.keys.extend(named(loader, top, true)),
            "learn" => gathered.learns.extend(named(loader, top, true)),
            "access" => gathered.access.extend(named(loader, top, true)),
            _ => loader.unknown(top, KEYS, "a rules file"),
        }
    }
    let kinds: [(&str, &Vec<&Entry>); 7] = [
        ("variable", &gathered.vars),
        ("event", &gathered.events),
        ("learn rule", &gathered.learns),
        ("access", &gathered.access),
        ("part", &gathered.parts),
        ("webhook", &gathered.webhooks),
        ("key", &gathered.keys),
    ];
    for (kind, entries) in kinds {
        unique(loader, kind, entries);
    }
    gathered
}

/// The entries below `[event]` and its like.
fn named<'t>(loader: &mut Loader, top: &'t Entry, tables: bool) -> Vec<&'t Entry> {
    let kind = &top.key;
    let Some(table) = top.node.table() else {
        let list = matches!(top.node.toml, Toml::List(_));
        let hint = if list { format!("write one bracket: [{kind}.NAME]") } else { format!("write [{kind}.NAME]") };
        loader.report.error(top.at, format!("`{kind}` must be a table"), hint);
        return Vec::new();
    };
    for entry in &table.entries {
        let visible = !entry.key.trim().is_empty() && !entry.key.chars().any(char::is_control);
        if !visible || entry.key.chars().count() > NAME_CHARS {
            let hint = format!("a name has 1 to {NAME_CHARS} visible characters");
            loader.report.error(entry.at, "this is no name", hint);
        }
        if tables && entry.node.table().is_none() {
            let hint = format!("give the table a name of its own: [{kind}.NAME]");
            loader.report.error(entry.at, format!("`{}` stands in no named table", entry.key), hint);
        }
    }
    table.entries.iter().filter(|entry| !tables || entry.node.table().is_some()).collect()
}

fn unique(loader: &mut Loader, kind: &str, entries: &[&Entry]) {
    let mut first: HashMap<&str, At> = HashMap::new();
    for entry in entries {
        let seen = *first.entry(entry.key.as_str()).or_insert(entry.at);
        if seen == entry.at {
            continue;
        }
        let place = loader.report.place(seen);
        let hint = match kind {
            "variable" => "one value for all files; [shop.vars] overrides it for this shop".to_owned(),
            _ => "give one of them another name".to_owned(),
        };
        loader.report.error(entry.at, format!("the {kind} `{}` stands in {place} already", entry.key), hint);
    }
}
