//! The tower service that forwards one request to the shop.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, sleep};
use tower_service::Service;

use super::answer::{Source, Task, UpstreamBody, counted};
use super::link::Link;
use super::outgoing::{Outgoing, Progress, Stage};
use super::pool::Pool;
use super::tunnel::{Tunnel, Visitor};
use super::{Counters, ProxyError, Shared, forwarded, hygiene, target};

/// A kept connection idle for this long may just be closing: a request that can be repeated is kept for that case.
/// Busier connections spare themselves the copy until one was found closed once.
const REPEATABLE_AFTER: Duration = Duration::from_millis(5);

/// The tower service that forwards one request to the shop. One per core; clones share that core's pool.
///
/// Takes the visitor's address from the [`Visitor`] among the request's extensions; without one it adds no forwarding headers and
/// passes no upgrade. It must be called on the runtime its connections live on.
#[derive(Clone, Debug)]
pub struct Upstream {
    pool: Arc<Pool>,
}

impl Upstream {
    /// For one core.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { pool: Pool::new(shared) }
    }
}

impl<B> Service<Request<B>> for Upstream
where
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<UpstreamBody>;
    type Error = ProxyError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<UpstreamBody>, ProxyError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let pool = Arc::clone(&self.pool);
        let (request, terms) = prepare(request, &pool.shared);
        Box::pin(async move {
            let answer = forward(&pool, request, terms).await;
            answer.map_err(|error| counted(error, &pool.shared.counters))
        })
    }
}

/// What the answer must be judged by, once the request is on its way.
struct Terms {
    /// How far the body is; `None` for no body.
    progress: Option<Arc<Progress>>,
    /// The protocols asked for, and the visitor's end of the upgrade.
    upgrade: Option<(HeaderValue, OnUpgrade, Visitor)>,
    /// The visitor speaks HTTP/1, so that `Connection` means something to it.
    http1: bool,
}

impl Terms {
    fn unfinished(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.stage() != Stage::Done)
    }
}

