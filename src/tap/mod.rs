//! The tap: a tower middleware that copies exchanges and never alters them. Usable alone.

mod observer;

pub use observer::{Interest, Observer, Release, released};
