//! Why a process does not run.

use std::net::SocketAddr;

use crate::admin;
use crate::diagnostic::Diagnostic;
use crate::engine::StartError;
use crate::store::StoreError;

/// Why a process does not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Something in the settings cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another address with --listen, or stop what listens there")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The data directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rules directory; the faults are in it.
    #[error(transparent)]
    Rules(#[from] StartError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] admin::ControlError),
    /// A thread or a runtime could not be made.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl AppError {
    /// The faults of the rules directory, where those are why.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Rules(StartError::Faults { diagnostics, .. }) => diagnostics,
            _ => &[],
        }
    }
}

pub(super) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> AppError {
    let what = what.into();
    move |source| AppError::System { what, source }
}
