//! A fast shop and receiver to measure against: `cargo run --release --example bench_origin -- 127.0.0.1:9100`.
//!
//! GET answers 1 KB of HTML, POST below `/admin/` a redirect as the demo shop's product form does, any other POST 200.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

const PAGE: &[u8] = &[b'x'; 1024];

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let _ = body.collect().await;
    let response = if head.method == Method::GET {
        Response::builder().header(header::CONTENT_TYPE, "text/html").body(Full::new(Bytes::from_static(PAGE)))
    } else if head.uri.path().starts_with("/admin/") {
        let location = format!("{}?saved=7", head.uri.path());
        Response::builder().status(302).header(header::LOCATION, location).body(Full::default())
    } else {
        Response::builder().body(Full::default())
    };
    Ok(response.expect("the parts are constant"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9100)));
    let listener = tokio::net::TcpListener::bind(address).await?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        let _ = stream.set_nodelay(true);
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(async move { connection.await.ok() });
    }
}
