//! Scheduling, retries, signatures, the address guard.
//!
//! `order`, `failures`, `lifecycle` and `runs` run on paused time over a real store with a client whose answers the test gives;
//! `wire` runs on real sockets.

mod failures;
mod lifecycle;
mod order;
mod rig;
mod runs;
mod wire;
