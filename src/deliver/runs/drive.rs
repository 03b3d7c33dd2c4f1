//! One run at work: it reads the journal, hands fitting deliveries to the scheduler, and keeps its progress in state.
//!
//! The deliveries of one resource go out one after the other, in the order of their events; others beside them. What the
//! run has ended stands in the log under its number, so after a crash it goes on where it was: what was under way goes out
//! again under the same id.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::select::{Chooser, group};
use super::tally::Tally;
use crate::clock::{Clock, Timestamp};
use crate::deliver::request::delivery_id;
use crate::deliver::scheduler::{Command, Replay, Replayed};
use crate::id::{Seq, WebhookId};
use crate::model::record::LogEntry;
use crate::model::{DeliveryState, Event, Run, RunState, Trigger, Write};
use crate::store::{Store, StoreError};

/// Deliveries of one run at the scheduler at once; a webhook's own limit lies below.
const AT_ONCE: usize = 32;

/// Deliveries read ahead, so that one resource that is busy does not hold up the others.
const AHEAD: usize = 128;

/// Events read at once.
const PAGE: usize = 256;

/// Results after which the progress is written.
const SAVE_AFTER: u32 = 64;

/// Fewer results are written after so long: people look how far it is.
const SAVE_WITHIN: Duration = Duration::from_secs(1);

/// Pause before something that did not work is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// What a run needs.
#[derive(Clone, Debug)]
pub(super) struct Means {
    pub(super) store: Store,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) clock: Clock,
}

/// What the run is told to do; `None`: to stop, for the process stops.
pub(super) type Control = watch::Receiver<Option<RunState>>;

/// A delivery to be sent.
#[derive(Debug)]
struct Item {
    seq: Seq,
    group: u64,
    event: Arc<Event>,
    /// Erases done when it was read.
    erases: u64,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Delivered,
    Failed,
    /// It is not the run's to send.
    Left,
    /// Not ended: the run was stopped before.
    Open,
}

/// Works until the run is over or told to stop. Gives it as it stands in state then.
pub(super) async fn drive(means: Means, run: Run, control: Control) -> Result<Run, StoreError> {
    // What a broken-off turn of it left at the scheduler.
    let _ = means.commands.send(Command::Withdraw { run: run.id }).await;
    let tally = Tally::take(&means.store, run.selection.webhook, run.log_end, Some(&run)).await?;
    let chooser = Chooser::new(&means.store, &run.selection, run.end).await?;
    let (first, end) = chooser.range(run.end);
    let mut drive = Drive {
        read: first.max(run.next),
        end,
        means,
        run,
        chooser,
        tally: Arc::new(tally),
        control,
        ahead: VecDeque::new(),
        busy: HashSet::new(),
        open: BTreeSet::new(),
        sending: JoinSet::new(),
        next_at: Timestamp::default(),
        unsaved: 0,
        save_at: None,
    };
    // The log knows best: the progress in state may be a little older.
    drive.run.progress.delivered = drive.run.progress.delivered.max(drive.tally.progress.delivered);
    drive.run.progress.failed = drive.run.progress.failed.max(drive.tally.progress.failed);
    drive.work().await?;
    Ok(drive.run)
}

struct Drive {
    means: Means,
    run: Run,
    chooser: Chooser,
    tally: Arc<Tally>,
    control: Control,
    /// Where reading goes on, and ends.
    read: Seq,
    end: Seq,
    ahead: VecDeque<Item>,
    /// Resources with a delivery at the scheduler.
    busy: HashSet<u64>,
    /// Read and not ended.
    open: BTreeSet<Seq>,
    sending: JoinSet<(Seq, u64, Fate)>,
    /// The rate lets the next one go then.
    next_at: Timestamp,
    unsaved: u32,
    /// When fewer results than enough are written.
    save_at: Option<Timestamp>,
}

impl Drive {
    async fn work(&mut self) -> Result<(), StoreError> {
        while self.told() == Some(RunState::Running) {
            self.read_ahead().await?;
            let wait = self.send();
            if self.sending.is_empty() && self.ahead.is_empty() && self.read >= self.end {
                return self.over(RunState::Done).await;
            }
            if self.unsaved >= SAVE_AFTER || self.save_at.is_some_and(|at| at <= self.means.clock.now()) {
                self.save(Vec::new()).await?;
            }
            let wake = [wait, self.save_at].into_iter().flatten().min().map(|at| self.means.clock.instant(at));
            let sending = !self.sending.is_empty();
            tokio::select! {
                Some(done) = self.sending.join_next(), if sending => self.take(done.ok()),
                _ = self.control.changed() => {}
                () = async { match wake { Some(at) => tokio::time::sleep_until(at).await, None => std::future::pending().await } } => {}
            }
        }
        // What is on its way comes home; the rest is taken back.
        let _ = self.means.commands.send(Command::Withdraw { run: self.run.id }).await;
        while let Some(done) = self.sending.join_next().await {
            self.take(done.ok());
        }
        match self.told() {
            Some(state) if state.is_over() => self.over(state).await,
            Some(state) => {
                self.run.state = state;
                self.save(Vec::new()).await
            }
            None => self.save(Vec::new()).await,
        }
    }

    /// What the run is to do now; a sender that is gone stops it.
    fn told(&self) -> Option<RunState> {
        if self.control.has_changed().is_err() { None } else { *self.control.borrow() }
    }

