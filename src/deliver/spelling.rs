//! Header names spelt as WooCommerce spells them.
//!
//! hyper sends names in lower case. It can write them as it once read them, but what it remembers has a private type: so a
//! sample request is read once by hyper's own server over a pipe in memory, and what it remembered is put into every
//! request that goes out. (hyper issue 2695; nothing of hyper is copied or patched.)

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Extensions, HeaderName, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::request;

/// Names that would change how the sample itself is read.
const FRAMING: &[&str] = &["transfer-encoding", "connection", "upgrade", "expect", "content-length", "host"];

/// Bytes that the pipe holds.
const PIPE_BYTES: usize = 16 * 1024;

/// What a request must carry so that our headers, and `extra` ones of a webhook, are written as they are spelt here. Where
/// something is wrong with a name, names go out in lower case, which HTTP says means the same.
pub(super) async fn learn(extra: &[(String, String)]) -> Extensions {
    let mut sample = String::from("POST / HTTP/1.1\r\n");
    let extra = extra.iter().map(|(name, _)| name.as_str()).filter(|name| {
        let known = request::SPELLING.iter().chain(FRAMING).any(|ours| ours.eq_ignore_ascii_case(name));
        !known && HeaderName::try_from(*name).is_ok()
    });
    let names: Vec<&str> = request::SPELLING.iter().copied().chain(extra).collect();
    for name in &names {
        let _ = write!(sample, "{name}: 0\r\n");
    }
    sample.push_str("\r\n");
    let learnt = Arc::new(Mutex::new(Extensions::new()));
    let service = service_fn(|request: Request<Incoming>| {
        *learnt.lock().unwrap_or_else(PoisonError::into_inner) = request.into_parts().0.extensions;
        std::future::ready(Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let (mut client, server) = tokio::io::duplex(PIPE_BYTES);
    let mut reader = http1::Builder::new();
    reader.preserve_header_case(true).keep_alive(false).max_headers(names.len() + 1);
    let send = async {
        client.write_all(sample.as_bytes()).await?;
        client.read_to_end(&mut Vec::new()).await
    };
    // Neither side can fail in memory but for a name hyper refuses; then there is just nothing learnt.
    let _ = tokio::join!(reader.serve_connection(TokioIo::new(server), service), send);
    std::mem::take(&mut *learnt.lock().unwrap_or_else(PoisonError::into_inner))
}
