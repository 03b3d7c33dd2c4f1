//! Forgetting in the state.

use super::scrub::{Scrub, identity, trimmed};
use crate::id::{Seq, WebhookId};
use crate::model::{Identity, Known, Pending, SessionMemory, Waiting, Write};
use crate::store::StoreError;
use crate::store::keys::{self, row};
use crate::store::rows;
use crate::store::state::{Fate, State};

/// What was forgotten, or would be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forgotten {
    pub(super) known: u64,
    pub(super) aliases: u64,
    pub(super) sessions: u64,
    pub(super) pendings: u64,
}

/// Looks at every row that may tell of somebody; forgets it unless this is only to count.
pub(super) fn forget(state: &State, scrub: &Scrub<'_>, only_count: bool) -> Result<Forgotten, StoreError> {
    let whom = scrub.whom;
    let known = |key: &[u8], value: &[u8]| {
        let known: Known = rows::decode(value)?;
        let texts = keys::texts(key).unwrap_or_default();
        Ok(match identity(&texts) {
            Some((resource, identity)) if whom.is(resource, &identity) => Fate::Gone,
            Some((resource, identity)) if whom.is_in_known(&known) => {
                let (resource, known) = (resource.to_owned(), Some(trimmed(&known)));
                Fate::Becomes(Box::new(Write::Known { resource, identity, known }))
            }
            None if whom.is_in_known(&known) => Fate::Gone,
            _ => Fate::Stays,
        })
    };
    let alias = |key: &[u8], value: &[u8]| {
        let id: String = rows::decode(value)?;
        let texts = keys::texts(key).unwrap_or_default();
        let (resource, value) = match texts.as_slice() {
            [resource, _, value] => (resource.as_str(), value.as_str()),
            _ => ("", ""),
        };
        Ok(Fate::gone_if(whom.has_alias(resource, value, Some(&id))))
    };
    let session = |_: &[u8], value: &[u8]| {
        let memory: SessionMemory = rows::decode(value)?;
        Ok(Fate::gone_if(whom.is_in_session(&memory)))
    };
    let once = |key: &[u8], _: &[u8]| {
        let texts = keys::texts(key).unwrap_or_default();
        Ok(Fate::gone_if(texts.get(1).is_some_and(|key| whom.stands_in_text(key))))
    };
    let pending = |_: &[u8], value: &[u8]| {
        let pending: Pending = rows::decode(value)?;
        Ok(Fate::gone_if(whom.is_in_pending(&pending)))
    };
    let place = |key: &[u8]| {
        let [webhook, event] = [keys::first_number(key), keys::last_number(key)].map(Option::unwrap_or_default);
        (WebhookId(webhook), Seq(event))
    };
    let waiting = |key: &[u8], value: &[u8]| {
        let ((webhook, event), mut waiting) = (place(key), rows::decode::<Waiting>(value)?);
        let changed = scrub.group(event, &mut waiting.group);
        Ok(Fate::becomes_if(changed, Write::Waiting { webhook, event, waiting: Some(waiting) }))
    };
    let deferred = |key: &[u8], value: &[u8]| {
        let ((webhook, event), mut group) = (place(key), rows::decode::<(String, Identity)>(value)?);
        let changed = scrub.group(event, &mut group);
        Ok(Fate::becomes_if(changed, Write::Deferred { webhook, event, group: Some(group) }))
    };
    let forgotten = Forgotten {
        known: state.sift(row::KNOWN, only_count, known)?,
        aliases: state.sift(row::ALIAS, only_count, alias)?,
        sessions: state.sift(row::SESSION, only_count, session)?,
        pendings: state.sift(row::PENDING, only_count, pending)?,
    };
    state.sift(row::ONCE, only_count, once)?;
    state.sift(row::WAITING, only_count, waiting)?;
    state.sift(row::DEFERRED, only_count, deferred)?;
    Ok(forgotten)
}
