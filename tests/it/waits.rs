//! Matches that wait, through the whole process: a later page, a look-up, a login, a restart in between.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use shopbell::app::{self, Running};
use shopbell::id::Seq;
use shopbell::model::Event;
use shopbell::settings::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PATIENCE: Duration = Duration::from_secs(20);

const RULES: &str = r##"
[shop]
url = "http://shop.example/"

[session]
cookies = ["sid"]

[event.order]
on = "POST /checkout"
location = "/done"
topic = "order.created"
key.email = "{{ form.email }}"
id = "{{ then.find.number }}"
[event.order.wait]
on = "GET /done"
find.number = { css = "#number", regex = '\d+' }
for = "1h"
else = "send"

[event.late]
on = "POST /late"
topic = "order.created"
key.email = "{{ form.email }}"
id = "{{ then.find.number }}"
[event.late.wait]
on = "GET /never"
find.number = { css = "#number" }
for = "1s"
else = "send"

[event.product]
on = "POST /product"
topic = "product.created"
key.sku = "{{ form.sku }}"
id = "{{ then.response.json.id }}"
[event.product.wait]
get = "/api/find?sku={{ form.sku }}"
response.json.id = true
for = "20s"

[event.coupon]
on = "POST /coupon"
topic = "coupon.created"
key.code = "{{ form.code }}"
id = "{{ then.find.id }}"
[event.coupon.wait]
get = "/office/coupons?token={{ access.token }}&code={{ form.code }}"
as = "office"
find.id = { css = "td.id" }
for = "20s"

[flash]
page.success = ".ok"

[event.voucher]
on = "POST /voucher"
flash = "success"
topic = "action.woocommerce_applied_coupon"
resource = "coupon"
key.code = "{{ form.code }}"

[event.made]
on = "POST /made"
find.id = { from = "flash", regex = '/products/(\d+)' }
topic = "product.created"
id = "{{ find.id }}"
key.sku = "{{ form.sku }}"

[event.invoice]
on = "POST /invoice"
topic = "order.updated"
key.number = "{{ form.number }}"
id = "{{ then.find.id }}"
[event.invoice.wait]
get = "/office/orders"
find.numbers = { css = "td.no", all = true }
find.id = { css = "tr:has(input) input", attr = "value" }
response.headers.x-office = "{{ form.office }}"
any = [{ find.numbers = "{{ form.number }}" }]
for = "1s"
else = "send"

[access.office]
login.post = "/office/login"
login.form = { user = "clerk", password = "pw" }
login.keep.token = "{{ location.query.token }}"
"##;

