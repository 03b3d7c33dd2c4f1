//! Somebody edits the rules while deliveries wait: the real rules directory, the real deliverer, real sockets.

use std::fs;
use std::path::Path;

use shopbell::clock::Clock;
use shopbell::deliver::Deliverer;
use shopbell::engine::{EngineCounters, Rules};
use shopbell::id::WebhookId;
use shopbell::mac;
use shopbell::model::record::EventEntry;
use shopbell::store::{Options, Store};
use tokio::sync::watch;

use super::real::loopback;
use super::rig::event;
use crate::support::receiver::{Answer, Receiver};

struct Shop {
    rules: Rules,
    store: Store,
    deliverer: Deliverer,
    _stop: watch::Sender<bool>,
}

impl Shop {
    async fn open(dir: &Path, data: &Path) -> Self {
        let (store, _) = Store::open(data, Options::default(), Clock::System).expect("the store opens");
        let (stop, stopping) = watch::channel(false);
        let counters = EngineCounters::default();
        let started = Rules::start(dir, data, store.clone(), Clock::System, counters, stopping.clone()).await;
        let (rules, _watching) = started.expect("the rules load");
        let deliverer = Deliverer::start(store.clone(), rules.webhooks(), loopback(), Clock::System, stopping);
        deliverer.backlog(WebhookId(1)).await;
        Self { rules, store, deliverer, _stop: stop }
    }

    async fn event(&self, order: &str) {
        let event = event(order, &[1]);
        self.store.commit(vec![EventEntry::Event(Box::new(event))], Vec::new()).await.expect("the store writes");
    }

    async fn edit(&self, dir: &Path, text: &str) {
        fs::write(dir.join("w.toml"), text).unwrap();
        let report = self.rules.reload().await.expect("it runs");
        assert!(report.ok, "{:?}", report.diagnostics);
        self.deliverer.backlog(WebhookId(1)).await;
    }
}

fn table(name: &str, url: &str, more: &str) -> String {
    format!("[webhook.{name}]\ntopic = \"order.*\"\nurl = \"{url}\"\nsecret = \"s\"\n{more}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_with_a_backlog_is_paused_repointed_renamed_removed_and_put_back() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dead = Receiver::start(vec![Answer::status(500)]).await;
    let mut alive = Receiver::start(vec![Answer::status(200)]).await;
    let (bad, good) = (dead.url("/"), alive.url("/"));
    fs::write(dir.path().join("w.toml"), table("erp", &bad, "")).unwrap();
    let shop = Shop::open(dir.path(), data.path()).await;
    for order in 1..=30 {
        shop.event(&order.to_string()).await;
    }
    let open = |shop: &Shop| shop.store.health(WebhookId(1)).probe_due().is_some();
    while !open(&shop) {
        tokio::task::yield_now().await;
    }
    // Paused: nothing goes out, nothing is lost.
    shop.edit(dir.path(), &table("erp", &bad, "status = \"paused\"")).await;
    // Repointed while paused, then active again: everything of before goes to the new address, in order.
    shop.edit(dir.path(), &table("erp", &good, "status = \"paused\"")).await;
    shop.event("31").await;
    assert_eq!(shop.store.health(WebhookId(1)).status(shopbell::model::Status::Paused, &good).as_str(), "paused");
    // Removed with its backlog, under another name that starts afresh: the old one rests.
    shop.edit(dir.path(), &table("crm", &good, "")).await;
    assert_eq!(shop.rules.active().webhooks[0].id, WebhookId(2), "a new NAME is a new webhook");
    let ping = alive.any().await;
    assert_eq!(ping.body, b"webhook_id=2");
    // Put back by its name: id, cursor and backlog are its own.
    shop.edit(dir.path(), &table("erp", &good, "")).await;
    assert_eq!(shop.rules.active().webhooks[0].id, WebhookId(1));
    let mut orders = Vec::new();
    while orders.len() < 31 {
        let delivery = alive.delivery().await;
        assert_eq!(delivery.header("X-WC-Webhook-ID"), Some("1"));
        orders.push(String::from_utf8(delivery.body).unwrap());
    }
    orders.sort();
    orders.dedup();
    assert_eq!(orders.len(), 31, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_secret_file_signs_the_next_delivery_also_over_a_broken_directory() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    let secret = data.path().join("secret");
    fs::write(&secret, "first\n").unwrap();
    let source = format!("secret = {{ file = \"{}\" }}", secret.display());
    let text = table("erp", &receiver.url("/"), "").replace("secret = \"s\"", &source);
    fs::write(dir.path().join("w.toml"), &text).unwrap();
    let shop = Shop::open(dir.path(), data.path()).await;
    let mut webhooks = shop.rules.webhooks();
    webhooks.mark_unchanged();
    for (number, (new, break_it)) in [("second", false), ("third", true)].into_iter().enumerate() {
        if break_it {
            fs::write(dir.path().join("broken.toml"), "[event.x]\nstaus = 1\n").unwrap();
            assert!(!shop.rules.reload().await.unwrap().ok);
        }
        fs::write(&secret, new).unwrap();
        // Nobody asks for a reload: the file is watched. A set with the old secret may be swapped in before.
        while webhooks.borrow_and_update()[0].secret.expose() != new {
            webhooks.changed().await.unwrap();
        }
        shop.deliverer.backlog(WebhookId(1)).await;
        shop.event(&number.to_string()).await;
        let delivery = receiver.delivery().await;
        let signature = mac::sign_base64(new.as_bytes(), &[&delivery.body]);
        assert_eq!(delivery.header("X-WC-Webhook-Signature"), Some(signature.as_str()));
    }
    assert!(shop.rules.active().stale);
}
