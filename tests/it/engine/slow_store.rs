use std::task::Poll;
use tokio::time::Instant;

use shopbell::id::{Seq, WebhookId};
use shopbell::model::{NoticeKind, Write};

use crate::support::house::{House, form};
use crate::support::upstream::{Scripted, eventually};

const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n";
const RULES: &str = r#"
[event.saved]
on = "POST /save"
topic = "product.saved"
id = "{{ form.id }}"
payload.price = "{{ form.price | money }}"
"#;

/// Rows that the store's one writer has to put into the state, which everything after it has to wait for.
fn load(rows: u64) -> Vec<Write> {
    (0..rows).map(|row| Write::Finished { webhook: WebhookId(99), event: Seq(row), done: true }).collect()
}

/// While the store's writer is busy visitors wait 250 ms and no longer; the events come all the same, in order, and two saves
/// of one product in one group know of each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visitors_are_let_go_after_the_hold_and_a_group_sees_itself() {
    let shop = Scripted::answering(FOUND);
    let house = House::open(&shop, RULES).await;
    // Enough of it that the writer is busy for longer than two holds on any machine: it is measured.
    let (store, begun, few) = (house.running.store.clone(), Instant::now(), 5_000);
    store.log(Vec::new(), load(few)).await.unwrap();
    let rows = few * (3_000 / begun.elapsed().as_millis().max(1)).clamp(1, 100) as u64;
    let writing = store.log(Vec::new(), load(rows));
    tokio::pin!(writing);
    let queued = std::future::poll_fn(|cx| Poll::Ready(writing.as_mut().poll(cx))).await;
    assert!(queued.is_pending(), "the writer has it");

    let head = house.head();
    let mut visitor = house.visitor();
    for price in ["1", "2"] {
        visitor.send(form("/save", &format!("id=7&price={price}")));
        assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found");
        assert_eq!(house.head(), head, "the writer is still busy: nobody can have committed");
    }
    assert_eq!(house.metric("shopbell_tap_hold_expired_total"), 2);
    let events = house.wait_for_events(2).await;
    let topics: Vec<&str> = events.iter().map(|event| event.topic.as_str()).collect();
    assert_eq!(topics, ["product.created", "product.updated"]);
    let modified = |at: usize| {
        let body: serde_json::Value = serde_json::from_str(events[at].body.get()).unwrap();
        body["date_modified"].as_str().unwrap().to_owned()
    };
    assert!(modified(0) < modified(1));
    let notice = house.wait_for_notice("let go before the events were on disk (they are now)").await;
    assert_eq!((notice.kind, notice.rule.as_deref()), (NoticeKind::Released, Some("saved")));
    // The notice comes with the first of the two commits.
    eventually("both are counted", || house.metric("shopbell_engine_released_early_total") == 2);
    eventually("both are noted", || house.metric("shopbell_engine_notes_total{kind=\"released\",rule=\"saved\"}") == 2);
    writing.await.unwrap();
    house.close().await;
}
