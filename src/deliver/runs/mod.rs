//! Runs: deliveries sent again in the background, one by one or all that fit, durable, with no cap on their number.
//!
//! | file | role |
//! |---|---|
//! | `select.rs` | which events fit, and what people are told before |
//! | `tally.rs`, `seq_set.rs` | what became of a webhook's deliveries so far |
//! | `drive.rs` | one run at work |
//!
//! A replay is an attempt outside the webhook's cursor: it obeys the webhook's concurrency, rate and breaker and moves no
//! bookkeeping of order. A failed delivery goes out again under its id; one that had been delivered gets a new one, made with
//! the run's number as its replay number, and names the old one in `X-Webhook-Replay-Of`. A delivery that the webhook's own
//! queue still owes is not sent beside it but made due there.

mod drive;
mod select;
mod seq_set;
mod tally;

use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, JoinSet};

use super::scheduler::Command;
use crate::clock::{Clock, Timestamp};
use crate::model::record::LogEntry;
use crate::model::{Notice, NoticeKind, Progress, Run, RunState, Selection, Write};
use crate::store::{Store, StoreError};
use drive::Means;

pub use select::{Plan, plan};

/// Runs at work at once; more are refused.
const RUNNING_MAX: usize = 16;

/// Runs kept to be looked at; the oldest that are over leave.
const KEPT_MAX: usize = 200;

/// Pause before a run goes on that the store has stopped.
const STORE_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

/// What people ask about runs.
#[derive(Debug)]
pub(super) enum Ask {
    Make { selection: Box<Selection>, rate: Option<u32>, actor: String, reply: Answer },
    Tell { id: u32, state: RunState, actor: String, reply: Answer },
}

pub(super) type Answer = oneshot::Sender<Result<Run, String>>;

/// Keeps all runs until `shutdown` shows `true` or its sender is gone.
pub(super) async fn keep(
    store: Store,
    commands: mpsc::Sender<Command>,
    clock: Clock,
    mut inbox: mpsc::Receiver<Ask>,
    mut shutdown: watch::Receiver<bool>,
) {
    let means = Means { store, commands, clock };
    let mut keeper = Keeper { means, running: JoinSet::new(), ids: HashMap::new(), controls: HashMap::new() };
    keeper.go_on().await;
    loop {
        tokio::select! {
            () = async { _ = shutdown.wait_for(|stop| *stop).await } => break,
            Some(ask) = inbox.recv() => keeper.obey(ask).await,
            Some(ended) = keeper.running.join_next_with_id(), if !keeper.running.is_empty() => keeper.ended(ended),
        }
    }
    drop(inbox);
    for control in keeper.controls.values() {
        control.send_replace(None);
    }
    while keeper.running.join_next().await.is_some() {}
}

struct Keeper {
    means: Means,
    running: JoinSet<Result<Run, StoreError>>,
    ids: HashMap<task::Id, u32>,
    controls: HashMap<u32, watch::Sender<Option<RunState>>>,
}

impl Keeper {
    /// Takes up what the last process left.
    async fn go_on(&mut self) {
        match self.means.store.runs().await {
            Ok((runs, _)) => {
                for run in runs.into_iter().filter(|run| run.state == RunState::Running) {
                    self.start(run);
                }
            }
            Err(error) => tracing::error!(%error, "runs cannot be read; they go on after the next start"),
        }
    }

    fn start(&mut self, run: Run) {
        let (control, told) = watch::channel(Some(RunState::Running));
        let (id, means) = (run.id, self.means.clone());
        let task = self.running.spawn(async move {
            loop {
                match drive::drive(means.clone(), run.clone(), told.clone()).await {
                    Ok(run) => return Ok(run),
                    // It begins again at what the state and the log say, under the same ids.
                    Err(error) if *told.borrow() == Some(RunState::Running) => {
                        tracing::error!(run = run.id, %error, "the store failed under a run; it goes on a little later");
                        tokio::time::sleep(STORE_PAUSE).await;
                    }
                    Err(error) => return Err(error),
                }
            }
        });
        self.ids.insert(task.id(), id);
        self.controls.insert(id, control);
    }

    fn ended(&mut self, ended: Result<(task::Id, Result<Run, StoreError>), task::JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        if let Some(run) = self.ids.remove(&id) {
            self.controls.remove(&run);
        }
        match ended {
            // Resumed while it was coming to rest.
            Ok((_, Ok(run))) if run.state == RunState::Running => self.start(run),
            Ok((_, Ok(_))) => {}
            Ok((_, Err(error))) => tracing::error!(%error, "a run could not write where it stands"),
            Err(error) => tracing::error!(%error, "a run panicked; it goes on after the next start"),
        }
    }

