//! The store through its own door: what is acknowledged stays, in order, whole; damage is told; disk comes back.

mod conformance; // commit, read back, order, visibility, reopening
mod support; // events, stores in temporary directories
