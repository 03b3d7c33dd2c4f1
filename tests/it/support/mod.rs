//! What several behaviours' tests share.

pub(crate) mod house; // shopbell whole, in this process
pub(crate) mod process; // shopbell as a process of its own
pub(crate) mod receiver; // a receiver of webhooks that records raw bytes and misbehaves as told
pub(crate) mod upstream; // a shop that sends and records exact bytes
