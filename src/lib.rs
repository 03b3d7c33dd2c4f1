//! shopbell.

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
