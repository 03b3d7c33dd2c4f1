//! cargo run --example embed_hyper
//!
//! A plain hyper server with a tap before its service: every exchange is printed, the visitor's answer held until then.
//! Then, say: `curl -d product=7 http://127.0.0.1:3000/cart/add`
#![expect(clippy::print_stdout, reason = "an example speaks to a terminal")]

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use shopbell::tap::{RequestBody, TapLayer, observe_fn};
use tower::{Layer, service_fn};

/// The service: it knows nothing of the tap but the type of its requests' bodies.
async fn shop(request: Request<RequestBody<Incoming>>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let sent = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Full::from(format!("{path} took {} bytes\n", sent.len()))))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let layer = TapLayer::new(observe_fn(|exchange, release| {
        let (sent, got) = (&exchange.request_body, &exchange.response_body);
        println!(
            "{} {} {}: {} bytes sent, {} bytes got, {:?}",
            exchange.at, exchange.request.method, exchange.request.uri, sent.total, got.total, exchange.end
        );
        release.release();
    }));
    let (counters, service) = (layer.counters(), layer.layer(service_fn(shop)));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("a shop on http://127.0.0.1:3000");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let service = TowerToHyperService::new(service.clone());
        let counters = counters.clone();
        tokio::spawn(async move {
            // Errors here are visitors who left; the tap has told its observer.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            println!("{} exchanges observed so far", counters.observed.load(Ordering::Relaxed));
        });
    }
}
