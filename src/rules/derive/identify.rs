//! Which resource a candidate means: its id, completed by natural keys, and what is known of it.

use super::candidate::{Candidate, Key};
use super::lessons::number;
use super::merge::laid_over;
use super::notes::Notes;
use super::overlay::Overlay;
use super::settle::{Learnt, Settle};
use crate::model::{Identity, Known, Timestamp};

/// A resource that has been identified.
pub(super) struct Found {
    pub(super) id: Option<String>,
    /// What it is remembered by, and what its deliveries are ordered by.
    pub(super) identity: Identity,
    pub(super) known: Option<Known>,
}

impl Settle<'_> {
    /// Completes the id by the keys, and learns the keys of the id.
    pub(super) fn identify(&mut self, candidate: &Candidate, notes: &mut Notes) -> Found {
        let id = candidate.id.clone().or_else(|| self.known_by_key(candidate, notes));
        let Some(id) = id else {
            let identity = candidate.keys.first().map_or(Identity::None, key_identity);
            let known = self.known_under_keys(candidate);
            return Found { id: None, identity, known };
        };
        let identity = Identity::Id(id.clone());
        // An action that states no resource says nothing about what its keys stand for.
        if !candidate.topic.is_action() || candidate.origin.stated {
            self.learn(candidate, &id, notes);
        }
        let known = self.state.known(&candidate.resource, &identity);
        Found { id: Some(id), identity, known }
    }

    /// The id that the first known key stands for. A `created` takes only one that came into sight after its exchange
    /// began: any other is that of an older thing. Ids that are no integers have no order to tell by.
    fn known_by_key(&self, candidate: &Candidate, notes: &mut Notes) -> Option<String> {
        let resource = &candidate.resource;
        let ids = candidate.keys.iter().filter_map(|key| {
            let id = self.state.id_of(resource, &key.name, &key.folded)?;
            let takes = || number(&id).is_some() && self.is_fresh(resource, &id, candidate.origin.at);
            (!candidate.is_created() || takes()).then_some((key, id))
        });
        let ids: Vec<_> = ids.collect();
        let (first, id) = ids.first()?;
        if let Some((other, _)) = ids.iter().find(|(_, other)| other != id) {
            let text = format!(
                "keys disagree: {} and {} stand for different {}s; the first counts",
                first.name, other.name, candidate.resource
            );
            notes.add(&candidate.origin.rule, text);
        }
        Some(id.clone())
    }

    fn known_under_keys(&self, candidate: &Candidate) -> Option<Known> {
        candidate.keys.iter().find_map(|key| self.state.known(&candidate.resource, &key_identity(key)))
    }

    /// Every key stands for the id from here on; what was known by a key alone is merged into what the id knows. Where only
    /// a key told the id, those that disagree with it stay what they were.
    fn learn(&mut self, candidate: &Candidate, id: &str, notes: &mut Notes) {
        let resource = candidate.resource.as_str();
        let told = candidate.id.is_some() || candidate.is_created();
        for key in &candidate.keys {
            let before = self.state.id_of(resource, &key.name, &key.folded);
            let other = before.clone().filter(|before| before != id);
            let stands_for_another = other.is_some_and(|other| is_alive(&self.state, resource, other));
            if stands_for_another && !told {
                continue;
            }
            if before.as_deref() != Some(id) && !self.is_older(resource, key, before.as_deref(), id) {
                // Several things under one key on one page are no surprise.
                let here = before.as_deref().is_some_and(|before| self.saw(resource, key, before));
                if !here && stands_for_another {
                    let text =
                        format!("key {} stood for another {resource}; it stands for the newer one now", key.name);
                    notes.add(&candidate.origin.rule, text);
                }
                self.state.put_alias(resource, &key.name, &key.folded, id);
            }
            self.absorb(resource, key, id);
        }
    }

    /// What was known by a key alone is merged into what the id knows.
    pub(super) fn absorb(&mut self, resource: &str, key: &Key, id: &str) {
        self.learnt.push(Learnt { resource: resource.to_owned(), key: key.clone(), id: id.to_owned() });
        let (identity, by_key) = (Identity::Id(id.to_owned()), key_identity(key));
        let Some(known) = self.state.known(resource, &by_key) else { return };
        let merged = match self.state.known(resource, &identity) {
            Some(own) => merged(own, known),
            None => known,
        };
        self.state.put_known(resource, &identity, merged);
        self.state.forget_known(resource, &by_key);
    }

    /// Whether an id came into sight after `at` and no event told of it yet.
    pub(super) fn is_fresh(&self, resource: &str, id: &str, at: Timestamp) -> bool {
        match self.state.before().known(resource, &Identity::Id(id.to_owned())) {
            None => true,
            Some(known) => known.learnt && known.seen > at,
        }
    }
}

pub(super) fn key_identity(key: &Key) -> Identity {
    Identity::Key { name: key.name.clone(), value: key.folded.clone() }
}

fn is_alive(state: &Overlay<'_>, resource: &str, id: String) -> bool {
    state.known(resource, &Identity::Id(id)).is_some_and(|known| !known.deleted)
}

/// Two records of one resource: the later one laid over the earlier.
fn merged(a: Known, b: Known) -> Known {
    let (earlier, later) = if a.modified <= b.modified { (a, b) } else { (b, a) };
    Known {
        fields: laid_over(later.fields, &earlier.fields),
        facts: laid_over(later.facts, &earlier.facts),
        created: earlier.created.min(later.created),
        modified: later.modified,
        deleted: later.deleted,
        trimmed: earlier.trimmed || later.trimmed,
        seen: earlier.seen.min(later.seen),
        learnt: earlier.learnt && later.learnt,
    }
}
