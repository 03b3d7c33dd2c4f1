//! The single writer: exchanges in, events committed; and the rules directory, watched and swapped.
//!
//! The way of an exchange: the tap hands it to an [`EngineObserver`] (`observer`), a bounded queue takes it; conditions are
//! evaluated in parallel and the rest in order of arrival on one thread (`derive`), over state plus an overlay of writes not
//! yet applied (`overlay`); one committer writes groups to the journal and lets the visitors go (`commit`).

mod active;
mod commit;
mod counters;
mod derive;
mod directory;
mod last_good;
mod loader;
mod lookup;
mod notes;
mod observer;
mod overlay;
mod pendings;
mod receivers;
mod recorder;
mod reload;
pub mod rotate;
mod secrets;
mod watch;

pub use active::{Active, missing_secrets};
pub use counters::EngineCounters;
pub use directory::{DirectoryError, read_directory};
pub use lookup::{LookUpBody, LookUpClient};
pub use observer::{Engine, EngineObserver};
pub use recorder::{Kept, RecordFilter, Recorder, Recording};
pub use reload::{ReloadReport, Rules, StartError};
