//! What the demo puts on the screen, and what it has seen so far.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use tokio::time::{Instant, interval, timeout_at};

use crate::admin::{EventsView, LogRow};

use super::super::control::Api;
use super::super::failure::Failure;
use super::super::output::{clean, count};
use super::receiver::{Delivery, Received};
use super::script::Step;
use super::stage::Stage;

/// How long the demo waits for the deliveries of one step.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the journal is read for events whose delivery has not come.
const LOOK: Duration = Duration::from_millis(500);

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const NEWS: Style = AnsiColor::Cyan.on_default();

/// The screen, and the score.
pub(super) struct Show {
    api: Api,
    /// Where the journal is read on.
    next: u64,
    events: usize,
    steps: usize,
    expected: usize,
    /// Topics and ids that a step promised and that have not arrived.
    awaited: VecDeque<(String, String)>,
    missing: Vec<(String, String)>,
    unexpected: Vec<String>,
    /// Delivery ids, to tell a repeat from something new.
    seen: HashSet<String>,
    forged: usize,
    complete: bool,
}

impl Show {
    /// An empty screen.
    pub(super) async fn new(stage: &Stage) -> Result<Self, Failure> {
        Ok(Self {
            api: stage.api().await?,
            next: 1,
            events: 0,
            steps: 0,
            expected: 0,
            awaited: VecDeque::new(),
            missing: Vec::new(),
            unexpected: Vec::new(),
            seen: HashSet::new(),
            forged: 0,
            complete: false,
        })
    }

