//! The reverse proxy: accept, forward, hygiene, upgrades, errors. Knows HTTP, nothing of rules or store.
//!
//! What `app` puts together, on one thread per core:
//!
//! ```text
//! spawn_core(index, listener, move || tap.layer(Upstream::new(shared)), shared, shutdown)
//! ```
//!
//! | file | role |
//! |---|---|
//! | `config` | where the shop is, limits and switches |
//! | `listen` | one listener per core on one address |
//! | `serve` | accept loop, connections, drain |
//! | `pulse` | how a visitor's connection gets on; its socket |
//! | `visit` | one connection's service: refusals before, error answers after |
//! | `admit` | which requests are refused unseen (pure) |
//! | `upstream` | the tower service that forwards one request |
//! | `outgoing`, `answer` | the bodies on their way, both directions |
//! | `link`, `pool` | one connection to the shop; the idle ones |
//! | `hygiene`, `forwarded`, `target` | what changes in a head (pure) |
//! | `tunnel` | upgraded connections |
//! | `error`, `shared` | what can go wrong; what the cores share |

mod admit;
mod answer;
mod config;
mod error;
mod forwarded;
mod hygiene;
mod link;
mod listen;
mod outgoing;
mod pool;
mod pulse;
mod serve;
mod shared;
mod target;
mod tunnel;
mod upstream;
mod visit;

pub use answer::UpstreamBody;
pub use config::{Config, Origin, parse_origin};
pub use error::{ProxyError, Side};
pub use forwarded::is_secure;
pub use listen::bind;
pub use serve::{serve, spawn_core};
pub use shared::{Counters, Shared, UnderWay};
pub use tunnel::Visitor;
pub use upstream::Upstream;
