//! The store through its own door: what is acknowledged stays, in order, whole; damage is told; disk comes back.

mod conformance; // commit, read back, order, visibility, reopening
mod crash; // kill -9 and full disks, in a process of their own
mod damage; // flipped bytes, lost files, old and broken state
mod disk_full; // a small file system of its own
mod erase; // one customer, one order, gone from every file
pub(crate) mod fixture; // a directory of an older version
mod flips; // damage at places that a seed chooses
mod models; // random use against a model in memory
mod retention; // partitions that go, bounds that hold
mod search; // the log as people search it
mod support; // events, stores in temporary directories

pub(crate) use support::copy;
