//! Look-ups: GETs to the shop that complete a match. Bounded in time, size and number, never through the tap, no redirects,
//! Set-Cookie discarded. What they give goes back to the thread that derives; a failure leaves the match to its `else`.

mod access;
mod client;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, header};
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::clock::Clock;
use crate::exchange::{Exchange, Reading};
use crate::id::EventUid;
use crate::model::{Access, LookUp, NoticeKind, Pending, WaitsFor};
use crate::rules::{Note, Ruleset};

use super::counters::EngineCounters;
use super::notes::Notes;
use access::Accesses;
pub use client::{LookUpBody, LookUpClient};

/// Look-ups on their way at once: each takes one of the shop's workers.
const AT_ONCE: usize = 4;
/// Look-ups that may wait for their turn; further ones are left to their `else`, noted.
const WAITING: usize = 1_000;

/// The shop's answer to a look-up.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whose match.
    pub(super) uid: EventUid,
    /// Which of its waits.
    pub(super) place: u32,
    /// What came.
    pub(super) exchange: Exchange,
}

/// Makes look-ups; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LookUps(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: LookUpClient,
    clock: Clock,
    notes: Notes,
    counters: EngineCounters,
    answers: mpsc::Sender<Answer>,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    accesses: Accesses,
    /// Look-ups with a visitor's rights, until that visitor's next page, by session.
    visitors: Mutex<HashMap<String, Arc<Notify>>>,
}

/// Who asks: the host the visitor named, and the headers that carry their rights. In memory only.
#[derive(Clone, Debug, Default)]
pub(super) struct Asker {
    host: Option<http::HeaderValue>,
    rights: HeaderMap,
}

impl Asker {
    /// The visitor of an exchange, with the cookies its answer set.
    pub(super) fn of(reading: &Reading) -> Self {
        const RIGHTS: [HeaderName; 3] = [header::AUTHORIZATION, header::ACCEPT_LANGUAGE, header::USER_AGENT];
        let request = &reading.exchange().request;
        let kept = RIGHTS.iter().filter_map(|name| Some((name.clone(), request.headers.get(name)?.clone())));
        let mut rights: HeaderMap = kept.collect();
        let mut cookies = client::cookies_of(&request.headers);
        client::take_set_cookies(&mut cookies, reading.response_headers());
        if let Some(cookie) = client::cookie_header(&cookies) {
            rights.insert(header::COOKIE, cookie);
        }
        Self { host: request.headers.get(header::HOST).cloned(), rights }
    }
}

impl LookUps {
    pub(super) fn new(
        client: LookUpClient,
        clock: Clock,
        notes: Notes,
        counters: EngineCounters,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        let (turns, places) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(WAITING)));
        let (accesses, visitors) = (Accesses::default(), Mutex::default());
        Self(Arc::new(Shared { client, clock, notes, counters, answers, turns, places, accesses, visitors }))
    }

    /// Starts the look-ups a match waits for. `asker`: the visitor whose exchange matched; after a restart nobody is known,
    /// and look-ups as the visitor are left to their `else`.
    pub(super) fn start(&self, ruleset: &Arc<Ruleset>, pending: &Pending, asker: Option<&Asker>) {
        for wait in &pending.waits {
            let WaitsFor::LookUp(look_up) = &wait.waits_for else { continue };
            if look_up.access == Access::Visitor && asker.is_none() {
                continue;
            }
            let Ok(place) = Arc::clone(&self.0.places).try_acquire_owned() else {
                self.failed(&pending.rule, "too many look-ups were waiting");
                continue;
            };
            let (this, ruleset, look_up) = (self.clone(), Arc::clone(ruleset), look_up.clone());
            let (uid, rule, number) = (pending.uid, pending.rule.clone(), wait.place);
            let (session, asker) = (pending.session.clone(), asker.cloned().unwrap_or_default());
            let limit = wait.deadline.since(self.0.clock.now());
            tokio::spawn(async move {
                let asked = this.look_up(&ruleset, &look_up, &session, &asker);
                match tokio::time::timeout(limit, asked).await {
                    Ok(Ok(exchange)) => {
                        this.0.counters.look_ups.inc();
                        // The receiver is gone only when the process stops; the match survives that.
                        let _ = this.0.answers.send(Answer { uid, place: number, exchange }).await;
                    }
                    Ok(Err(why)) => this.failed(&rule, &why),
                    Err(_late) => this.failed(&rule, "the shop did not answer in time"),
                }
                drop(place);
            });
        }
    }

    /// The visitor has come by again: look-ups with their rights may run now.
    pub(super) fn came_by(&self, session: &str) {
        let visitors = self.0.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = visitors.get(session) {
            waiting.notify_waiters();
        }
    }

    /// Whether a look-up waits for any visitor to come by.
    pub(super) fn await_visitors(&self) -> bool {
        !self.0.visitors.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    async fn look_up(
        &self,
        ruleset: &Arc<Ruleset>,
        look_up: &LookUp,
        session: &str,
        asker: &Asker,
    ) -> Result<Exchange, String> {
        if look_up.access == Access::Visitor {
            self.next_page_of(session).await;
        }
        let _turn = self.0.turns.acquire().await.map_err(|_| "look-ups are stopping".to_owned())?;
        let shop = client::Shop { client: &self.0.client, clock: &self.0.clock, ruleset, host: asker.host.as_ref() };
        match &look_up.access {
            Access::None => shop.get(look_up, &serde_json::Map::new(), &HeaderMap::new()).await,
            Access::Visitor => shop.get(look_up, &serde_json::Map::new(), &asker.rights).await,
            Access::Named(name) => self.0.accesses.get(&shop, look_up, name).await,
        }
    }

    /// Until the visitor's next page, or [`LookUp::VISITOR_DELAY`]: a look-up before would eat one-time banners.
    async fn next_page_of(&self, session: &str) {
        let waiting = {
            let mut visitors = self.0.visitors.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(visitors.entry(session.to_owned()).or_default())
        };
        let _ = tokio::time::timeout(LookUp::VISITOR_DELAY, waiting.notified()).await;
        let mut visitors = self.0.visitors.lock().unwrap_or_else(PoisonError::into_inner);
        // The last of those that wait takes the entry out: the map's clone and this one.
        if Arc::strong_count(&waiting) <= 2 {
            visitors.remove(session);
        }
    }

    fn failed(&self, rule: &str, why: &str) {
        self.0.counters.look_ups_failed.inc();
        let text = format!("a look-up gave nothing, the rule's `else` decides: {why}");
        self.0.notes.take(NoticeKind::Rule, Note { rule: rule.to_owned(), text });
    }
}
