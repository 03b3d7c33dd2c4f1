//! The bounded copy of one body.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::counters::{Counters, add};
use crate::exchange::{CapturedBody, Damage, FilePartSkipper};

/// Copies a body as it passes, up to a limit of its own and to what is left of the budget over all captures.
pub(super) struct Capture {
    kept: Vec<u8>,
    /// Most bytes to keep.
    limit: usize,
    /// Bytes that went by.
    total: u64,
    cut: bool,
    /// Leaves out what files hold, so that the fields after an upload are still within the limit.
    skipper: Option<FilePartSkipper>,
    share: Share,
}

impl Capture {
    /// An empty copy of at most `limit` bytes, with all captures together at most `budget` bytes.
    pub(super) fn new(limit: usize, budget: usize, counters: Arc<Counters>) -> Self {
        Self {
            kept: Vec::new(),
            limit,
            total: 0,
            cut: false,
            skipper: None,
            share: Share { counters, budget, size: 0 },
        }
    }

    /// The same for a body of this `Content-Type`: the contents of a multipart form's files are left out.
    pub(super) fn of_type(mut self, content_type: Option<&str>) -> Self {
        let skipper = content_type.map(|kind| self.share.counters.guard(|| FilePartSkipper::for_content_type(kind)));
        self.skipper = skipper.flatten().flatten();
        self
    }

    /// Takes note of the next piece of the body.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.total = self.total.saturating_add(chunk.len() as u64);
        if self.cut {
            return;
        }
        let fits = if self.skipper.is_some() { self.keep_without_files(chunk) } else { self.keep(chunk) };
        if !fits {
            self.cut = true;
            add(&self.share.counters.captures_cut);
        }
    }

    /// How many bytes went by.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Whether something was left out: nothing more will be kept.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Marks the copy as cut, for a body that is let go before its end on purpose.
    pub(super) fn cut(&mut self) {
        if !self.cut {
            self.cut = true;
            add(&self.share.counters.captures_cut);
        }
    }

    /// The copy, with its share of the budget, which is given back when the last clone of the bytes is dropped.
    pub(super) fn into_body(self, whole: bool) -> CapturedBody {
        let Self { kept, total, cut, share, .. } = self;
        let damage = match (cut, whole) {
            (true, _) => Some(Damage::Cut),
            (false, false) => Some(Damage::Incomplete),
            (false, true) => None,
        };
        let bytes = if kept.is_empty() { Bytes::new() } else { Bytes::from_owner(Shared { kept, _share: share }) };
        CapturedBody { bytes, total, damage }
    }

    fn keep(&mut self, chunk: &[u8]) -> bool {
        let wanted = chunk.len().min(self.limit - self.kept.len());
        self.make_room(wanted);
        let room = wanted.min(self.kept.capacity() - self.kept.len());
        let kept = chunk.get(..room).unwrap_or(chunk);
        self.kept.extend_from_slice(kept);
        kept.len() == chunk.len()
    }

    fn keep_without_files(&mut self, chunk: &[u8]) -> bool {
        let room = self.limit - self.kept.len();
        if !self.make_room(chunk.len().min(room)) {
            return false;
        }
        let Self { kept, skipper: Some(skipper), share, .. } = self else { return true };
        let fits = share.counters.guard(|| skipper.push(chunk, kept, room)).unwrap_or(false);
        // The skipper may give back bytes it held of earlier pieces, so the copy can have grown past the room made for it.
        share.take(kept.capacity() - share.size);
        kept.len() <= self.limit && fits
    }

    /// Makes room for `more` bytes, doubling where the budget allows it; false if not even that much is left of it.
    fn make_room(&mut self, more: usize) -> bool {
        let Self { kept, share, limit, .. } = self;
        if kept.capacity() - kept.len() >= more {
            return true;
        }
        let needed = kept.len() + more;
        let roomy = needed.max(kept.capacity() * 2).min(*limit).max(needed);
        let granted = [roomy, needed].into_iter().find(|size| share.ask(size - kept.capacity()));
        let Some(size) = granted else {
            add(&share.counters.budget_spent);
            return false;
        };
        kept.reserve_exact(size - kept.len());
        true
    }
}

impl fmt::Debug for Capture {
    /// Sizes only: bodies hold people's secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, limit, total, cut, .. } = self;
        f.debug_struct("Capture")
            .field("kept", &kept.len())
            .field("limit", limit)
            .field("total", total)
            .field("cut", cut)
            .finish_non_exhaustive()
    }
}

/// One capture's part of the budget.
struct Share {
    counters: Arc<Counters>,
    /// Most bytes over all captures.
    budget: usize,
    /// Bytes taken by this one.
    size: usize,
}

impl Share {
    /// Takes `more` bytes if the budget has them.
    fn ask(&mut self, more: usize) -> bool {
        let within = |used: usize| used.checked_add(more).filter(|used| *used <= self.budget);
        let granted = self.counters.captured_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok();
        self.size += if granted { more } else { 0 };
        granted
    }

    /// Takes `more` bytes that are used already.
    fn take(&mut self, more: usize) {
        self.counters.captured_bytes.fetch_add(more, Ordering::Relaxed);
        self.size += more;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.counters.captured_bytes.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// Captured bytes that carry their share of the budget with them.
struct Shared {
    kept: Vec<u8>,
    _share: Share,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes `chunks` into a capture of `limit` under `budget`; gives what was kept and why something is missing.
    fn capture(chunks: &[&[u8]], limit: usize, budget: usize, whole: bool) -> (CapturedBody, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        let mut capture = Capture::new(limit, budget, Arc::clone(&counters));
        for chunk in chunks {
            capture.push(chunk);
        }
        (capture.into_body(whole), counters)
    }

    #[test]
    fn copies_are_bounded_and_say_so() {
        let (cut, incomplete) = (Some(Damage::Cut), Some(Damage::Incomplete));
        let rows = [
            // pieces, limit, budget, whole → kept, damage
            ("abc def", 6, 100, true, "abcdef", None),
            ("abc defg", 6, 100, true, "abcdef", cut),
            ("abc defg h", 3, 100, true, "abc", cut),
            ("abc", 6, 100, false, "abc", incomplete),
            ("abc def", 6, 4, true, "abc", cut),
            ("abc", 0, 100, true, "", cut),
        ];
        for (pieces, limit, budget, whole, kept, damage) in rows {
            let chunks = pieces.split(' ').map(str::as_bytes).collect::<Vec<_>>();
            let (body, _) = capture(&chunks, limit, budget, whole);
            assert_eq!((&body.bytes[..], body.damage), (kept.as_bytes(), damage), "{pieces}, {limit} of {budget}");
            assert_eq!(body.total, chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>());
        }
    }

    #[test]
    fn the_budget_is_given_back_with_the_last_clone() {
        let (body, counters) = capture(&[b"abcdef"], 10, 10, true);
        let used = || counters.captured_bytes.load(Ordering::Relaxed);
        let slice = body.bytes.slice(1..2);
        assert_eq!(used(), 6);
        drop(body);
        assert_eq!(used(), 6);
        drop(slice);
        assert_eq!(used(), 0);
    }
}