/// Makes the request that the shop gets.
fn prepare<B>(mut request: Request<B>, shared: &Shared) -> (Request<Outgoing>, Terms)
where
    B: Body<Data = Bytes> + Send + 'static,
{
    let visitor = request.extensions_mut().remove::<Visitor>();
    let switch = hyper::upgrade::on(&mut request);
    let (mut parts, body) = request.into_parts();
    let http1 = parts.version != Version::HTTP_2;
    target::origin_form(&mut parts);
    if !http1 {
        hygiene::join_cookies(&mut parts.headers);
    }
    let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let held = parts.version == Version::HTTP_11 && parts.headers.get(EXPECT).is_some_and(expects);
    let (body, progress) = Outgoing::new(body, held, shared.config.body_idle_timeout);
    let asked =
        (parts.version == Version::HTTP_11 && progress.is_none()).then(|| hygiene::upgrade_asked(&parts.headers));
    let chunked = parts.headers.contains_key(TRANSFER_ENCODING)
        || (progress.is_some() && !parts.headers.contains_key(CONTENT_LENGTH));
    hygiene::request(&mut parts.headers);
    if chunked {
        // hyper would take a GET without a length for one without a body.
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let upgrade = asked.flatten().zip(visitor.clone()).map(|(asked, visitor)| {
        parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(UPGRADE, asked.clone());
        (asked, switch, visitor)
    });
    if let Some(visitor) = visitor {
        forwarded::write(&mut parts.headers, visitor.address(), false, visitor.is_trusted());
    }
    parts.version = Version::HTTP_11;
    let mut request = Request::from_parts(parts, body);
    if let Some(progress) = progress.as_ref().filter(|_| held) {
        let progress = Arc::clone(progress);
        hyper::ext::on_informational(&mut request, move |answer| {
            if answer.status() == StatusCode::CONTINUE {
                progress.release();
            }
        });
    }
    (request, Terms { progress, upgrade, http1 })
}

async fn forward(
    pool: &Arc<Pool>,
    mut request: Request<Outgoing>,
    terms: Terms,
) -> Result<Response<UpstreamBody>, ProxyError> {
    if let Some((idle, mut link)) = pool.take() {
        let careful = idle >= REPEATABLE_AFTER || pool.wary.load(Ordering::Relaxed);
        let repeat = (careful && terms.progress.is_none()).then(|| repeatable(&request)).flatten();
        match exchange(&mut link, request, &terms, &pool.shared).await {
            Ok(answer) => return finish(pool, link, answer, terms).await,
            Err((error, unsent)) => {
                // Sent again only where the shop cannot have acted on it twice (RFC 9110 9.2.2).
                pool.wary.store(true, Ordering::Relaxed);
                let Some(again) = unsent.or(repeat).filter(|_| error == ProxyError::Closed) else { return Err(error) };
                Counters::count(&pool.shared.counters.retries);
                request = again;
            }
        }
    }
    let mut link = Link::open(&pool.shared).await?;
    let answer = exchange(&mut link, request, &terms, &pool.shared).await.map_err(|(error, _)| error)?;
    finish(pool, link, answer, terms).await
}

/// A copy of a request without a body whose method may be repeated.
fn repeatable(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    if !request.method().is_idempotent() {
        return None;
    }
    let mut copy = Request::new(Outgoing::none());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

/// Sends a request and waits for the head of its answer. A request that was never begun comes back with the error.
async fn exchange(
    link: &mut Link,
    request: Request<Outgoing>,
    terms: &Terms,
    shared: &Shared,
) -> Result<Response<Incoming>, (ProxyError, Option<Request<Outgoing>>)> {
    let limit = shared.config.answer_timeout;
    let mut answer = pin!(link.sender.try_send_request(request));
    let mut timer = pin!(sleep(limit));
    let mut frames = 0;
    let outcome = poll_fn(|cx| {
        let ended = link.poll(cx).is_ready();
        // The answer only ever comes out of the connection polled right here: it needs no waker.
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Poll::Ready(Some(answer));
        }
        if ended {
            // It ended before it took the request up.
            link.close();
            return answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(Some);
        }
        while timer.as_mut().poll(cx).is_ready() {
            // The clock starts anew with each piece of the request, and stands while the visitor owes the next.
            let progress = terms.progress.as_ref().map(|progress| (progress.frames(), progress.stage()));
            match progress {
                Some((now, stage)) if now != frames || stage == Stage::Awaiting => frames = now,
                _ => return Poll::Ready(None),
            }
            timer.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    })
    .await;
    match outcome {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(mut error)) => {
            let unsent = error.take_message();
            Err((judge(&error.into_error(), terms), unsent))
        }
        None => Err((ProxyError::AnswerTimeout, None)),
    }
}

fn judge(error: &hyper::Error, terms: &Terms) -> ProxyError {
    match terms.progress.as_ref().map(|progress| progress.stage()) {
        Some(Stage::Cut) => ProxyError::RequestCut,
        Some(Stage::Stalled) => ProxyError::RequestStalled,
        _ if error.is_parse() => ProxyError::NotHttp,
        _ => ProxyError::Closed,
    }
}

/// Makes the answer that the visitor gets.
async fn finish(
    pool: &Arc<Pool>,
    link: Box<Link>,
    answer: Response<Incoming>,
    terms: Terms,
) -> Result<Response<UpstreamBody>, ProxyError> {
    let (mut parts, incoming) = answer.into_parts();
    parts.version = Version::HTTP_11;
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return switch(pool, link, parts, terms).await;
    }
    if !hygiene::answer(parts.status, &mut parts.headers) {
        return Err(ProxyError::Coding);
    }
    let unfinished = terms.unfinished();
    if unfinished && terms.http1 {
        // The rest of the request may never be read: the next one could not be told from it.
        parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(progress) = &terms.progress {
        progress.refuse();
    }
    let body = if incoming.is_end_stream() {
        if !unfinished {
            pool.keep(link);
        }
        UpstreamBody::none(Arc::clone(pool))
    } else {
        let source = if unfinished { Source::Apart(Task::of(link)) } else { Source::Inline(link) };
        UpstreamBody::new(incoming, source, Arc::clone(pool))
    };
    Ok(Response::from_parts(parts, body))
}

/// Lets the visitor switch protocols, when that is what it asked for.
async fn switch(
    pool: &Arc<Pool>,
    mut link: Box<Link>,
    mut parts: http::response::Parts,
    terms: Terms,
) -> Result<Response<UpstreamBody>, ProxyError> {
    let (asked, end, visitor) = terms.upgrade.ok_or(ProxyError::Switched)?;
    if !hygiene::upgrade_fits(&asked, &parts.headers) {
        return Err(ProxyError::Switched);
    }
    let taken = parts.headers.get(UPGRADE).cloned().unwrap_or(asked);
    poll_fn(|cx| link.poll(cx)).await;
    let (shop, early) = link.into_stream().ok_or(ProxyError::Closed)?;
    parts.extensions.remove::<OnUpgrade>();
    if !hygiene::answer(parts.status, &mut parts.headers) {
        return Err(ProxyError::Coding);
    }
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    parts.headers.insert(UPGRADE, taken);
    visitor.leave(Tunnel { visitor: end, shop, early });
    Ok(Response::from_parts(parts, UpstreamBody::none(Arc::clone(pool))))
}
