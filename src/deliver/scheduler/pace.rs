//! How fast attempts may follow each other: the rate of a webhook, and the places at one host.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::id::WebhookId;
use crate::model::Rate;

/// Attempts at once to one `host:port`, of all webhooks together.
pub(super) const HOST_MAX: usize = 16;

/// A token bucket: it holds the rate's count and fills at the rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// Thousandths of a token.
    level: u64,
    at: Timestamp,
}

impl Bucket {
    /// Thousandths in one token.
    const TOKEN: u64 = 1_000;

    /// A full one at `now`.
    pub(super) fn new(rate: Rate, now: Timestamp) -> Self {
        Self { rate, level: u64::from(rate.count) * Self::TOKEN, at: now }
    }

    /// Whether it is for this rate.
    pub(super) fn is_for(&self, rate: Rate) -> bool {
        self.rate == rate
    }

    /// When the next attempt may go: `now` or later.
    pub(super) fn next(&mut self, now: Timestamp) -> Timestamp {
        let per = u64::try_from(self.rate.per.as_millis()).unwrap_or(u64::MAX).max(1);
        let flow = u64::from(self.rate.count).max(1) * Self::TOKEN;
        let passed = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let came = passed.saturating_mul(flow) / per;
        // Only what came is booked: many looks in one millisecond must not lose its part of a token.
        if came > 0 || now < self.at {
            (self.level, self.at) = (self.level.saturating_add(came).min(flow), now);
        }
        let missing = Self::TOKEN.saturating_sub(self.level);
        now.shifted(i64::try_from(missing.saturating_mul(per).div_ceil(flow)).unwrap_or(i64::MAX))
    }

    /// Takes one token.
    pub(super) fn take(&mut self) {
        self.level = self.level.saturating_sub(Self::TOKEN);
    }

    /// The clock was set.
    pub(super) fn shift(&mut self, millis: i64) {
        self.at = self.at.shifted(millis);
    }
}

/// Attempts under way at each host, and who waits for a place there.
#[derive(Debug, Default)]
pub(super) struct Hosts(HashMap<Arc<str>, Host>);

#[derive(Debug, Default)]
struct Host {
    busy: usize,
    parked: VecDeque<WebhookId>,
}

impl Hosts {
    /// Whether all places at a host are taken; `webhook` then waits for one.
    pub(super) fn park(&mut self, host: &Arc<str>, webhook: WebhookId) -> bool {
        let Some(host) = self.0.get_mut(host).filter(|host| host.busy >= HOST_MAX) else { return false };
        if !host.parked.contains(&webhook) {
            host.parked.push_back(webhook);
        }
        true
    }

    /// An attempt begins.
    pub(super) fn enter(&mut self, host: &Arc<str>) {
        self.0.entry(Arc::clone(host)).or_default().busy += 1;
    }

    /// An attempt has ended; gives those who waited for a place, in turn.
    pub(super) fn leave(&mut self, name: &Arc<str>) -> VecDeque<WebhookId> {
        let Some(host) = self.0.get_mut(name) else { return VecDeque::new() };
        host.busy = host.busy.saturating_sub(1);
        let parked = std::mem::take(&mut host.parked);
        if host.busy == 0 {
            self.0.remove(name);
        }
        parked
    }
}

/// `host:port` of a URL, in lower case: who shares a place. What is no URL shares with nobody else.
pub(super) fn host(url: &str) -> Arc<str> {
    let uri = url.parse::<http::Uri>().unwrap_or_default();
    let Some(host) = uri.host() else { return url.into() };
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
    format!("{}:{port}", host.to_ascii_lowercase()).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_lets_its_count_go_and_then_keeps_the_rate() {
        let rate = Rate { count: 10, per: Duration::from_secs(1) };
        let mut bucket = Bucket::new(rate, Timestamp::default());
        let mut went = Vec::new();
        let mut now = 0;
        while went.len() < 25 {
            let at = bucket.next(Timestamp::from_millis(now));
            if at.as_millis() > now {
                assert!(at.as_millis() <= now + 100);
                now += 1;
            } else {
                bucket.take();
                went.push(now);
            }
        }
        assert_eq!(went[..11], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100]);
        assert_eq!(went[24], 1_500);
        // An hour back or ahead: it goes on, and holds no more than its count.
        let far = Timestamp::from_millis(-3_600_000);
        assert!(bucket.next(far) <= far.plus(Duration::from_millis(100)));
        let ahead = Timestamp::from_millis(7_200_000);
        let burst = (0..20).filter(|_| (bucket.next(ahead) == ahead).then(|| bucket.take()).is_some()).count();
        assert_eq!(burst, 10);
    }

    #[test]
    fn places_at_a_host_are_counted_and_waited_for() {
        let (mut hosts, name) = (Hosts::default(), host("https://ERP.example/a"));
        assert_eq!((&*name, &*host("http://u:p@[::1]/")), ("erp.example:443", "[::1]:80"));
        for _ in 0..HOST_MAX {
            assert!(!hosts.park(&name, WebhookId(1)));
            hosts.enter(&name);
        }
        assert!(hosts.park(&name, WebhookId(2)) && hosts.park(&name, WebhookId(1)) && hosts.park(&name, WebhookId(2)));
        assert_eq!(hosts.leave(&name), [WebhookId(2), WebhookId(1)]);
        for _ in 1..HOST_MAX {
            assert!(hosts.leave(&name).is_empty());
        }
        assert!(hosts.0.is_empty());
    }
}
