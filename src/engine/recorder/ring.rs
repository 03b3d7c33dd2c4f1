//! The last exchanges that some rule cared about.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use crate::exchange::{CapturedBody, Damage, Exchange};
use crate::rules::Note;

/// Exchanges that are kept.
const MOST: usize = 100;
/// Bytes they may come to together.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of one body that are kept.
const BODY_BYTES: usize = 256 * 1024;

/// An exchange with what came of it.
#[derive(Debug)]
pub struct Kept {
    /// The exchange; longer bodies are cut.
    pub exchange: Exchange,
    /// Its events: topic and what they are about, each as a line.
    pub events: Vec<String>,
    /// What rules had to say.
    pub notes: Vec<Note>,
}

/// The ring.
#[derive(Debug, Default)]
pub(super) struct Ring {
    kept: VecDeque<(usize, Arc<Kept>)>,
    bytes: usize,
}

impl Kept {
    /// Bodies are copied: a slice would keep its share of the tap's budget.
    pub(in crate::engine) fn of(mut exchange: Exchange, events: Vec<String>, notes: Vec<Note>) -> Self {
        for body in [&mut exchange.request_body, &mut exchange.response_body] {
            let kept = body.bytes.get(..BODY_BYTES).unwrap_or(&body.bytes);
            let damage = if kept.len() < body.bytes.len() { Some(Damage::Cut) } else { body.damage };
            *body = CapturedBody { bytes: Bytes::copy_from_slice(kept), damage, total: body.total };
        }
        Self { exchange, events, notes }
    }

    fn bytes(&self) -> usize {
        let head = |headers: &HeaderMap| -> usize {
            headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
        };
        let Self { exchange, events, notes } = self;
        let response = exchange.response.as_ref().map_or(0, |response| head(&response.headers));
        exchange.request_body.bytes.len()
            + exchange.response_body.bytes.len()
            + head(&exchange.request.headers)
            + exchange.request.uri.path_and_query().map_or(0, |path| path.as_str().len())
            + response
            + events.iter().map(String::len).sum::<usize>()
            + notes.iter().map(|note| note.text.len()).sum::<usize>()
    }
}

impl Ring {
    pub(super) fn push(&mut self, kept: Kept) {
        let bytes = kept.bytes();
        self.bytes += bytes;
        self.kept.push_back((bytes, Arc::new(kept)));
        while self.kept.len() > MOST || self.bytes > MOST_BYTES {
            let Some((bytes, _)) = self.kept.pop_front() else { return };
            self.bytes -= bytes;
        }
    }

    pub(super) fn last(&self, most: usize) -> Vec<Arc<Kept>> {
        let from = self.kept.len().saturating_sub(most);
        self.kept.iter().skip(from).map(|(_, kept)| Arc::clone(kept)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{End, RequestHead, Timestamp};

    fn kept(n: usize, body: usize) -> Kept {
        let request = http::Request::post(format!("/{n}")).body(()).unwrap().into_parts().0;
        let exchange = Exchange {
            at: Timestamp::default(),
            request: RequestHead::of(&request),
            request_body: CapturedBody::whole(vec![b'x'; body]),
            response: None,
            response_body: CapturedBody::default(),
            end: End::Failed,
        };
        Kept::of(exchange, Vec::new(), Vec::new())
    }

    #[test]
    fn the_ring_is_bounded_by_number_and_bytes() {
        let mut ring = Ring::default();
        for n in 0..MOST + 5 {
            ring.push(kept(n, 10));
        }
        let paths = |ring: &Ring, most| {
            ring.last(most).iter().map(|kept| kept.exchange.request.path().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!((ring.last(usize::MAX).len(), paths(&ring, 2)), (MOST, vec!["/103".to_owned(), "/104".to_owned()]));
        for n in 0..40 {
            ring.push(kept(n, BODY_BYTES + 1));
        }
        assert!(ring.bytes <= MOST_BYTES && ring.kept.len() < 40, "{} {}", ring.bytes, ring.kept.len());
        let last = ring.last(1).remove(0);
        let body = &last.exchange.request_body;
        assert_eq!((body.bytes.len(), body.total, body.damage), (BODY_BYTES, BODY_BYTES as u64 + 1, Some(Damage::Cut)));
    }
}
