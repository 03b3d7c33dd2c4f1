//! A small old-fashioned tea shop: server-rendered pages, forms, cookies, POST-redirect-GET, an admin side.
//!
//! It stands for the shops that shopbell is made for and knows nothing of shopbell: no API, no webhooks. Everything is kept
//! in memory and gone when the process ends. The demo and `examples/legacy_shop.rs` run it.

mod account;
mod back_office;
mod data;
mod html;
mod orders;
mod storefront;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use data::Data;

/// User name of the admin side.
pub const ADMIN_USER: &str = "admin";
/// Password of the admin side.
pub const ADMIN_PASSWORD: &str = "oolong";

const SESSION_COOKIE: &str = "teashop_session";
/// Sessions kept, in number; when there are as many, all are forgotten (the shop is a demo).
const MAX_SESSIONS: usize = 20_000;

/// The shop's memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Shop {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    data: Data,
    sessions: HashMap<String, Session>,
}

/// What the shop keeps of one visitor.
#[derive(Debug, Default)]
struct Session {
    cart: BTreeMap<u32, u32>,
    customer: Option<u32>,
    admin: bool,
    coupon: Option<String>,
    flash: Option<String>,
}

/// The visitor of a request: the key of their session.
#[derive(Clone, Debug)]
struct Visitor(String);

/// A form or query as sent, in order.
#[derive(Debug)]
struct Fields(Vec<(String, String)>);

impl Fields {
    /// The last value of a field, trimmed; empty if there is none.
    fn get(&self, name: &str) -> &str {
        self.0.iter().rev().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// Every value of a field, in order.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.trim())
    }

    /// A field as a number; zero if it is none.
    fn number(&self, name: &str) -> u32 {
        self.get(name).parse().unwrap_or(0)
    }
}

type Query = axum::extract::Query<Vec<(String, String)>>;
type Form = axum::Form<Vec<(String, String)>>;

impl Shop {
    /// A shop with a few products on its shelves and nobody in it.
    pub fn new() -> Self {
        let shop = Self::default();
        shop.lock().data = Data::stocked();
        shop
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `action` on the data and the visitor's session.
    fn with<T>(&self, visitor: &Visitor, action: impl FnOnce(&mut Data, &mut Session) -> T) -> T {
        let mut inner = self.lock();
        let Inner { data, sessions } = &mut *inner;
        action(data, sessions.entry(visitor.0.clone()).or_default())
    }

    /// The session a request's cookie names, or a new one; and whether it is new.
    fn visitor(&self, headers: &HeaderMap) -> (Visitor, bool) {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let given = pairs.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, value)| value.to_owned());
        let mut inner = self.lock();
        if let Some(key) = given.filter(|key| inner.sessions.contains_key(key)) {
            return (Visitor(key), false);
        }
        if inner.sessions.len() >= MAX_SESSIONS {
            inner.sessions.clear();
        }
        let key = random_key();
        inner.sessions.insert(key.clone(), Session::default());
        (Visitor(key), true)
    }
}

/// The shop as a service.
pub fn router(shop: Shop) -> Router {
    Router::new()
        .route("/", get(storefront::list))
        .route("/product/{id}", get(storefront::product))
        .route("/cart", get(storefront::cart))
        .route("/cart/add", post(storefront::add))
        .route("/cart/update", post(storefront::update))
        .route("/cart/coupon", post(storefront::coupon))
        .route("/checkout", get(storefront::checkout).post(storefront::place_order))
        .route("/order/{number}/thanks", get(storefront::thanks))
        .route("/register", get(account::register_form).post(account::register))
        .route("/login", get(account::login_form).post(account::login))
        .route("/logout", post(account::logout))
        .route("/account/{id}", get(account::show).post(account::save))
        .merge(admin_routes())
        .fallback(storefront::not_found)
        .layer(middleware::from_fn_with_state(shop.clone(), session))
        .with_state(shop)
}

fn admin_routes() -> Router<Shop> {
    Router::new()
        .route("/admin", get(|| async { Redirect::to("/admin/products") }))
        .route("/admin/login", get(back_office::login_form).post(back_office::login))
        .route("/admin/products", get(back_office::list))
        .route("/admin/products/new", get(back_office::new_form).post(back_office::create))
        .route("/admin/products/{id}/edit", get(back_office::edit_form).post(back_office::save))
        .route("/admin/products/delete", post(back_office::delete))
        .route("/admin/orders", get(orders::list))
        .route("/admin/orders/{number}", get(orders::show).post(orders::save))
        .route("/admin/coupons", get(orders::coupons).post(orders::save_coupon))
        .route("/admin/coupons/delete", post(orders::delete_coupons))
}

/// Gives every request its session, as PHP's `session_start` does.
async fn session(State(shop): State<Shop>, mut request: Request, next: Next) -> Response {
    let (visitor, new) = shop.visitor(request.headers());
    let cookie = format!("{SESSION_COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", visitor.0);
    request.extensions_mut().insert(visitor);
    let mut response = next.run(request).await;
    if new && let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// POST-redirect-GET: 303, so that a reload does not post again (RFC 9110 section 15.4.4).
fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// 32 random hex digits.
pub(super) fn random_key() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has a random source");
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
