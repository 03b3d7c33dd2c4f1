//! Where an answer is observed and held: pure decisions on heads.

use http::{HeaderMap, Method, StatusCode, header};

use super::Interest;
use crate::exchange::{RequestHead, ResponseHead};

/// What the tap does with a candidate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nobody wants it any more: it passes.
    Pass,
    /// Observe now, hold the head.
    AtHead,
    /// Read the body first (to a limit), observe, hold the head.
    ReadAhead,
    /// Let everything pass but the end, which is held.
    AtEnd,
}

/// Decides. `whole`: the request's body has ended; `over`: the answer has no body still to come.
pub(super) fn plan(interest: Interest, response: &ResponseHead, may_hold: bool, whole: bool, over: bool) -> Plan {
    let redirect = may_hold && response.status.is_redirection();
    match interest {
        Interest::Nothing => Plan::Pass,
        Interest::Head | Interest::Body if over => Plan::AtHead,
        // While the request is still coming, what the rules read of it is not there yet, and a held head could keep the
        // visitor from sending it (shops may answer early): look again when the answer ends.
        Interest::Head => {
            if whole {
                Plan::AtHead
            } else {
                Plan::AtEnd
            }
        }
        // A browser follows a redirect at its head, without waiting for the body.
        Interest::Body => {
            if redirect {
                Plan::ReadAhead
            } else {
                Plan::AtEnd
            }
        }
    }
}

/// Whether holding this answer back does no harm: not for event streams, interim answers, and connections that become
/// something else (RFC 9110 sections 7.8 and 9.3.6).
pub(super) fn may_hold(request: &RequestHead, response: &ResponseHead) -> bool {
    let streamed = media_type(&response.headers).eq_ignore_ascii_case("text/event-stream");
    !streamed && !is_switched(request, response)
}

/// Whether no body follows this head, whatever its header lines say (RFC 9112 section 6.3).
pub(super) fn is_bodiless(request: &RequestHead, response: &ResponseHead) -> bool {
    let bodiless = matches!(response.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    bodiless || request.method == Method::HEAD || is_switched(request, response)
}

/// The length the head announces, if it is one number.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn is_switched(request: &RequestHead, response: &ResponseHead) -> bool {
    response.status.is_informational() || request.method == Method::CONNECT && response.status.is_success()
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(method: &str, status: u16, content_type: &str) -> (RequestHead, ResponseHead) {
        let request = http::Request::builder().method(method).body(()).expect("a method");
        let response = http::Response::builder().status(status).header(header::CONTENT_TYPE, content_type).body(());
        let (request, response) = (request.into_parts().0, response.expect("a status").into_parts().0);
        (RequestHead::of(&request), ResponseHead::of(&response))
    }

    #[test]
    fn answers_are_observed_where_the_visitor_would_go_on() {
        use Interest::{Body, Head, Nothing};
        let rows = [
            // interest, status, request whole, answer over → plan
            (Nothing, 302, true, true, Plan::Pass),
            (Body, 302, true, false, Plan::ReadAhead),
            (Body, 302, true, true, Plan::AtHead),
            (Body, 200, true, false, Plan::AtEnd),
            (Body, 200, true, true, Plan::AtHead),
            (Head, 200, true, false, Plan::AtHead),
            (Head, 302, false, false, Plan::AtEnd),
            (Head, 302, false, true, Plan::AtHead),
        ];
        for (interest, status, whole, over, expected) in rows {
            let (_, response) = heads("POST", status, "text/html");
            let got = plan(interest, &response, true, whole, over);
            assert_eq!(got, expected, "{interest:?} {status} whole {whole} over {over}");
        }
    }

    #[test]
    fn streams_and_switched_connections_are_never_held() {
        let rows = [
            ("GET", 200, "text/html", true, false),
            ("GET", 200, "Text/Event-Stream; charset=utf-8", false, false),
            ("GET", 101, "", false, true),
            ("CONNECT", 200, "", false, true),
            ("CONNECT", 403, "", true, false),
            ("HEAD", 200, "text/html", true, true),
            ("GET", 304, "text/html", true, true),
            ("POST", 204, "", true, true),
        ];
        for (method, status, kind, holds, bodiless) in rows {
            let (request, response) = heads(method, status, kind);
            assert_eq!(may_hold(&request, &response), holds, "{method} {status} {kind}");
            assert_eq!(is_bodiless(&request, &response), bodiless, "{method} {status} {kind}");
        }
    }
}
