//! cargo run --example embed_axum
//!
//! An axum shop that is watched from inside: what changes something is printed, once it is done.
//! Then, say: `curl -d name=Oolong -d price=7.50 http://127.0.0.1:3000/products`
#![expect(clippy::print_stdout, reason = "an example speaks to a terminal")]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::get;
use http::Method;
use shopbell::exchange::{Exchange, RequestHead, ResponseHead};
use shopbell::tap::{Interest, Observer, Release, TapLayer};
use tokio::sync::mpsc;

type Products = Arc<Mutex<Vec<String>>>;

/// Wants what changes something and was not refused; hands it to a printer.
#[derive(Clone)]
struct Printer {
    printer: mpsc::Sender<(Exchange, Release)>,
}

impl Observer for Printer {
    type Ticket = ();

    fn wants(&self, request: &RequestHead) -> Option<()> {
        (request.method == Method::POST).then_some(())
    }

    fn narrow(&self, (): &mut (), _request: &RequestHead, response: &ResponseHead) -> Interest {
        // The request's form and the response's head are enough: the answer is observed, and held, at its head.
        if response.status.is_client_error() { Interest::Nothing } else { Interest::Head }
    }

    fn observe(&self, (): (), exchange: Exchange, release: Release) {
        // Never wait here. If the queue is full the exchange is lost, and the release with it: the visitor goes on.
        let _ = self.printer.try_send((exchange, release));
    }
}

async fn list(State(products): State<Products>) -> String {
    products.lock().expect("no panic while locked").join("\n")
}

async fn create(State(products): State<Products>, form: String) -> Redirect {
    products.lock().expect("no panic while locked").push(form);
    Redirect::to("/products")
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (printer, mut exchanges) = mpsc::channel::<(Exchange, Release)>(1024);
    tokio::spawn(async move {
        while let Some((exchange, release)) = exchanges.recv().await {
            let status = exchange.response.as_ref().map(|response| response.status);
            let form = String::from_utf8_lossy(&exchange.request_body.bytes);
            println!("{} {} {} {status:?}: {form}", exchange.at, exchange.request.method, exchange.request.path());
            release.release(); // only now does the visitor get the answer
        }
    });

    let shop = Router::new()
        .route("/products", get(list).post(create))
        .layer(TapLayer::new(Printer { printer }))
        .with_state(Products::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("a shop on http://{}", listener.local_addr()?);
    axum::serve(listener, shop).await
}
