use std::sync::Arc;

use shopbell::model::Event;

use crate::support::house::{House, form};
use crate::support::upstream::Scripted;

const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: /list\r\nContent-Length: 0\r\n\r\n";
const RULES: &str = r#"
[event.saved]
on = "POST /save"
topic = "product.saved"
id = "{{ form.id }}"
payload.name = "{{ form.name }}"
payload.price = "{{ form.price | money }}"
[event.deleted]
on = "POST /delete"
topic = "product.deleted"
id = "{{ form.id }}"
"#;

fn post(house: &House, path: &str, fields: &str) {
    let mut visitor = house.visitor();
    visitor.send(form(path, fields));
    assert_eq!(visitor.answer().first(), "HTTP/1.1 302 Found");
}

fn field(event: &Event, name: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(event.body.get()).unwrap();
    body[name].as_str().map(str::to_owned)
}

/// What was known before a stop decides after the start: created, updated, deleted, restored; fields are merged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_decides_across_restarts() {
    let shop = Scripted::answering(FOUND);
    let mut house = House::open(&shop, RULES).await;
    let steps = [
        ("/save", "id=7&name=Tea&price=9", "product.created"),
        ("/save", "id=7&price=10", "product.updated"),
        ("/delete", "id=7", "product.deleted"),
        ("/save", "id=7&price=11", "product.restored"),
        ("/save", "id=8&name=Mug", "product.created"),
    ];
    for (path, fields, _) in steps {
        post(&house, path, fields);
        house = house.restart().await;
    }
    let events = house.wait_for_events(steps.len()).await;
    let topics: Vec<&str> = events.iter().map(|event| event.topic.as_str()).collect();
    assert_eq!(topics, steps.map(|(_, _, topic)| topic));
    assert_eq!(events[2].body.get(), r#"{"id":7}"#);
    for (event, price) in [(&events[0], "9.00"), (&events[1], "10.00"), (&events[3], "11.00")] {
        assert_eq!((field(event, "name").as_deref(), field(event, "price").as_deref()), (Some("Tea"), Some(price)));
    }
    assert_eq!(field(&events[3], "date_created"), field(&events[0], "date_created"));
    house.close().await;
}

/// Receivers de-duplicate on `date_modified`: it grows by at least a second with every event of a resource, however fast.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn date_modified_grows_with_every_event() {
    let shop = Scripted::answering(FOUND);
    let house = House::open(&shop, RULES).await;
    for n in 0..10 {
        post(&house, "/save", &format!("id=7&price={n}"));
        post(&house, "/save", &format!("id=8&price={n}"));
    }
    let house = house.restart().await;
    post(&house, "/save", "id=7&price=10");
    let events: Vec<Arc<Event>> = house.wait_for_events(21).await;
    for id in ["7", "8"] {
        let of_one = events.iter().filter(|event| event.id.as_deref() == Some(id));
        let dates: Vec<String> = of_one.map(|event| field(event, "date_modified_gmt").unwrap()).collect();
        assert!(dates.is_sorted_by(|earlier, later| earlier < later), "{id}: {dates:?}");
    }
    house.close().await;
}
