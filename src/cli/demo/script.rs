//! Who comes into the shop, what they do there, and what has to come of it.

use std::net::SocketAddr;

use http::{Method, StatusCode};

use super::super::failure::Failure;
use super::shop::{ADMIN_PASSWORD, ADMIN_USER};
use super::visitor::Visitor;

/// Whose browser it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// A customer who registers.
    Mia,
    /// A guest.
    Ben,
    /// The shopkeeper.
    Ada,
}

impl Who {
    /// The name on the screen.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mia => "Mia",
            Self::Ben => "Ben",
            Self::Ada => "Ada",
        }
    }
}

/// One thing somebody does.
#[derive(Debug)]
pub(super) struct Step {
    /// Who.
    pub(super) who: Who,
    /// What, for the screen.
    pub(super) says: &'static str,
    /// A page, or where a form goes.
    path: &'static str,
    /// The form; none for a page.
    form: Option<&'static [(&'static str, &'static str)]>,
    /// Topic and id of every event that must come of it, in order.
    pub(super) gives: &'static [(&'static str, &'static str)],
}

const fn opens(who: Who, says: &'static str, path: &'static str) -> Step {
    Step { who, says, path, form: None, gives: &[] }
}

const fn posts(
    who: Who,
    says: &'static str,
    path: &'static str,
    form: &'static [(&'static str, &'static str)],
    gives: &'static [(&'static str, &'static str)],
) -> Step {
    Step { who, says, path, form: Some(form), gives }
}

use Who::{Ada, Ben, Mia};

/// The whole visit, in order. The shop's ids are known beforehand, as it begins on opening day.
pub(super) static STEPS: &[Step] = &[
    opens(Mia, "looks at the shelves", "/"),
    opens(Mia, "looks at a tea", "/product/1"),
    posts(
        Mia,
        "puts two Sencha Superior into the cart",
        "/cart/add",
        &[("product_id", "1"), ("quantity", "2")],
        &[("action.woocommerce_add_to_cart", "1")],
    ),
    posts(
        Mia,
        "wants ninety-nine kettles: there are only eight",
        "/cart/add",
        &[("product_id", "4"), ("quantity", "99")],
        &[],
    ),
    posts(
        Mia,
        "registers",
        "/register",
        &[("first_name", "Mia"), ("last_name", "Müller"), ("email", "mia@example.org"), ("password", "geheim-42")],
        &[("customer.created", "21")],
    ),
    posts(Mia, "forgets her address: the form comes back", "/checkout", &MIAS_ORDER_WITHOUT_ADDRESS, &[]),
    posts(Mia, "orders", "/checkout", &MIAS_ORDER, &[("order.created", "1001")]),
    posts(Ada, "mistypes the password", "/admin/login", &[("user", ADMIN_USER), ("password", "olong")], &[]),
    posts(Ada, "logs in on the admin side", "/admin/login", &[("user", ADMIN_USER), ("password", ADMIN_PASSWORD)], &[]),
    posts(
        Ada,
        "adds a product",
        "/admin/products/new",
        &[("name", "緑茶 Gyokuro"), ("sku", "TEA-004"), ("price", "24,90"), ("stock", "12"), ("visible", "1")],
        &[("product.created", "6")],
    ),
    posts(
        Ada,
        "lowers its price",
        "/admin/products/6/edit",
        &[("name", "緑茶 Gyokuro"), ("sku", "TEA-004"), ("price", "22.50"), ("stock", "12"), ("visible", "1")],
        &[("product.updated", "6")],
    ),
    posts(Ada, "makes a coupon", "/admin/coupons", &[("code", "WELCOME"), ("amount", "5")], &[("coupon.created", "1")]),
    posts(
        Ada,
        "makes it smaller: the same form, but the coupon is known now",
        "/admin/coupons",
        &[("code", "WELCOME"), ("amount", "3.00")],
        &[("coupon.updated", "1")],
    ),
    posts(
        Ben,
        "puts the new tea into the cart",
        "/cart/add",
        &[("product_id", "6"), ("quantity", "1")],
        &[("action.woocommerce_add_to_cart", "6")],
    ),
    posts(
        Ben,
        "redeems the coupon",
        "/cart/coupon",
        &[("code", "WELCOME")],
        &[("action.woocommerce_applied_coupon", "WELCOME")],
    ),
    posts(Ben, "orders without an account", "/checkout", &BENS_ORDER, &[("order.created", "1002")]),
    posts(
        Ada,
        "sends Mia's order",
        "/admin/orders/1001",
        &[("status", "completed"), ("note", "Sent with the morning post")],
        &[("order.updated", "1001")],
    ),
    posts(
        Ada,
        "clears two products off the shelf at once",
        "/admin/products/delete",
        &[("selected[]", "3"), ("selected[]", "5")],
        &[("product.deleted", "3"), ("product.deleted", "5")],
    ),
    posts(Ada, "withdraws the coupon", "/admin/coupons/delete", &[("selected[]", "1")], &[("coupon.deleted", "1")]),
    posts(
        Mia,
        "changes her e-mail address",
        "/account/21",
        &[("first_name", "Mia"), ("last_name", "Müller"), ("email", "mia.mueller@example.org")],
        &[("customer.updated", "21")],
    ),
];