    async fn obey(&mut self, ask: Ask) {
        // A caller that has gone needs no answer.
        match ask {
            Ask::Make { selection, rate, actor, reply } => {
                _ = reply.send(self.make(*selection, rate, actor).await);
            }
            Ask::Tell { id, state, actor, reply } => _ = reply.send(self.tell(id, state, &actor).await),
        }
    }

    async fn make(&mut self, selection: Selection, rate: Option<u32>, actor: String) -> Result<Run, String> {
        let store = &self.means.store;
        if self.controls.len() >= RUNNING_MAX {
            return Err(format!("{RUNNING_MAX} runs are at work already: wait for one, or cancel one"));
        }
        let (end, log_end) = (*store.head().borrow(), *store.log_head().borrow());
        let matched = plan(store, &selection).await.map_err(|error| error.to_string())?.count;
        let (kept, id) = store.runs().await.map_err(|error| error.to_string())?;
        let run = Run {
            id,
            created: self.means.clock.now(),
            actor,
            selection,
            rate,
            state: RunState::Running,
            next: crate::id::Seq(1),
            end,
            log_end,
            progress: Progress { matched, ..Progress::default() },
            ended: None,
        };
        let over = kept.iter().filter(|run| run.state.is_over()).map(|run| run.id);
        let spare = (kept.len() + 1).saturating_sub(KEPT_MAX);
        let mut writes: Vec<Write> = over.take(spare).map(|id| Write::Run { id, run: None }).collect();
        writes.push(Write::Run { id, run: Some(Box::new(run.clone())) });
        let text = format!("it sends {} again ({})", deliveries(matched), run.selection.state.as_str());
        let entry = LogEntry::Notice(notice(run.created, &run, &text));
        store.log(vec![entry], writes).await.map_err(|error| error.to_string())?;
        self.start(run.clone());
        Ok(run)
    }

    async fn tell(&mut self, id: u32, state: RunState, actor: &str) -> Result<Run, String> {
        let (runs, _) = self.means.store.runs().await.map_err(|error| error.to_string())?;
        let run = runs.into_iter().find(|run| run.id == id);
        let mut run = run.ok_or_else(|| format!("there is no run {id}; `runs list` shows those there are"))?;
        // What a run at work was told last is not in state yet.
        let told = self.controls.get(&id).and_then(|control| *control.borrow());
        if !run.state.is_over() {
            run.state = told.unwrap_or(run.state);
        }
        if run.state == state {
            return Ok(run);
        }
        if run.state.is_over() {
            return Err(format!("run {id} is {} already", run.state.as_str()));
        }
        let now = self.means.clock.now();
        let text = format!("set to {} by {actor}", state.as_str());
        let mut entries = vec![LogEntry::Notice(notice(now, &run, &text))];
        if let Some(control) = self.controls.get(&id) {
            // It writes its state itself, once what is on its way is home.
            control.send_replace(Some(state));
            self.means.store.log(entries, Vec::new()).await.map_err(|error| error.to_string())?;
            run.state = state;
            return Ok(run);
        }
        run.state = state;
        if state.is_over() {
            run.ended = Some(now);
            entries.push(LogEntry::Notice(notice(now, &run, &summary(&run))));
        }
        let write = Write::Run { id, run: Some(Box::new(run.clone())) };
        self.means.store.log(entries, vec![write]).await.map_err(|error| error.to_string())?;
        if state == RunState::Running {
            self.start(run.clone());
        }
        Ok(run)
    }
}

/// A notice about a run.
fn notice(at: Timestamp, run: &Run, text: &str) -> Notice {
    let text = format!("run {}: {text}", run.id);
    Notice { webhook: Some(run.selection.webhook), ..Notice::new(at, NoticeKind::Webhook, text) }
}

/// How a run ended, for people.
fn summary(run: &Run) -> String {
    let Progress { matched, delivered, failed, left } = run.progress;
    let what = run.state.as_str();
    let of = deliveries(matched);
    format!("{what}; of {of}: {delivered} delivered, {failed} failed, {left} not its to send")
}

fn deliveries(count: u64) -> String {
    if count == 1 { "1 delivery".to_owned() } else { format!("{count} deliveries") }
}
