//! The observation of one exchange, from the request's head to the hand-over, which happens exactly once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::response::Parts;
use http_body::{Body, Frame};

use super::capture::Capture;
use super::counters::{Counters, add};
use super::hold::{Deadline, Hold};
use super::layer::Limits;
use super::plan::{Plan, content_length, is_bodiless, may_hold, plan};
use super::request_body::Sent;
use super::{Interest, Observer, Release, released};
use crate::exchange::{CapturedBody, End, Exchange, RequestHead, ResponseHead, Timestamp};

/// Asks the observer at the response's head (`None`: there is none) what it still wants, and gives the hand-over.
type Narrow = Box<dyn FnOnce(&RequestHead, Option<&ResponseHead>) -> (Interest, Observe) + Send>;
/// Hands the exchange over.
type Observe = Box<dyn FnOnce(Exchange, Release) + Send>;

/// The observer with its ticket. Boxed as closures, so that futures and bodies do not carry the observer's type.
enum Watch {
    Asked(Narrow),
    Narrowed(Observe),
    Over,
}

/// One exchange being observed. Dropped before its end it is handed over as it stands: aborted if the request was not
/// whole, failed otherwise.
pub(super) struct Observation {
    watch: Watch,
    at: Timestamp,
    request: RequestHead,
    sent: Arc<Sent>,
    response: Option<ResponseHead>,
    /// The response's copy; `None` where nobody reads the body.
    received: Option<Capture>,
    /// Bytes of the response's body still to come, where that is known.
    left: Option<u64>,
    /// The response's body has ended.
    ended: bool,
    /// Whether the answer may be held at all.
    may_hold: bool,
    /// The visitor was let go before the exchange could be observed.
    late: bool,
    limits: Limits,
    counters: Arc<Counters>,
}

impl Observation {
    /// Begins: `observer` wanted the exchange and gave `ticket`.
    pub(super) fn begin<O: Observer>(
        (observer, mut ticket): (O, O::Ticket),
        (at, request, sent): (Timestamp, RequestHead, Arc<Sent>),
        limits: Limits,
        counters: Arc<Counters>,
    ) -> Box<Self> {
        let narrow: Narrow = Box::new(move |request, response| {
            let narrowed = response.map(|response| observer.narrow(&mut ticket, request, response));
            let observe: Observe = Box::new(move |exchange, release| observer.observe(ticket, exchange, release));
            (narrowed.unwrap_or(Interest::Nothing), observe)
        });
        let watch = Watch::Asked(narrow);
        let (response, received, left, ended, may_hold, late) = (None, None, None, false, false, false);
        Box::new(Self { watch, at, request, sent, response, received, left, ended, may_hold, late, limits, counters })
    }

    /// The response's head and body are there: what to do with them. After [`Plan::Pass`] nothing is observed any more.
    pub(super) fn answered<R: Body>(&mut self, parts: &Parts, body: &R) -> Plan {
        let response = ResponseHead::of(parts);
        let interest = self.narrow(&response);
        self.may_hold = !self.limits.hold.is_zero() && may_hold(&self.request, &response);
        let lengths = [body.size_hint().exact(), content_length(&response.headers)];
        self.left = lengths.into_iter().flatten().min();
        self.ended = body.is_end_stream() || self.left == Some(0) || is_bodiless(&self.request, &response);
        if interest == Interest::Body {
            let Limits { response_capture, budget, .. } = self.limits;
            self.received = Some(Capture::new(response_capture, budget, Arc::clone(&self.counters)));
        }
        let plan = plan(interest, &response, self.may_hold, self.sent.is_whole(), self.ended);
        self.response = Some(response);
        plan
    }

    fn narrow(&mut self, response: &ResponseHead) -> Interest {
        let Watch::Asked(narrow) = std::mem::replace(&mut self.watch, Watch::Over) else { return Interest::Nothing };
        match self.counters.guard(|| narrow(&self.request, Some(response))) {
            None | Some((Interest::Nothing, _)) => Interest::Nothing,
            Some((interest, observe)) => {
                self.watch = Watch::Narrowed(observe);
                interest
            }
        }
    }

