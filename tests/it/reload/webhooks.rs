use std::fs;
use std::time::Duration;

use shopbell::clock::{Clock, Timestamp};
use shopbell::engine::{EngineCounters, Rules};
use shopbell::mac;
use shopbell::store::{Options, Store};

use super::{in_force, refused, rule};
use crate::support::house::{House, control, form};
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::Scripted;

const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n";

fn webhook(name: &str, url: &str, secret: &str) -> String {
    format!("[webhook.{name}]\ntopic = \"*\"\nurl = \"{url}\"\nsecret = {secret}\n")
}

/// A secret that is not there at start holds its webhook and nothing else; its events wait for it. With an edit it is a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_secret_holds_its_webhook_or_refuses_the_edit() {
    let shop = Scripted::answering(FOUND);
    let (mut other, mut held) =
        (Receiver::start(vec![Answer::status(200)]).await, Receiver::start(vec![Answer::status(200)]).await);
    let place = tempfile::tempdir().unwrap();
    let secret = place.path().join("secret");
    let source = format!("{{ file = \"{}\" }}", secret.display());
    let text = rule("one") + &webhook("other", &other.url("/"), "\"s\"") + &webhook("held", &held.url("/"), &source);
    let house = House::open(&shop, &text).await;
    let active = house.running.rules.active();
    assert!(active.problems.iter().any(|problem| problem.to_string().contains("webhook `held` has no secret")));
    let mut visitor = house.visitor();
    visitor.send(form("/one", "id=7"));
    visitor.answer();
    assert_eq!(other.delivery().await.header("X-WC-Webhook-Topic"), Some("product.created"));
    let shown = control(&house.running.control, "GET /v1/webhooks/held");
    assert!(shown.contains("secret file"), "{shown}");

    // The secret comes, and somebody says so.
    fs::write(&secret, "s3cr3t\n").unwrap();
    let answer = control(&house.running.control, "POST /v1/reload");
    assert!(answer.contains("\"ok\":true"), "{answer}");
    let got = held.delivery().await;
    assert!(mac::verify_base64(b"s3cr3t", &got.body, got.header("X-WC-Webhook-Signature").unwrap()));

    let more = webhook("more", &other.url("/"), "{ env = \"SHOPBELL_TEST_NOT_SET\" }");
    fs::write(house.rules().join("more.toml"), more + &rule("two")).unwrap();
    refused(&house, "SHOPBELL_TEST_NOT_SET is not set", &["one"]);
    fs::remove_file(house.rules().join("more.toml")).unwrap();
    in_force(&house, "without it", &["one"]);
    house.close().await;
}

/// The id belongs to NAME: it survives changes of everything else, a while without the table, and restarts; a new NAME is a new
/// webhook. What it was owed when its table vanished goes out when that is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_and_backlogs_are_kept_by_name() {
    let shop = Scripted::answering(FOUND);
    let mut receiver = Receiver::start(vec![Answer::status(500), Answer::status(200)]).await;
    let url = receiver.url("/");
    let table = |name: &str, more: &str| rule("one") + &webhook(name, &url, "\"s\"") + more;
    let house = House::open(&shop, &table("erp", "retry = [\"1s\"]\n")).await;
    let ids = |house: &House| {
        let active = house.running.rules.active();
        active.webhooks.iter().map(|webhook| (webhook.name.clone(), webhook.id.0)).collect::<Vec<_>>()
    };
    let one = |name: &str, id| vec![(name.to_owned(), id)];
    assert_eq!(ids(&house), one("erp", 1));
    let mut visitor = house.visitor();
    visitor.send(form("/one", "id=7"));
    visitor.answer();
    let failed = receiver.delivery().await;

    house.rewrite(&rule("one")).await;
    assert_eq!(ids(&house), []);
    house.wait_for_notice("webhook erp is gone from the rules").await;
    let house = house.restart().await;
    house.rewrite(&table("crm", "")).await;
    assert_eq!(ids(&house), one("crm", 2), "another name is another webhook");
    house.rewrite(&table("erp", "retry = [\"1s\"]\nconcurrency = 1\n")).await;
    assert_eq!(ids(&house), one("erp", 1), "the old one is itself again");
    house.wait_for_notice("webhook erp is back with its id 1").await;
    let again = receiver.delivery().await;
    let id = "X-WC-Webhook-Delivery-ID";
    assert_eq!((again.header(id), &again.body), (failed.header(id), &failed.body));
    house.close().await;
}

/// After seven days without its table a webhook is forgotten, while the process runs on and nobody edits anything.
#[tokio::test(start_paused = true)]
async fn a_retired_webhook_is_forgotten_after_seven_days() {
    let dir = tempfile::tempdir().unwrap();
    let (rules_dir, data) = (dir.path().join("rules"), dir.path().join("data"));
    fs::create_dir(&rules_dir).unwrap();
    fs::write(rules_dir.join("r.toml"), rule("one") + &webhook("erp", "http://r.example/", "\"s\"")).unwrap();
    let clock = Clock::simulated(Timestamp::from_millis(1_793_722_020_000));
    let (place, opened) = (data.clone(), clock);
    let store = tokio::task::spawn_blocking(move || Store::open(&place, Options::default(), opened)).await;
    let (store, _) = store.unwrap().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let started = Rules::start(&rules_dir, &data, store.clone(), clock, EngineCounters::default(), stopped).await;
    let (rules, watching) = started.unwrap();
    let known = async || store.webhook_names().await.unwrap().0.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!(known().await, ["erp"]);
    fs::write(rules_dir.join("r.toml"), rule("one")).unwrap();
    rules.reload().await.unwrap();
    assert!(rules.active().ruleset.webhooks.is_empty(), "taken, by this or because the file was watched");
    tokio::time::advance(Duration::from_secs(6 * 86_400)).await;
    rules.reload().await.unwrap();
    assert_eq!(known().await, ["erp"], "not yet");
    tokio::time::advance(Duration::from_secs(86_400 + 1)).await;
    while !known().await.is_empty() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    stop.send(true).unwrap();
    watching.await.unwrap();
}
