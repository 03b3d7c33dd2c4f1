//! shopbell puts webhooks on a shop that has none. It stands in front of the shop as a reverse proxy, forwards everything
//! untouched, works out from requests and answers what happened, and delivers that as WooCommerce-style webhooks.
//!
//! This page is the map. What the words mean is said where they are defined: an [exchange](exchange::Exchange), a
//! [rule](rules::rule::EventRule), an [event](model::Event), a [webhook](model::Webhook), an [attempt](model::Attempt).
//!
//! # Rooms
//!
//! | room | what it does | what it knows |
//! |---|---|---|
//! | [`exchange`] | reads what was seen: heads, bodies, fields, JSON, HTML | nothing of rules |
//! | [`tap`] | the tower middleware that copies and never alters; usable alone | [`exchange`] |
//! | [`model`] | events, webhooks, deliveries, attempts as plain data; the journal's record schema | time and ids |
//! | [`rules`] | from an exchange to events; pure, no IO, no clock | [`exchange`], [`model`] |
//! | `store` | journals and state on disk; the only room that says sled | [`model`] |
//! | `engine` | the single writer: exchange → events → commit; the rules directory watched and swapped | all above |
//! | `deliver` | from the journal to the receivers: order, retries, signatures, the address guard | `store`, [`model`] |
//! | `proxy` | accept, forward, hygiene, upgrades, drain | HTTP, nothing of ours |
//! | `admin` | the operator's API on the control socket | all but `proxy` |
//! | `cli` | the commands | `app`, `admin`, [`rules`] |
//! | `app` | the composition root | everybody |
//!
//! Imports go one way only; `tests/it/tidy.rs` holds the list of arrows. Without the default feature `serve` only the rooms
//! [`exchange`], [`tap`], [`model`] and [`rules`] are built.
//!
//! # The way of one exchange
//!
//! 1. **accept**: `proxy` reads a request's head on one of the cores.
//! 2. **tap, request head**: the [`tap::Observer`] is asked whether anybody cares; if not, the exchange passes with one
//!    branch of cost. If so, its bodies are copied as they pass, forward first.
//! 3. **upstream**: `proxy` forwards to the shop and streams the answer back.
//! 4. **tap, response head**: rules that can no longer match drop out.
//! 5. **hold the end**: what lets the visitor go on waits for the commit, 250 ms at most.
//! 6. **engine**: conditions in parallel, then everything that reads state in order of arrival: [`rules::Ruleset::derive`].
//! 7. **commit**: the events are on disk, synced; then the visitor goes on.
//! 8. **deliver**: each webhook reads the journal from its own cursor.
//!
//! # What always holds
//!
//! * **The shop first.** No failure of ours reaches a visitor: a full queue, a full disk, a panic or a broken rule costs
//!   events (counted and noted), never an answer. Nothing of ours but the tap runs on the threads that forward traffic.
//! * **Nothing lost.** If a visitor saw the whole answer, its events are on disk, unless the shop had to go first.
//! * **Events are immutable.** Their bodies and the webhooks that want them are decided once, when they happen.
//! * **State is replayable.** Every change of state is an absolute put or delete carried by a journal record; applying the
//!   journal again is harmless.
//! * **Rules are swapped whole.** An edit that does not compile changes nothing.
//! * **Every bound has a name, a unit and a counter.**
//! * **Time is an argument.** Only [`clock`] asks the machine.
//!
//! # The tap alone
//!
//! A Rust shop needs no proxy: see [`tap`] and `examples/embed_axum.rs`.

pub mod clock;
pub mod diagnostic;
pub mod exchange;
pub mod id;
pub mod model;
pub mod rules;
pub mod tap;

#[cfg(feature = "serve")]
pub mod admin;
#[cfg(feature = "serve")]
pub mod app;
#[cfg(feature = "serve")]
pub mod cli;
#[cfg(feature = "serve")]
pub mod deliver;
#[cfg(feature = "serve")]
pub mod engine;
#[cfg(feature = "serve")]
pub mod mac;
#[cfg(feature = "serve")]
pub mod proxy;
#[cfg(feature = "serve")]
pub mod settings;
#[cfg(feature = "serve")]
pub mod store;
