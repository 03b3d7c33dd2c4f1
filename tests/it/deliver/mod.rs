//! Scheduling, retries, signatures, the address guard.
//!
//! `order`, `failures`, `breaker`, `bounds`, `alerts`, `fairness`, `clock`, `lifecycle` and `runs` run on paused time over a real store with a client whose answers the test gives;
//! `wire`, `receivers`, `tls` and `edits` run on real sockets.

mod alerts;
mod bounds;
mod breaker;
mod clock;
mod edits;
mod failures;
mod fairness;
mod lifecycle;
mod order;
mod real;
mod receivers;
mod rig;
mod runs;
mod tls;
mod wire;