const MIAS_ORDER_WITHOUT_ADDRESS: [(&str, &str); 5] = [
    ("product_id[]", "1"),
    ("quantity[]", "2"),
    ("total", "25.00"),
    ("name", "Mia Müller"),
    ("email", "mia@example.org"),
];

const MIAS_ORDER: [(&str, &str); 8] = [
    ("product_id[]", "1"),
    ("quantity[]", "2"),
    ("total", "25.00"),
    ("name", "Mia Müller"),
    ("email", "mia@example.org"),
    ("street", "Teeweg 5"),
    ("city", "Bremen"),
    ("payment", "bacs"),
];

const BENS_ORDER: [(&str, &str); 8] = [
    ("product_id[]", "6"),
    ("quantity[]", "1"),
    ("total", "19.50"),
    ("name", "Ben Okafor"),
    ("email", "ben@example.com"),
    ("street", "12 Quay Street"),
    ("city", "Cork"),
    ("payment", "cod"),
];

/// The visitors in the shop.
#[derive(Debug)]
pub(super) struct Visit {
    mia: Visitor,
    ben: Visitor,
    ada: Visitor,
}

impl Visit {
    /// Nobody has been there yet.
    pub(super) const fn new(server: SocketAddr) -> Self {
        Self { mia: Visitor::new(server), ben: Visitor::new(server), ada: Visitor::new(server) }
    }

    /// Does one step. Gives the address where the visitor is then.
    pub(super) async fn take(&mut self, step: &Step) -> Result<String, Failure> {
        let visitor = match step.who {
            Mia => &mut self.mia,
            Ben => &mut self.ben,
            Ada => &mut self.ada,
        };
        let method = if step.form.is_some() { Method::POST } else { Method::GET };
        let (status, page) = visitor.go(&method, step.path, step.form.unwrap_or_default()).await?;
        if status == StatusCode::OK {
            return Ok(page);
        }
        Err(Failure::Failed(format!("{} got {status} for {} {}", step.who.name(), method, step.path)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::shop::{Shop, router};
    use super::*;

    /// The script fits the shop: whatever must give an event is taken by the shop, which then goes on to another page.
    #[tokio::test]
    async fn the_shop_takes_every_step() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut visit = Visit::new(listener.local_addr().unwrap());
        let shop = tokio::spawn(async move { axum::serve(listener, router(Shop::new())).await });
        for step in STEPS {
            let page = visit.take(step).await.unwrap_or_else(|fault| panic!("{}: {fault:?}", step.says));
            let number = step.gives.first().map_or("", |(_, id)| id);
            assert!(step.gives.is_empty() || page != step.path, "{} got the form back", step.says);
            assert!(!step.path.contains("products/new") || page.contains(number), "{}: {page}", step.says);
        }
        shop.abort();
    }
}
