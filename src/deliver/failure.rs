//! What kind of failure an error is, by its causes, and what to tell people.

use std::error::Error;
use std::io;

use super::connector::{ConnectError, Fault};
use super::tls;
use crate::model::FailureClass;

/// An error with everything that caused it.
#[derive(Debug)]
pub(super) struct Causes<'a>(Vec<&'a (dyn Error + 'static)>);

impl<'a> Causes<'a> {
    pub(super) fn of(error: &'a (dyn Error + 'static)) -> Self {
        let (mut causes, mut next) = (Vec::new(), Some(error));
        while let Some(cause) = next {
            causes.push(cause);
            next = cause.source();
        }
        Self(causes)
    }

    /// Why there was no connection, where that is what failed.
    pub(super) fn connect(&self) -> Option<&'a ConnectError> {
        self.0.iter().find_map(|cause| cause.downcast_ref())
    }

    /// The class, and a text for people.
    pub(super) fn classify(&self) -> (FailureClass, String) {
        if let Some(connect) = self.connect() {
            return (connect_class(&connect.fault), connect.to_string());
        }
        if let Some(tls) = self.0.iter().find_map(|cause| tls::inside(*cause)) {
            return (FailureClass::Tls, format!("TLS failed: {}", tls::explain(tls)));
        }
        let text = self.0.last().map_or_else(String::new, ToString::to_string);
        let http = self.0.iter().find_map(|cause| cause.downcast_ref::<hyper::Error>());
        match http {
            Some(http) if http.is_parse() => (FailureClass::Protocol, format!("the answer is no HTTP: {text}")),
            Some(http) if http.is_incomplete_message() => {
                (FailureClass::Reset, "the receiver closed the connection before the answer was whole".to_owned())
            }
            _ => match self.0.iter().find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind) {
                Some(io::ErrorKind::InvalidData) => (FailureClass::Protocol, format!("the answer is no HTTP: {text}")),
                Some(_) => (FailureClass::Reset, format!("the connection broke: {text}")),
                None => (FailureClass::Protocol, text),
            },
        }
    }
}

fn connect_class(fault: &Fault) -> FailureClass {
    match fault {
        Fault::Dns(..) => FailureClass::Dns,
        Fault::Blocked(_) => FailureClass::Blocked,
        Fault::Refused(..) => FailureClass::Connect,
        Fault::TimedOut(_) | Fault::TlsTimedOut => FailureClass::ConnectTimeout,
        Fault::Tls(_) | Fault::Keys(_) | Fault::Name(_) => FailureClass::Tls,
    }
}
