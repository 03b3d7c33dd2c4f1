//! What can go wrong between a visitor and the shop, and whose side it was.

use std::io;

use http::StatusCode;
use thiserror::Error;

/// Whose side an error was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The shop.
    Upstream,
    /// The visitor.
    Downstream,
}

/// Why a request was not answered by the shop, or a body broke off.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProxyError {
    /// No connection: refused, unreachable, no such name or socket.
    #[error("no connection to the shop: {0}")]
    Connect(io::ErrorKind),
    /// No connection within the time.
    #[error("the shop did not accept the connection in time")]
    ConnectTimeout,
    /// No answer within the time.
    #[error("the shop did not begin its answer in time")]
    AnswerTimeout,
    /// The connection ended before an answer.
    #[error("the shop closed the connection before it answered")]
    Closed,
    /// The answer's head is not HTTP/1.
    #[error("the shop's answer is not HTTP")]
    NotHttp,
    /// The answer is under a transfer coding that cannot be passed on.
    #[error("the shop's answer uses a transfer coding other than chunked")]
    Coding,
    /// A 101 nobody asked for, or for another protocol.
    #[error("the shop switched to a protocol the visitor did not ask for")]
    Switched,
    /// The answer's body broke off.
    #[error("the shop's answer broke off")]
    AnswerCut,
    /// The answer's body did not go on.
    #[error("the shop's answer stalled")]
    AnswerStalled,
    /// The request's body broke off or was malformed.
    #[error("the request's body broke off or is malformed")]
    RequestCut,
    /// The request's body did not go on.
    #[error("the request's body stalled")]
    RequestStalled,
}

impl ProxyError {
    /// Whose side it was on.
    pub fn side(&self) -> Side {
        match self {
            Self::RequestCut | Self::RequestStalled => Side::Downstream,
            _ => Side::Upstream,
        }
    }

    /// The status the visitor gets when there is no answer yet: 502 or 504 for the shop's side, 400 or 408 for the visitor's
    /// (RFC 9110 15.5.1, 15.5.9, 15.6.3, 15.6.5).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::AnswerTimeout | Self::AnswerStalled => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestCut => StatusCode::BAD_REQUEST,
            Self::RequestStalled => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// What the visitor is told: nothing of addresses or causes.
    pub(super) fn text(&self) -> &'static str {
        match self.status() {
            StatusCode::GATEWAY_TIMEOUT => "The shop did not answer in time. Please try again.\n",
            StatusCode::BAD_REQUEST => "The request's body broke off or is malformed.\n",
            StatusCode::REQUEST_TIMEOUT => "The request's body did not arrive in time.\n",
            _ => "The shop cannot be reached at the moment. Please try again.\n",
        }
    }
}
