//! Signed requests as they would go out, one a line: what independent verifiers are given
//! (`tests/conformance/signatures.sh`). Shows how to put a client of one's own under the delivery side.

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use shopbell::clock::{Clock, Timestamp};
use shopbell::deliver::{BoxError, Client, Deliverer};
use shopbell::id::{EventUid, WebhookId};
use shopbell::model::record::EventEntry;
use shopbell::model::{Event, Identity, OldSecret, Secret, Webhook};
use shopbell::store::{Options, Store};
use tokio::sync::{mpsc, watch};

const BODIES: [&str; 3] =
    ["{\"id\":42}", "{\"name\":\"緑茶 & <b>té</b>\",\"permalink\":\"https://shop.example/p/7\"}", "{}"];

/// Secrets as people write them: the one in force, and those of before.
const SECRETS: [(&str, &[&str]); 4] = [
    ("s3cr3t with spaces & ünïcode", &[]),
    ("the new one", &["the old one", "one older still"]),
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &[]),
    ("whsec_c2hvcGJlbGwgcGFkZGluZw", &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
];

fn webhook(index: usize) -> Webhook {
    let (secret, old) = SECRETS[index];
    let id = WebhookId(u64::try_from(index + 1).unwrap_or_default());
    let old = old
        .iter()
        .map(|old| OldSecret { secret: Secret::new((*old).to_owned()), until: Timestamp::from_millis(i64::MAX) });
    Webhook {
        secret: Secret::new(secret.to_owned()),
        old_secrets: old.collect(),
        wordpress_json: index % 2 == 1,
        ..Webhook::new(id, &format!("hook-{id}"), "https://receiver.example/in")
    }
}

fn event(body: &str) -> Result<Event, Box<dyn Error>> {
    Ok(Event {
        uid: EventUid::random(),
        at: Timestamp::default(),
        topic: "order.updated".parse()?,
        resource: "order".into(),
        id: None,
        key: Map::new(),
        group: ("order".into(), Identity::None),
        body: RawValue::from_string(body.to_owned())?,
        rule: "example".into(),
        webhooks: (1..).map(WebhookId).take(SECRETS.len()).collect(),
        source: String::new(),
    })
}

/// A client that sends nothing: it hands every request over and says 200.
fn client(requests: mpsc::Sender<Value>) -> Client {
    Client::new(tower::service_fn(move |request: Request<Full<Bytes>>| {
        let requests = requests.clone();
        async move {
            let (head, body) = request.into_parts();
            let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes())))
            };
            let headers: Map<String, Value> = head.headers.iter().map(text).collect();
            let body = body.collect().await?.to_bytes();
            requests.send(json!({ "headers": headers, "body": String::from_utf8_lossy(&body) })).await?;
            Ok(Response::new(Empty::new().map_err(BoxError::from).boxed_unsync()))
        }
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let data = tempfile::tempdir()?;
    let (store, _) = Store::open(data.path(), Options::default(), Clock::System)?;
    let webhooks: Vec<Arc<Webhook>> = (0..SECRETS.len()).map(|index| Arc::new(webhook(index))).collect();
    let (_in_force, webhooks) = watch::channel(Arc::new(webhooks));
    let (stop, stopping) = watch::channel(false);
    let (sender, mut requests) = mpsc::channel(1);
    let deliverer = Deliverer::start_with(client(sender), store.clone(), webhooks, Clock::System, stopping);
    // A new webhook starts at the head of the journal: it must have looked before the first event is there.
    deliverer.backlog(WebhookId(1)).await;
    let events: Vec<EventEntry> = BODIES
        .iter()
        .map(|body| event(body).map(|event| EventEntry::Event(Box::new(event))))
        .collect::<Result<_, _>>()?;
    store.commit(events, Vec::new()).await?;
    let mut left = BODIES.len() * SECRETS.len();
    while left > 0 {
        let Some(mut request) = requests.recv().await else { break };
        let Some(id) = request["headers"]["x-wc-webhook-id"].as_str() else { continue }; // a ping
        let (secret, old) = SECRETS[id.parse::<usize>()? - 1];
        request["secret"] = secret.into();
        request["old"] = json!(old);
        writeln!(std::io::stdout().lock(), "{request}")?;
        left -= 1;
    }
    stop.send_replace(true);
    deliverer.stopped().await;
    store.close().await;
    Ok(())
}