/// A shop that names an order's number on the next page only, and products and coupons only in lists.
fn shop(logins: Arc<AtomicUsize>) -> Router {
    async fn login(State(logins): State<Arc<AtomicUsize>>, Form(form): Form<Vec<(String, String)>>) -> Response {
        if form != [("user".to_owned(), "clerk".to_owned()), ("password".to_owned(), "pw".to_owned())] {
            return StatusCode::FORBIDDEN.into_response();
        }
        let number = logins.fetch_add(1, Ordering::SeqCst) + 1;
        ([(header::SET_COOKIE, format!("office=session-{number}"))], Redirect::to(&format!("/office?token=t{number}")))
            .into_response()
    }
    async fn coupons(
        State(logins): State<Arc<AtomicUsize>>,
        headers: HeaderMap,
        RawQuery(query): RawQuery,
    ) -> Response {
        let number = logins.load(Ordering::SeqCst);
        let cookie = headers.get(header::COOKIE).and_then(|cookie| cookie.to_str().ok()).unwrap_or_default();
        if cookie != format!("office=session-{number}")
            || query.as_deref() != Some(&format!("token=t{number}&code=A%26B"))
        {
            return Redirect::to("/office/login").into_response();
        }
        Html("<table><tr><td class=id>41<td>A&amp;B</table>").into_response()
    }
    Router::new()
        .route("/checkout", post(async || Redirect::to("/done")))
        .route("/late", post(async || "ok"))
        .route("/voucher", post(async || Redirect::to("/basket")))
        .route("/made", post(async || Redirect::to("/basket")))
        .route("/basket", get(async || Html("<p class=ok>Done: <a href='/products/91'>see it</a></p>")))
        .route("/invoice", post(async || "saved"))
        .route(
            "/office/orders",
            get(async || ([("x-office", "north")], Html("<table><tr><td><input value=70><td class=no>A-1<tr><td><input value=71><td class=no>A-3</table>"))),
        )
        .route("/done", get(async || Html("<p id=number>Order 1007</p>")))
        .route("/product", post(async || "saved"))
        .route(
            "/api/find",
            get(async |RawQuery(query): RawQuery| match query.as_deref() {
                Some("sku=T%201") => ([(header::CONTENT_TYPE, "application/json")], r#"{"id": 77}"#).into_response(),
                other => (StatusCode::NOT_FOUND, format!("{other:?}")).into_response(),
            }),
        )
        .route("/coupon", post(async || "saved"))
        .route("/office/login", post(login))
        .route("/office/coupons", get(coupons))
        .with_state(logins)
}

async fn start(dir: &Path, shop: SocketAddr) -> Running {
    let mut settings = Settings::new(format!("http://{shop}"), dir.join("rules"), dir.join("data"));
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.cores = 1;
    app::start(settings).await.expect("shopbell starts")
}

/// One exchange through shopbell, the connection closed after it.
async fn send(to: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
    let length = body.len();
    let kind = "application/x-www-form-urlencoded";
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=a-visitors-key\r\nConnection: close\r\n\
         Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Waits until so many events are in the journal, and gives them.
async fn events(running: &Running, count: usize) -> Vec<Arc<Event>> {
    let mut head = running.store.head();
    let found = async {
        loop {
            let (events, _) = running.store.events(Seq(1), 100).await.unwrap();
            if events.len() >= count {
                return events.into_iter().map(|(_, event)| event).collect();
            }
            head.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the event comes")
}

async fn stage() -> (tempfile::TempDir, SocketAddr, Arc<AtomicUsize>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("rules/rules.toml"), RULES).unwrap();
    let logins = Arc::<AtomicUsize>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = shop(Arc::clone(&logins));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (dir, address, logins)
}

fn about(event: &Event) -> (&str, Option<&str>, String) {
    (event.topic.as_str(), event.id.as_deref(), serde_json::to_string(&event.key).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_takes_its_number_from_the_next_page_also_after_a_restart() {
    let (dir, shop, _) = stage().await;
    let running = start(dir.path(), shop).await;
    let answer = send(running.proxy_addr, "POST", "/checkout", "email=Ann%40a.example").await;
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert_eq!(running.store.pendings().await.unwrap().len(), 1, "the visitor went on: the wait is on disk");
    assert!(running.store.events(Seq(1), 10).await.unwrap().0.is_empty());
    running.stop().await;

    let running = start(dir.path(), shop).await;
    send(running.proxy_addr, "GET", "/done", "").await;
    let events = events(&running, 1).await;
    assert_eq!(about(&events[0]), ("order.created", Some("1007"), r#"{"email":"Ann@a.example"}"#.to_owned()));
    assert!(running.store.pendings().await.unwrap().is_empty());
    // A reload of the page is no second order.
    send(running.proxy_addr, "GET", "/done", "").await;
    running.stop().await;
    let running = start(dir.path(), shop).await;
    assert_eq!(running.store.events(Seq(1), 10).await.unwrap().0.len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_time_is_up_the_event_goes_out_with_its_key() {
    let (dir, shop, _) = stage().await;
    let running = start(dir.path(), shop).await;
    send(running.proxy_addr, "POST", "/late", "email=bo%40b.example").await;
    let events = events(&running, 1).await;
    assert_eq!(about(&events[0]), ("order.created", None, r#"{"email":"bo@b.example"}"#.to_owned()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_ups_find_ids_with_and_without_a_login() {
    let (dir, shop, logins) = stage().await;
    let running = start(dir.path(), shop).await;
    send(running.proxy_addr, "POST", "/product", "sku=T+1").await;
    assert_eq!(about(&events(&running, 1).await[0]), ("product.created", Some("77"), r#"{"sku":"T 1"}"#.to_owned()));
    send(running.proxy_addr, "POST", "/coupon", "code=A%26B").await;
    assert_eq!(about(&events(&running, 2).await[1]), ("coupon.created", Some("41"), r#"{"code":"A&B"}"#.to_owned()));
    assert_eq!(logins.load(Ordering::SeqCst), 1);
    // Somebody else logged in, and the shop holds one session only: it turns us away once, and we log in again.
    logins.fetch_add(1, Ordering::SeqCst);
    send(running.proxy_addr, "POST", "/coupon", "code=A%26B").await;
    let events = events(&running, 3).await;
    assert_eq!((about(&events[2]).1, logins.load(Ordering::SeqCst)), (Some("41"), 3));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_its_page_is_told_by_it_also_after_a_restart() {
    let (dir, shop, _) = stage().await;
    let running = start(dir.path(), shop).await;
    send(running.proxy_addr, "POST", "/voucher", "code=SPRING").await;
    send(running.proxy_addr, "POST", "/made", "sku=T-1").await;
    assert_eq!(running.store.pendings().await.unwrap().len(), 2, "the visitor went on: both matches are on disk");
    running.stop().await;

    let running = start(dir.path(), shop).await;
    assert!(running.store.events(Seq(1), 10).await.unwrap().0.is_empty());
    send(running.proxy_addr, "GET", "/basket", "").await;
    let events = events(&running, 2).await;
    let told = events.iter().map(|event| about(event)).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            ("action.woocommerce_applied_coupon", None, r#"{"code":"SPRING"}"#.to_owned()),
            ("product.created", Some("91"), r#"{"sku":"T-1"}"#.to_owned()),
        ]
    );
    assert!(running.store.pendings().await.unwrap().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_only_if_it_is_about_what_the_first_exchange_named() {
    let (dir, shop, _) = stage().await;
    let running = start(dir.path(), shop).await;
    let sent = [
        ("number=A-1&office=north", Some("70")),
        // Another order, another office: the answer does not fit, and the key goes out when the time is up.
        ("number=A-2&office=north", None),
        ("number=A-3&office=south", None),
    ];
    for (at, (sent, id)) in sent.into_iter().enumerate() {
        send(running.proxy_addr, "POST", "/invoice", sent).await;
        let events = events(&running, at + 1).await;
        assert_eq!((events[at].topic.as_str(), events[at].id.as_deref()), ("order.updated", id), "{sent}");
    }
    running.stop().await;
}
