//! HAR 1.2, as browsers export it from their network panel.

mod read;
mod write;

pub use read::parse_har;
pub use write::{HAR_HEAD, HAR_TAIL, har_entry};
