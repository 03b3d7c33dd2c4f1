//! State with this exchange's own writes laid over it, which are noted as they are made.

use std::collections::HashMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use crate::model::{Identity, Known, Write};
use crate::rules::view::View;

/// The most a record of a known resource may take, in bytes, compressed; above it only id and dates are kept.
const MAX_KNOWN_BYTES: usize = 8 * 1024;

/// Records above this many bytes of JSON are not tried: nothing a shop sends compresses a thousandfold.
const MAX_TRIED_BYTES: usize = 8 * 1024 * 1024;

/// A [`View`] that remembers what was put into it.
pub(super) struct Overlay<'a> {
    view: &'a dyn View,
    /// Where among the writes the last one of a resource stands.
    known: HashMap<(String, Identity), usize>,
    aliases: HashMap<(String, String, String), String>,
    writes: Vec<Write>,
}

impl<'a> Overlay<'a> {
    pub(super) fn new(view: &'a dyn View) -> Self {
        Self { view, known: HashMap::new(), aliases: HashMap::new(), writes: Vec::new() }
    }

    pub(super) fn known(&self, resource: &str, identity: &Identity) -> Option<Known> {
        match self.known.get(&(resource.to_owned(), identity.clone())) {
            Some(at) => match self.writes.get(*at) {
                Some(Write::Known { known, .. }) => known.clone(),
                _ => None,
            },
            None => self.view.known(resource, identity),
        }
    }

    pub(super) fn id_of(&self, resource: &str, name: &str, folded: &str) -> Option<String> {
        let own = self.aliases.get(&(resource.to_owned(), name.to_owned(), folded.to_owned()));
        own.cloned().or_else(|| self.view.id_of(resource, name, folded))
    }

    /// Remembers a resource; gives whether fields were dropped, as they are larger than a record may be.
    pub(super) fn put_known(&mut self, resource: &str, identity: &Identity, mut known: Known) -> bool {
        let large = !fits(&known);
        if large {
            known.fields.clear();
            known.facts.clear();
        }
        known.trimmed |= large;
        self.put(resource, identity, Some(known));
        large
    }

    pub(super) fn forget_known(&mut self, resource: &str, identity: &Identity) {
        self.put(resource, identity, None);
    }

    fn put(&mut self, resource: &str, identity: &Identity, known: Option<Known>) {
        self.known.insert((resource.to_owned(), identity.clone()), self.writes.len());
        self.writes.push(Write::Known { resource: resource.to_owned(), identity: identity.clone(), known });
    }

    pub(super) fn put_alias(&mut self, resource: &str, name: &str, folded: &str, id: &str) {
        let (resource, name, value) = (resource.to_owned(), name.to_owned(), folded.to_owned());
        self.aliases.insert((resource.clone(), name.clone(), value.clone()), id.to_owned());
        self.writes.push(Write::Alias { resource, name, value, id: Some(id.to_owned()) });
    }

    /// As it was before the exchange.
    pub(super) fn before(&self) -> &'a dyn View {
        self.view
    }

    /// A `once` key is used up.
    pub(super) fn put_once(&mut self, rule: &str, key: &str, until: crate::model::Timestamp) {
        let (rule, key) = (rule.to_owned(), key.to_owned());
        self.writes.push(Write::Once { rule, key, until: Some(until) });
    }

    pub(super) fn into_writes(self) -> Vec<Write> {
        self.writes
    }
}

fn fits(known: &Known) -> bool {
    let Ok(json) = serde_json::to_vec(&(&known.fields, &known.facts)) else { return false };
    if json.len() <= MAX_KNOWN_BYTES || json.len() > MAX_TRIED_BYTES {
        return json.len() <= MAX_KNOWN_BYTES;
    }
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(MAX_KNOWN_BYTES), Compression::fast());
    encoder.write_all(&json).and_then(|()| encoder.finish()).is_ok_and(|bytes| bytes.len() <= MAX_KNOWN_BYTES)
}
