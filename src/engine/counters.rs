//! What the engine counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of the engine; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct EngineCounters {
    /// Exchanges taken over from the tap.
    pub exchanges: Counter,
    /// Events committed.
    pub events: Counter,
    /// Exchanges that passed unobserved because the queue was full.
    pub unobserved: Counter,
    /// Exchanges whose visitor was let go before their events were on disk.
    pub released_early: Counter,
    /// Exchanges whose evaluation panicked.
    pub panics: Counter,
    /// Commits that failed at first (each is tried again until it works).
    pub commit_retries: Counter,
    /// Notes about rules that were not kept because too many kinds were waiting.
    pub notes_dropped: Counter,
    /// Rules directories that took effect.
    pub reloads: Counter,
    /// Rules directories that did not.
    pub reloads_refused: Counter,
}

impl EngineCounters {
    /// Makes them known to `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("shopbell_engine");
        let mut add = |name, help, counter: &Counter| registry.register(name, help, counter.clone());
        add("exchanges", "Exchanges taken over from the tap", &self.exchanges);
        add("events", "Events committed", &self.events);
        add("unobserved", "Exchanges that passed unobserved because the queue was full", &self.unobserved);
        add("released_early", "Exchanges released before their events were on disk", &self.released_early);
        add("panics", "Exchanges whose evaluation panicked", &self.panics);
        add("commit_retries", "Commits that failed at first", &self.commit_retries);
        add("notes_dropped", "Notes about rules that were not kept", &self.notes_dropped);
        add("reloads", "Rules directories that took effect", &self.reloads);
        add("reloads_refused", "Rules directories that did not take effect", &self.reloads_refused);
    }
}