    async fn read_ahead(&mut self) -> Result<(), StoreError> {
        while self.ahead.len() < AHEAD && self.read < self.end {
            let erases = self.means.store.erases();
            let (events, next) = self.means.store.events(self.read, PAGE).await?;
            for (seq, event) in events {
                if seq < self.end && self.chooser.fits(seq, &event, &self.tally) && !self.tally.is_done(seq) {
                    self.open.insert(seq);
                    self.ahead.push_back(Item { seq, group: group(seq, &event), event, erases });
                }
            }
            self.read = next.max(self.read.next());
        }
        Ok(())
    }

    /// Hands over what may go. Gives when the rate lets the next one go, if it is that which holds it up.
    fn send(&mut self) -> Option<Timestamp> {
        while self.sending.len() < AT_ONCE {
            let at = self.ahead.iter().position(|item| !self.busy.contains(&item.group))?;
            let now = self.means.clock.now();
            if let Some(rate) = self.run.rate {
                if self.next_at > now {
                    return Some(self.next_at);
                }
                self.next_at = self.next_at.max(now).plus(Duration::from_secs(1) / rate.max(1));
            }
            let item = self.ahead.remove(at)?;
            self.busy.insert(item.group);
            let one = One {
                means: self.means.clone(),
                run: self.run.id,
                webhook: self.run.selection.webhook,
                trigger: if self.run.selection.only.is_some() { Trigger::Manual } else { Trigger::Recover },
                replay: self.tally.replay(item.seq, self.run.id),
                held: self.tally.state(item.seq) == Some(DeliveryState::Held),
                state: self.run.selection.state,
                control: self.control.clone(),
            };
            self.sending.spawn(async move {
                let (seq, group) = (item.seq, item.group);
                (seq, group, one.send(item).await)
            });
        }
        None
    }

    fn take(&mut self, done: Option<(Seq, u64, Fate)>) {
        let Some((seq, group, fate)) = done else { return };
        self.busy.remove(&group);
        let progress = &mut self.run.progress;
        match fate {
            Fate::Delivered => progress.delivered += 1,
            Fate::Failed => progress.failed += 1,
            Fate::Left => progress.left += 1,
            Fate::Open => return,
        }
        self.open.remove(&seq);
        self.unsaved += 1;
        self.save_at.get_or_insert(self.means.clock.now().plus(SAVE_WITHIN));
    }

    async fn over(&mut self, state: RunState) -> Result<(), StoreError> {
        let now = self.means.clock.now();
        (self.run.state, self.run.ended) = (state, Some(now));
        if state == RunState::Done {
            // What ended by itself since it was counted was never looked at.
            let progress = &mut self.run.progress;
            progress.left = progress.left.max(progress.matched.saturating_sub(progress.delivered + progress.failed));
        }
        let notice = super::notice(now, &self.run, &super::summary(&self.run));
        self.save(vec![LogEntry::Notice(notice)]).await
    }

    /// Writes how far it is.
    async fn save(&mut self, entries: Vec<LogEntry>) -> Result<(), StoreError> {
        (self.unsaved, self.save_at) = (0, None);
        self.run.next = self.open.first().copied().unwrap_or(self.read);
        let write = Write::Run { id: self.run.id, run: Some(Box::new(self.run.clone())) };
        self.means.store.log(entries, vec![write]).await.map(drop)
    }
}

/// One delivery of a run.
struct One {
    means: Means,
    run: u32,
    webhook: WebhookId,
    trigger: Trigger,
    replay: u32,
    held: bool,
    state: DeliveryState,
    control: Control,
}

impl One {
    async fn send(mut self, item: Item) -> Fate {
        if self.held && self.state != DeliveryState::Delivered {
            let (reply, owed) = oneshot::channel();
            let hurry = Command::Hurry { webhook: self.webhook, event: item.seq, reply };
            if self.means.commands.send(hurry).await.is_err() {
                return Fate::Open;
            }
            match owed.await {
                Ok(true) => return Fate::Left,
                // It ended in the meantime, and not by this run.
                Ok(false) if self.state == DeliveryState::Held => return Fate::Left,
                Ok(false) => {}
                Err(_) => return Fate::Open,
            }
        }
        let instance = self.means.store.instance_key();
        let id = delivery_id(&instance, item.event.uid, self.webhook, 0);
        let of = if self.replay > 0 { id } else { String::new() };
        let mut attempts = 0;
        loop {
            let (reply, answer) = oneshot::channel();
            let replay = Replay {
                run: self.run,
                trigger: self.trigger,
                seq: item.seq,
                event: (self.means.store.erases() == item.erases).then(|| Arc::clone(&item.event)),
                number: self.replay,
                of: of.clone(),
                probe: false,
                attempts,
                reply: Some(reply),
            };
            let command = Command::Replay { webhook: self.webhook, replay: Box::new(replay) };
            if self.means.commands.send(command).await.is_err() {
                return Fate::Open;
            }
            let due = match answer.await {
                Ok(Replayed::Delivered) => return Fate::Delivered,
                Ok(Replayed::Failed) => return Fate::Failed,
                Ok(Replayed::Again(due)) => {
                    attempts += 1;
                    due
                }
                // The breaker says when the next probe goes.
                Ok(Replayed::Probed) => self.means.clock.now(),
                // Taken back; or the webhook is not known now; or the attempt panicked.
                Err(_) => self.means.clock.now().plus(PAUSE),
            };
            if !self.wait(due).await {
                return Fate::Open;
            }
        }
    }

    /// Waits until then. `false` if the run was told to stop before.
    async fn wait(&mut self, due: Timestamp) -> bool {
        let until = self.means.clock.instant(due);
        let stopped = self.control.wait_for(|told| *told != Some(RunState::Running));
        tokio::select! {
            _ = stopped => false,
            () = tokio::time::sleep_until(until) => true,
        }
    }
}