    /// What stands where.
    pub(super) fn opening(stage: &Stage) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        writeln!(
            out,
            "{BOLD}shopbell demo{BOLD:#}: an old-fashioned shop, shopbell in front of it, a receiver behind it\n"
        )?;
        writeln!(out, "  visitors → {BOLD}shopbell http://{}{BOLD:#} → shop http://{}", stage.proxy, stage.shop)?;
        writeln!(out, "                 ↓ rules in {}", stage.rules.display())?;
        writeln!(out, "             receiver http://{}/webhook (checks every signature)\n", stage.receiver)
    }

    /// What somebody is about to do.
    pub(super) fn step(&mut self, step: &Step) -> io::Result<()> {
        self.steps += 1;
        self.expected += step.gives.len();
        let gives = step.gives.iter().map(|(topic, id)| ((*topic).to_owned(), (*id).to_owned()));
        self.awaited.extend(gives);
        writeln!(anstream::stdout(), "{BOLD}{:<9}{BOLD:#}{} {}", "visitor", step.who.name(), step.says)
    }

    /// Shows what arrives until the step has given all it promised, or the patience is at its end.
    pub(super) async fn until_arrived(&mut self, stage: &mut Stage, step: &Step) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        while !self.awaited.is_empty() {
            match timeout_at(end, stage.received.recv()).await {
                Ok(Some(received)) => self.arrived(received).await?,
                Ok(None) | Err(_) => break,
            }
        }
        for (topic, id) in self.awaited.drain(..) {
            writeln!(anstream::stdout(), "{BAD}{:<9}{topic} {id} did not arrive{BAD:#}", "missing")?;
            self.missing.push((topic, id));
        }
        if step.gives.is_empty() {
            self.events().await?;
        }
        Ok(())
    }

    /// Shows what arrives, for as long as it is polled.
    pub(super) async fn watch(&mut self, stage: &mut Stage) -> Result<(), Failure> {
        let mut look = interval(LOOK);
        loop {
            tokio::select! {
                received = stage.received.recv() => match received {
                    Some(received) => self.arrived(received).await?,
                    None => return Ok(()),
                },
                _ = look.tick() => self.events().await?,
            }
        }
    }

    async fn arrived(&mut self, received: Received) -> Result<(), Failure> {
        // The journal first: nothing is delivered before it stands there.
        self.events().await?;
        match received {
            Received::Ping(body) => {
                writeln!(anstream::stdout(), "{DIM}{:<9}{}{DIM:#}", "ping", clean(&body))?;
            }
            Received::Delivery(delivery) => self.delivery(&delivery)?,
        }
        Ok(())
    }

    fn delivery(&mut self, delivery: &Delivery) -> io::Result<()> {
        let again = !self.seen.insert(delivery.id.clone());
        let wanted = self.awaited.iter().position(|(topic, id)| *topic == delivery.topic && *id == delivery.about);
        match wanted {
            _ if !delivery.signed => self.forged += 1,
            Some(at) => drop(self.awaited.remove(at)),
            None if again => {}
            None => self.unexpected.push(format!("{} {}", delivery.topic, delivery.about)),
        }
        let (style, signature) = if delivery.signed { (GOOD, "signature ok") } else { (BAD, "SIGNATURE WRONG") };
        let what = format!("{} {}", delivery.topic, delivery.about);
        let short: String = delivery.id.chars().take(8).collect();
        let again = if again { ", again" } else { "" };
        writeln!(
            anstream::stdout(),
            "{style}{:<9}{:<44}{signature}, {} bytes, delivery {short}…{again}{style:#}",
            "received",
            clean(&what),
            delivery.bytes
        )
    }

    /// Shows the events that have come into the journal.
    async fn events(&mut self) -> Result<(), Failure> {
        loop {
            let read: EventsView = self.api.get(&format!("/v1/events?from={}&limit=100", self.next)).await?;
            self.events += read.events.len();
            self.next = read.next;
            let mut out = anstream::stdout().lock();
            read.events.iter().try_for_each(|event| show_event(&mut out, event))?;
            if read.events.is_empty() {
                return Ok(());
            }
        }
    }

    /// The score.
    pub(super) fn summary(&mut self) -> io::Result<()> {
        let arrived = self.expected - self.missing.len();
        let nothing_odd = self.missing.is_empty() && self.unexpected.is_empty() && self.forged == 0;
        self.complete = nothing_odd && self.events == self.expected;
        let style = if self.complete { GOOD.bold() } else { BAD };
        let mut out = anstream::stdout().lock();
        writeln!(
            out,
            "\n{style}{}{style:#}: {}, {} in the journal, {arrived} of {} expected deliveries arrived, {} with a wrong signature",
            if self.complete { "complete" } else { "incomplete" },
            count(self.steps, "step"),
            count(self.events, "event"),
            self.expected,
            self.forged,
        )?;
        for (topic, id) in &self.missing {
            writeln!(out, "{BAD}missing: {topic} {id}{BAD:#}")?;
        }
        for odd in &self.unexpected {
            writeln!(out, "{BAD}not expected: {}{BAD:#}", clean(odd))?;
        }
        Ok(())
    }

    /// Whether the visit is over and exactly what was promised arrived, signed.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// What to do now.
    pub(super) fn invitation(stage: &Stage) -> io::Result<()> {
        let (user, password) = (super::shop::ADMIN_USER, super::shop::ADMIN_PASSWORD);
        let mut out = anstream::stdout().lock();
        writeln!(out, "\nNow you. Open in a browser:")?;
        writeln!(out, "  {BOLD}http://{}/{BOLD:#}        the shop, through shopbell", stage.proxy)?;
        writeln!(out, "  {BOLD}http://{}/admin{BOLD:#}   its admin side ({user} / {password})", stage.proxy)?;
        writeln!(out, "Edit the rules in {}: they take effect at once.", stage.rules.display())?;
        writeln!(out, "In another terminal: shopbell log --data {}", stage.data.display())?;
        writeln!(out, "Events and deliveries appear below. Ctrl-C ends.\n")
    }
}

fn show_event(out: &mut impl io::Write, event: &LogRow) -> io::Result<()> {
    let what = format!("{} {}", event.topic.as_deref().unwrap_or_default(), event.about);
    let rule = event.rule.as_deref().unwrap_or_default();
    writeln!(out, "{NEWS}{:<9}{:<44}{NEWS:#}by rule {rule}, from {}", "event", clean(&what), clean(&event.text))
}
