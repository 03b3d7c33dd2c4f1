//! What the engine counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::model::NoticeKind;
use crate::rules::Note;

/// Counters of the engine; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct EngineCounters {
    /// Exchanges taken over from the tap.
    pub exchanges: Counter,
    /// Events committed.
    pub events: Counter,
    /// Exchanges that passed unobserved because the queue was full, or before the store could be opened.
    pub unobserved: Counter,
    /// Exchanges whose visitor was let go before their events were on disk.
    pub released_early: Counter,
    /// Exchanges whose evaluation panicked.
    pub panics: Counter,
    /// Commits that failed at first (each is tried again until it works).
    pub commit_retries: Counter,
    /// Notes about rules that were not kept because too many kinds were waiting.
    pub notes_dropped: Counter,
    /// Events given up at the end because the journal never took them.
    pub events_lost: Counter,
    /// Look-ups the shop answered.
    pub look_ups: Counter,
    /// Look-ups that gave nothing.
    pub look_ups_failed: Counter,
    /// Matches that began to wait.
    pub waits: Counter,
    /// Rules directories that took effect.
    pub reloads: Counter,
    /// Rules directories that did not.
    pub reloads_refused: Counter,
    /// Notes by what they are about and the rule they name, repeats and dropped ones included.
    notes: Family<NoteLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NoteLabels {
    kind: &'static str,
    rule: String,
}

impl EngineCounters {
    /// Makes them known to `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("shopbell_engine");
        let mut add = |name, help, counter: &Counter| registry.register(name, help, counter.clone());
        add("exchanges", "Exchanges taken over from the tap", &self.exchanges);
        add("events", "Events committed", &self.events);
        add(
            "unobserved",
            "Exchanges that passed unobserved: the queue was full, or the store not open yet",
            &self.unobserved,
        );
        add("released_early", "Exchanges released before their events were on disk", &self.released_early);
        add("panics", "Exchanges whose evaluation panicked", &self.panics);
        add("commit_retries", "Commits that failed at first", &self.commit_retries);
        add("notes_dropped", "Notes about rules that were not kept", &self.notes_dropped);
        add("events_lost", "Events given up at the end because the journal never took them", &self.events_lost);
        add("look_ups", "Look-ups the shop answered", &self.look_ups);
        add("look_ups_failed", "Look-ups that gave nothing", &self.look_ups_failed);
        add("waits", "Matches that began to wait", &self.waits);
        add("reloads", "Rules directories that took effect", &self.reloads);
        add("reloads_refused", "Rules directories that did not take effect", &self.reloads_refused);
        registry.register("notes", "Notes by what they are about and their rule", self.notes.clone());
    }

    /// Notes of this kind about this rule (empty: about none).
    pub fn notes(&self, kind: NoticeKind, rule: &str) -> u64 {
        self.notes.get_or_create(&labels(kind, rule)).get()
    }

    pub(super) fn count_note(&self, kind: NoticeKind, note: &Note) {
        self.notes.get_or_create(&labels(kind, &note.rule)).inc();
    }
}

fn labels(kind: NoticeKind, rule: &str) -> NoteLabels {
    let kind = match kind {
        NoticeKind::Process => "process",
        NoticeKind::Reload => "reload",
        NoticeKind::Webhook => "webhook",
        NoticeKind::Rule => "rule",
        NoticeKind::Released => "released",
        NoticeKind::Store => "store",
    };
    NoteLabels { kind, rule: rule.to_owned() }
}
