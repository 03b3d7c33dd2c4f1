use shopbell::model::Verdict;
use shopbell::model::record::LogEntry;
use shopbell::store::{LogLine, LogQuery};

use crate::support::house::{House, form};
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Scripted, eventually};

const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n";

fn rules(url: &str) -> String {
    format!(
        "[event.saved]\non = \"POST /save\"\ntopic = \"product.saved\"\nid = \"{{{{ form.id }}}}\"\n\
         [webhook.w]\ntopic = \"*\"\nurl = \"{url}\"\nsecret = \"s\"\nretry = [\"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]\n"
    )
}

/// Nobody listens where the receiver should be; once somebody does, the event arrives. The shop never notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_gone_comes_back() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let shop = Scripted::answering(FOUND);
    let house = House::open(&shop, &rules(&format!("http://{address}/"))).await;
    let mut visitor = house.visitor();
    visitor.send(form("/save", "id=7"));
    assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found");
    let failed = async {
        loop {
            let query = LogQuery { kinds: vec!["attempt".into()], ..LogQuery::default() };
            let lines = house.running.store.search(query).await.unwrap();
            let failed = lines.iter().any(|line| match line {
                LogLine::Log { entry: LogEntry::Attempt(attempt), .. } => {
                    attempt.event.is_some() && matches!(attempt.verdict, Verdict::Failed { .. })
                }
                _ => false,
            });
            if failed {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::upstream::PATIENCE, failed).await.expect("a failed attempt");
    let mut receiver = Receiver::start_at(address, vec![Answer::status(200)]).await;
    let got = receiver.delivery().await;
    assert_eq!(got.header("X-WC-Webhook-Topic"), Some("product.created"));
    eventually("it is counted", || house.metric("shopbell_deliver_deliveries_total{end=\"delivered\"}") == 1);
    house.close().await;
}

/// Everything inside stands still, as under a debugger: visitors are served by threads of their own, watched ones after the hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_goes_on_while_everything_inside_stands_still() {
    let shop = Scripted::answering(FOUND);
    let house = House::open(&shop, &rules("http://127.0.0.1:9/")).await;
    let held = std::sync::Arc::new(std::sync::RwLock::new(()));
    let hold = held.write().unwrap();
    let stuck: Vec<_> = (0..2)
        .map(|_| {
            let (held, (entered, has_entered)) = (std::sync::Arc::clone(&held), std::sync::mpsc::channel());
            let task = tokio::spawn(async move {
                entered.send(()).unwrap();
                drop(held.read());
            });
            has_entered.recv().unwrap();
            task
        })
        .collect();
    let mut visitor = house.visitor();
    for n in 0..100 {
        visitor.send(form("/unwatched", &format!("id={n}")));
        assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found");
    }
    let head = house.head();
    for n in 0..3 {
        visitor.send(form("/save", &format!("id={n}")));
        assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found");
    }
    assert_eq!(house.head(), head, "nothing inside has moved");
    drop(hold);
    for task in stuck {
        task.await.unwrap();
    }
    assert_eq!(house.wait_for_events(3).await.len(), 3);
    house.close().await;
}

/// A webhook that comes with an edit gets what happens right after it, whoever is faster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_webhook_misses_nothing_that_follows_its_edit() {
    let shop = Scripted::answering(FOUND);
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    let base = rules(&receiver.url("/first"));
    let house = House::open(&shop, &base).await;
    let mut visitor = house.visitor();
    for round in 1..=5 {
        let more =
            format!("[webhook.more-{round}]\ntopic = \"*\"\nurl = \"{}\"\nsecret = \"s\"\n", receiver.url("/new"));
        house.rewrite(&format!("{base}{more}")).await;
        visitor.send(form("/save", &format!("id={round}")));
        visitor.answer();
        let mut got = [receiver.delivery().await, receiver.delivery().await].map(|one| one.lines[0].clone());
        got.sort();
        assert_eq!(got, ["POST /first HTTP/1.1", "POST /new HTTP/1.1"], "round {round}");
    }
    house.close().await;
}

/// Every room's counters are on the metrics page, under one prefix, in a form that parsers take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_rooms_count_on_one_page() {
    let shop = Scripted::answering(FOUND);
    let mut receiver = Receiver::start(vec![Answer::status(200)]).await;
    let house = House::open(&shop, &rules(&receiver.url("/"))).await;
    let mut visitor = house.visitor();
    visitor.send(form("/save", "id=7"));
    visitor.answer();
    visitor.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    visitor.answer();
    receiver.delivery().await;
    let rows = [
        ("shopbell_proxy_requests_total", 2),
        ("shopbell_proxy_connections_total", 1),
        ("shopbell_proxy_upstream_connections_total", 1),
        ("shopbell_proxy_open_connections", 1),
        ("shopbell_tap_candidates_total", 1),
        ("shopbell_tap_observed_total", 1),
        ("shopbell_engine_exchanges_total", 1),
        ("shopbell_engine_events_total", 1),
        ("shopbell_store_commits_total", 1),
        ("shopbell_deliver_attempts_total{webhook=\"w\",kind=\"delivery\",class=\"ok\"}", 1),
    ];
    for (name, value) in rows {
        eventually(name, || house.metric(name) == value);
    }
    let page = house.metrics();
    let body = page.split_once("\r\n\r\n").unwrap().1;
    let names: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "a name stands twice: {names:?}");
    assert!(names.iter().all(|name| name.starts_with("shopbell_")), "{names:?}");
    house.close().await;
}