    /// Notes what the response's body gave (`None`: its end); true once it is at its end. `ended` is its own word after this.
    pub(super) fn saw(&mut self, frame: Option<&Frame<Bytes>>, ended: bool) -> bool {
        if let Some(data) = frame.and_then(Frame::data_ref) {
            self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
            if let Some(capture) = &mut self.received {
                capture.push(data);
            }
        }
        self.ended |= ended || self.left == Some(0) || frame.is_none_or(Frame::is_trailers);
        self.ended
    }

    /// Whether the request has gone by whole, so that the shop will act on it whether or not the visitor stays.
    pub(super) fn is_sent(&self) -> bool {
        self.sent.is_whole()
    }

    /// Whether nothing more of the response's body will be kept.
    pub(super) fn is_cut(&self) -> bool {
        self.received.as_ref().is_none_or(Capture::is_cut)
    }

    /// Bytes of the response's body that went by.
    pub(super) fn received(&self) -> u64 {
        self.received.as_ref().map_or(0, Capture::total)
    }

    /// Gives the rest of the response's body up.
    pub(super) fn cut(&mut self) {
        if let Some(capture) = &mut self.received {
            capture.cut();
        }
    }

    /// The visitor could not be kept any longer: the exchange will be observed when it ends, without a hold.
    pub(super) fn let_go(&mut self) {
        self.late = true;
        add(&self.counters.held);
        add(&self.counters.hold_expired);
    }

    /// Bounds.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Counters.
    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// The shop gave no answer.
    pub(super) fn failed(mut self: Box<Self>) {
        // A request that broke off usually makes the shop's side fail too; the cause is the visitor's.
        let end = if self.sent.is_broken() { End::Aborted } else { End::Failed };
        self.hand_over(end, released());
    }

    /// The exchange is complete, and nobody waits for it.
    pub(super) fn complete(mut self: Box<Self>) {
        self.hand_over(End::Complete, released());
    }

    /// The exchange is complete and the visitor waits, until `deadline`, or the hold time from now. `None`: no need to wait.
    pub(super) fn complete_and_hold(mut self: Box<Self>, deadline: Option<Deadline>) -> Option<Hold> {
        if !self.may_hold {
            self.hand_over(End::Complete, released());
            return None;
        }
        let (release, receiver, expired) = Release::new();
        expired.store(self.late, Ordering::Release);
        self.hand_over(End::Complete, release);
        if self.late {
            return None;
        }
        let deadline = deadline.unwrap_or_else(|| Deadline::after(self.limits.hold));
        Hold::begin(receiver, expired, deadline, &self.counters)
    }

    /// Hands the exchange over, if it has not been and somebody still wants it.
    fn hand_over(&mut self, end: End, release: Release) {
        let observe = match std::mem::replace(&mut self.watch, Watch::Over) {
            Watch::Over => None,
            Watch::Narrowed(observe) => Some(observe),
            Watch::Asked(narrow) => self.counters.guard(|| narrow(&self.request, None).1),
        };
        let Some(observe) = observe else { return };
        let request = RequestHead {
            method: self.request.method.clone(),
            uri: std::mem::take(&mut self.request.uri),
            headers: std::mem::take(&mut self.request.headers),
            secure: self.request.secure,
        };
        // A body let go on purpose (cut, or a held head) is as whole as it can be; one that broke off is not.
        let whole = self.ended || end == End::Complete;
        let received = self.received.take().map(|capture| capture.into_body(whole));
        let exchange = Exchange {
            at: self.at,
            request,
            request_body: self.sent.take(),
            response: self.response.take(),
            response_body: received.unwrap_or_else(CapturedBody::unread),
            end,
        };
        add(&self.counters.observed);
        self.counters.guard(|| observe(exchange, release));
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let end = if self.sent.is_whole() { End::Failed } else { End::Aborted };
        self.hand_over(end, released());
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("received", &self.received)
            .field("late", &self.late)
            .finish_non_exhaustive()
    }
}
