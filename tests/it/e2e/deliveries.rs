use shopbell::mac;
use shopbell::model::{Status, WebhookId};

use crate::support::house::{House, form};
use crate::support::receiver::{Answer, Received, Receiver};
use crate::support::upstream::{Scripted, eventually};

const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n";

fn rules(receiver: &Receiver, more: &str) -> String {
    format!(
        r#"
[shop]
url = "https://tea.example/"
[event.saved]
on = "POST /save"
topic = "product.updated"
id = "{{{{ form.id }}}}"
payload.name = "{{{{ form.name }}}}"
payload.price = "{{{{ form.price | money }}}}"
payload.path = "a/b"
[event.deleted]
on = "POST /delete"
topic = "product.deleted"
id = "{{{{ form.id }}}}"
[event.added]
on = "POST /cart"
topic = "action.woocommerce_add_to_cart"
resource = "product"
id = "{{{{ form.id }}}}"
[webhook.erp]
topic = "*"
url = "{}"
secret = "s3cr3t"
{more}
"#,
        receiver.url("/in")
    )
}

fn number(received: &Received) -> u64 {
    let body: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
    body["price"].as_str().unwrap().split('.').next().unwrap().parse().unwrap()
}

/// The bytes as WooCommerce sends them, from a form to the socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receiver_gets_woocommerces_bytes() {
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    let shop = Scripted::answering(FOUND);
    let house = House::open(&shop, &rules(&receiver, "")).await;
    let ping = receiver.any().await;
    assert_eq!((ping.body.as_slice(), ping.header("X-WC-Webhook-Topic")), (&b"webhook_id=1"[..], None));
    let mut visitor = house.visitor();
    let mut bodies = Vec::new();
    for request in [form("/save", "id=7&name=Gr%C3%BCn&price=9.5"), form("/delete", "id=7"), form("/cart", "id=7")] {
        visitor.send(request);
        visitor.answer();
        let got = receiver.delivery().await;
        let header = |name: &str| got.header(name).unwrap_or_else(|| panic!("{name} is missing in {:#?}", got.lines));
        assert_eq!(got.lines[0], "POST /in HTTP/1.1");
        assert_eq!(header("Content-Type"), "application/json");
        assert_eq!(header("X-WC-Webhook-Source"), "https://tea.example/");
        assert_eq!(header("X-WC-Webhook-ID"), "1");
        assert!(
            header("User-Agent").starts_with("WooCommerce/") && header("User-Agent").contains(" Hookshot (WordPress/")
        );
        assert_eq!(header("X-WC-Webhook-Delivery-ID").len(), 32);
        assert_eq!(header("webhook-id"), header("X-WC-Webhook-Delivery-ID"));
        assert!(mac::verify_base64(b"s3cr3t", &got.body, header("X-WC-Webhook-Signature")), "{:#?}", got.lines);
        let topic = header("X-WC-Webhook-Topic").to_owned();
        assert_eq!(topic, format!("{}.{}", header("X-WC-Webhook-Resource"), header("X-WC-Webhook-Event")));
        bodies.push((topic, String::from_utf8(got.body.clone()).unwrap()));
    }
    let (topic, saved) = &bodies[0];
    assert_eq!(topic, "product.updated");
    let event = &house.events().await[0];
    assert_eq!(saved, event.body.get());
    let at = |name: &str| serde_json::from_str::<serde_json::Value>(saved).unwrap()[name].as_str().unwrap().to_owned();
    let expected = format!(
        r#"{{"id":7,"date_created":"{0}","date_created_gmt":"{0}","date_modified":"{1}","date_modified_gmt":"{1}","name":"Grün","price":"9.50","path":"a/b"}}"#,
        at("date_created"),
        at("date_modified")
    );
    assert_eq!(*saved, expected);
    assert_eq!(bodies[1], ("product.deleted".into(), r#"{"id":7}"#.into()));
    let action = ("action.woocommerce_add_to_cart".into(), r#"{"action":"woocommerce_add_to_cart","arg":7}"#.into());
    assert_eq!(bodies[2], action);
    house.close().await;
}

/// A receiver that fails at first gets one resource's events in order, under the same id when repeated; others do not wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_resources_events_come_in_order_while_others_overtake() {
    let mut receiver = Receiver::start(vec![Answer::status(500), Answer::status(200)]).await;
    let shop = Scripted::answering(FOUND);
    let house = House::open(&shop, &rules(&receiver, "retry = [\"1s\"]")).await;
    let mut visitor = house.visitor();
    let mut post = |id: u64, n: u64| {
        visitor.send(form("/save", &format!("id={id}&price={n}")));
        visitor.answer();
    };
    post(1, 1);
    let failed = receiver.delivery().await;
    assert_eq!(number(&failed), 1);
    for n in 2..=5 {
        post(1, n);
    }
    post(2, 100);
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(receiver.delivery().await);
    }
    let numbers: Vec<u64> = seen.iter().map(number).collect();
    assert_eq!(numbers, [100, 1, 2, 3, 4, 5], "another resource goes first, this one keeps its order");
    let id = |received: &Received| received.header("X-WC-Webhook-Delivery-ID").unwrap().to_owned();
    assert_eq!(id(&failed), id(&seen[1]), "a repeat is the same delivery");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_paused_disabled_by_failures_and_enabled_again() {
    let answers = vec![Answer::status(200), Answer::status(500), Answer::status(500), Answer::status(200)];
    let mut receiver = Receiver::start(answers).await;
    let shop = Scripted::answering(FOUND);
    let more = "retry = []\nmax_delivery_failures = 2";
    let house = House::open(&shop, &rules(&receiver, more)).await;
    let mut visitor = house.visitor();
    let mut post = |n: u64| {
        visitor.send(form("/save", &format!("id=1&price={n}")));
        visitor.answer();
    };
    let webhook = WebhookId(1);
    let act = |action: &str| {
        let answer = crate::support::house::control(&house.running.control, &format!("POST /v1/webhooks/erp/{action}"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{action}: {answer}");
    };
    let status = || house.running.store.health(webhook).status(Status::Active, &receiver.url("/in"));
    // Paused: what happens meanwhile is not for it.
    act("pause");
    assert_eq!(status(), Status::Paused);
    post(1);
    act("resume");
    post(2);
    assert_eq!(number(&receiver.delivery().await), 2);
    // Two failed deliveries in a row disable it; what comes then is held.
    post(3);
    assert_eq!(number(&receiver.delivery().await), 3);
    post(4);
    assert_eq!(number(&receiver.delivery().await), 4);
    eventually("it is disabled", || house.running.store.health(webhook).overlay.is_some());
    let url = receiver.url("/in");
    assert_eq!(house.running.store.health(webhook).status(Status::Active, &url), Status::Disabled);
    house.wait_for_notice("disabled").await;
    post(5);
    post(6);
    // It stays so over a restart, and what is held is there afterwards.
    let house = house.restart().await;
    assert_eq!(house.running.store.health(webhook).status(Status::Active, &url), Status::Disabled);
    let answer = crate::support::house::control(&house.running.control, "POST /v1/webhooks/erp/enable");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(number(&receiver.delivery().await), 5);
    assert_eq!(number(&receiver.delivery().await), 6);
    eventually("the failures are forgotten", || house.running.store.health(webhook).failure_count == 0);
    house.close().await;
}
