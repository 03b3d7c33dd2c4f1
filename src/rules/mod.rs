//! From an exchange to events, by rules that an operator writes. Pure: no IO, no clock.
//!
//! `load` turns the texts of a rules directory into a [`Ruleset`] or into diagnostics, all at once. A ruleset is immutable
//! and swapped as a whole. Its way with an exchange: [`Ruleset::wants`] (request head) → [`Ruleset::narrow`] (response
//! head) → [`Ruleset::matches`] (conditions on the exchange alone) → [`Ruleset::derive`] (all that reads state).

mod access;
pub mod cases;
mod charsets;
mod derive;
pub mod disguise;
pub mod explain;
pub mod expr;
mod index;
mod load;
mod matching;
mod open_waits;
mod path;
mod replay;
pub mod rule;
pub mod schema;
mod sessions;
pub mod suggest;
mod summary;
mod view;
mod virtual_time;

pub use charsets::HostCharsets;
pub use derive::{Derived, Draft, Named, Note, PendingDraft, Step, Traced, TracedEvent};
pub use index::{Candidates, Need};
pub use load::{Loaded, SourceFile, load};
pub use matching::{Check, Checks, Failure, Found, Held, Matched, MatchedRule, NextPage, Shown, Side};
pub use open_waits::OpenWaits;
pub use replay::{Replay, Replayed, ReplayedEvent, answer_exchange};
pub use rule::{AlertSource, OLD_SECRETS, OldSecretSource, Place, Ruleset, SecretSource, TlsSource, WebhookConfig};
pub use sessions::SessionKeys;
pub use summary::Summary;
pub use view::{MemoryState, View};
pub use virtual_time::VirtualTime;
