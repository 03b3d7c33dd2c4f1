//! Customers' accounts: register, log in and out, edit.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;

use super::data::Customer;
use super::html::{escape, euro, fault, field, page};
use super::{Fields, Form, Session, Shop, Visitor, see};

pub(super) async fn register_form(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>) -> Response {
    registration(&shop, &visitor, &Customer::default(), None)
}

fn registration(shop: &Shop, visitor: &Visitor, given: &Customer, complaint: Option<&str>) -> Response {
    let body = format!(
        "{}<form method=\"post\" action=\"/register\">{}{}{}{}<br><button>Register</button></form>",
        fault(complaint),
        field("First name", "first_name", "text", &given.first_name),
        field("Last name", "last_name", "text", &given.last_name),
        field("E-mail", "email", "email", &given.email),
        field("Password", "password", "password", ""),
    );
    page(shop, visitor, "Register", &body)
}

pub(super) async fn register(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>, form: Form) -> Response {
    let form = Fields(form.0);
    let given = customer(&form, &Customer::default());
    let registered = shop.with(&visitor, |data, session| {
        if given.first_name.is_empty() || !given.email.contains('@') || form.get("password").len() < 6 {
            return Err("a first name, an e-mail address and a password of six letters are needed");
        }
        let id = data.register(given.clone(), form.get("password"))?;
        session.customer = Some(id);
        session.flash = Some(format!("Welcome, {}!", given.first_name));
        Ok(id)
    });
    match registered {
        Ok(id) => see(&format!("/account/{id}")),
        Err(why) => registration(&shop, &visitor, &given, Some(why)),
    }
}

fn customer(form: &Fields, before: &Customer) -> Customer {
    let text = |name| form.get(name).to_owned();
    Customer { first_name: text("first_name"), last_name: text("last_name"), email: text("email"), ..before.clone() }
}

pub(super) async fn login_form(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>) -> Response {
    login_page(&shop, &visitor, "", None)
}

fn login_page(shop: &Shop, visitor: &Visitor, email: &str, complaint: Option<&str>) -> Response {
    let body = format!(
        "{}<form method=\"post\" action=\"/login\">{}{}<br><button>Log in</button></form>",
        fault(complaint),
        field("E-mail", "email", "email", email),
        field("Password", "password", "password", ""),
    );
    page(shop, visitor, "Log in", &body)
}

pub(super) async fn login(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>, form: Form) -> Response {
    let form = Fields(form.0);
    let known = shop.with(&visitor, |data, session| {
        let id = data.login(form.get("email"), form.get("password"))?;
        session.customer = Some(id);
        Some(id)
    });
    match known {
        Some(id) => see(&format!("/account/{id}")),
        None => login_page(&shop, &visitor, form.get("email"), Some("e-mail and password do not fit")),
    }
}

pub(super) async fn logout(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>) -> Response {
    shop.with(&visitor, |_, session| *session = Session::default());
    see("/")
}

pub(super) async fn show(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    account_page(&shop, &visitor, &id, None)
}

/// Only the customer themselves gets to see the account.
fn own(session: &Session, id: &str) -> Option<u32> {
    session.customer.filter(|own| own.to_string() == id)
}

fn account_page(shop: &Shop, visitor: &Visitor, id: &str, complaint: Option<&str>) -> Response {
    let found = shop.with(visitor, |data, session| {
        let own = own(session, id)?;
        let mine = data.orders.iter().filter(|(_, order)| order.customer == Some(own));
        let row = |(number, order): (&u32, &super::data::Order)| {
            format!("<li>Order {number}: {} ({})</li>", euro(order.total()), escape(&order.status))
        };
        Some((data.customers.get(&own)?.clone(), mine.map(row).collect::<String>()))
    });
    let Some((customer, orders)) = found else { return see("/login") };
    let body = format!(
        "{}<form method=\"post\" action=\"/account/{}\">{}{}{}<br><button>Save</button></form><h2>Orders</h2><ul>{orders}</ul>\
         <form method=\"post\" action=\"/logout\"><button>Log out</button></form>",
        fault(complaint),
        escape(id),
        field("First name", "first_name", "text", &customer.first_name),
        field("Last name", "last_name", "text", &customer.last_name),
        field("E-mail", "email", "email", &customer.email),
    );
    page(shop, visitor, "My account", &body)
}

pub(super) async fn save(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    form: Form,
) -> Response {
    let form = Fields(form.0);
    let saved = shop.with(&visitor, |data, session| {
        let known = own(session, &id).and_then(|own| data.customers.get_mut(&own))?;
        let changed = customer(&form, known);
        if changed.first_name.is_empty() || !changed.email.contains('@') {
            return Some(false);
        }
        *known = changed;
        session.flash = Some("Saved.".to_owned());
        Some(true)
    });
    match saved {
        Some(true) => see(&format!("/account/{id}?saved=1")),
        Some(false) => account_page(&shop, &visitor, &id, Some("a first name and an e-mail address are needed")),
        None => see("/login"),
    }
}
