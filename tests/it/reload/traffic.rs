use std::fs;

use super::in_force;
use crate::support::house::{House, form};
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Scripted, eventually};

fn rules(version: &str, receiver: &Receiver) -> String {
    format!(
        "[event.{version}]\non = \"POST /save\"\ntopic = \"product.saved\"\nid = \"{{{{ form.id }}}}\"\n\
         payload.version = \"{version}\"\n\
         [webhook.w]\ntopic = \"*\"\nurl = \"{}\"\nsecret = \"s\"\nretry = [\"2s\"]\n",
        receiver.url("/")
    )
}

/// A request whose head came before the swap is judged by the rules it began with; the connection lives on; a delivery that waits
/// for its retry goes out as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_connections_and_deliveries_are_not_disturbed() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let shop = Scripted::start(move |turn| {
        while turn.request().is_some() {
            if wait.lock().unwrap().recv().is_err() {
                return;
            }
            turn.peer.send("HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let mut receiver = Receiver::start(vec![Answer::status(500), Answer::status(200)]).await;
    let house = House::open(&shop, &rules("old", &receiver)).await;
    let mut visitor = house.visitor();
    let idle = house.visitor();

    visitor.send(form("/save", "id=1"));
    go.send(()).unwrap();
    visitor.answer();
    let failed = receiver.delivery().await;

    visitor.send(form("/save", "id=2"));
    eventually("the shop has it", || shop.requests().len() == 2);
    fs::write(house.rules().join("rules.toml"), rules("new", &receiver)).unwrap();
    in_force(&house, "swapped", &["new"]);
    go.send(()).unwrap();
    visitor.answer();
    visitor.send(form("/save", "id=3"));
    go.send(()).unwrap();
    visitor.answer();

    let events = house.wait_for_events(3).await;
    let told: Vec<_> = events.iter().map(|event| (event.id.as_deref().unwrap(), event.rule.as_str())).collect();
    assert_eq!(told, [("1", "old"), ("2", "old"), ("3", "new")]);
    assert_eq!(house.metric("shopbell_proxy_connections_total"), 2);
    assert_eq!(house.metric("shopbell_proxy_open_connections"), 2, "the idle one too");
    drop(idle);

    let mut got = Vec::new();
    for _ in 0..3 {
        let received = receiver.delivery().await;
        got.push((String::from_utf8(received.body.clone()).unwrap(), received));
    }
    let again = got.iter().find(|(body, _)| body.starts_with("{\"id\":1,")).expect("the first is repeated");
    let id = "X-WC-Webhook-Delivery-ID";
    assert_eq!((again.1.header(id), &again.1.body), (failed.header(id), &failed.body));
    house.close().await;
}
