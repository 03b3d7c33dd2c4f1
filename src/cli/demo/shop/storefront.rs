//! What customers see: shelf, product, cart, checkout.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;

use super::data::{Address, Data, Line, sum};
use super::html::{escape, euro, fault, field, missing, page};
use super::{Fields, Form, Query, Session, Shop, Visitor, see};

/// Pieces of one product in a cart, at most.
const MAX_QUANTITY: u32 = 99;

pub(super) async fn list(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>, query: Query) -> Response {
    let wanted = Fields(query.0).get("q").to_lowercase();
    let cards: String = shop.with(&visitor, |data, _| {
        let fits = |name: &str| wanted.is_empty() || name.to_lowercase().contains(&wanted);
        let shown = data.products.iter().filter(|(_, product)| product.visible && fits(&product.name));
        let card = |(id, product): (&u32, &super::data::Product)| {
            let (name, price) = (escape(&product.name), euro(product.price));
            let stock = if product.stock > 0 { "in stock" } else { "sold out" };
            format!(
                "<div class=\"card\"><h2><a href=\"/product/{id}\">{name}</a></h2><p>{}</p>\
                 <p class=\"price\">{price} <small>· {stock}</small></p></div>",
                escape(&product.text)
            )
        };
        shown.map(card).collect()
    });
    let search = format!(
        "<form action=\"/\"><input name=\"q\" placeholder=\"Search\" value=\"{}\"> <button>Search</button></form><br>",
        escape(&wanted)
    );
    page(&shop, &visitor, "Teas and what goes with them", &format!("{search}<div class=\"shelf\">{cards}</div>"))
}

pub(super) async fn product(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    query: Query,
) -> Response {
    let found = id.parse().ok().and_then(|id: u32| shop.with(&visitor, |data, _| data.products.get(&id).cloned()));
    let Some(product) = found.filter(|product| product.visible) else {
        return missing(&shop, &visitor, "such product");
    };
    let sold_out = (Fields(query.0).get("error") == "stock").then_some("there is not enough of it left");
    let body = format!(
        "{}<p>{}</p><p class=\"price\">{} · article {} · {} left</p><form method=\"post\" action=\"/cart/add\">\
         <input type=\"hidden\" name=\"product_id\" value=\"{}\"><label>Quantity</label>\
         <input class=\"small\" name=\"quantity\" type=\"number\" min=\"1\" value=\"1\"> <button>Add to cart</button></form>",
        fault(sold_out),
        escape(&product.text),
        euro(product.price),
        escape(&product.sku),
        product.stock,
        escape(&id),
    );
    page(&shop, &visitor, &product.name, &body)
}

pub(super) async fn add(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>, form: Form) -> Response {
    let form = Fields(form.0);
    let (id, quantity) = (form.number("product_id"), form.number("quantity").clamp(1, MAX_QUANTITY));
    let added = shop.with(&visitor, |data, session| {
        let product = data.products.get(&id).filter(|product| product.visible)?;
        let already = session.cart.get(&id).copied().unwrap_or(0);
        let fits = already + quantity <= product.stock.min(MAX_QUANTITY);
        if fits {
            session.cart.insert(id, already + quantity);
            session.flash = Some(format!("{} is in your cart.", product.name));
        }
        Some(fits)
    });
    match added {
        Some(true) => see("/cart"),
        Some(false) => see(&format!("/product/{id}?error=stock")),
        None => missing(&shop, &visitor, "such product"),
    }
}

pub(super) async fn update(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>, form: Form) -> Response {
    let form = Fields(form.0);
    shop.with(&visitor, |_, session| {
        for (id, quantity) in form.all("product_id[]").zip(form.all("quantity[]")) {
            let (Ok(id), Ok(quantity)) = (id.parse::<u32>(), quantity.parse::<u32>()) else { continue };
            match quantity {
                0 => drop(session.cart.remove(&id)),
                more if session.cart.contains_key(&id) => drop(session.cart.insert(id, more.min(MAX_QUANTITY))),
                _ => {}
            }
        }
        session.flash = Some("Your cart is up to date.".to_owned());
    });
    see("/cart")
}

pub(super) async fn coupon(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>, form: Form) -> Response {
    let form = Fields(form.0);
    let applied = shop.with(&visitor, |data, session| {
        session.coupon = data.coupon(form.get("code")).map(|coupon| coupon.code.clone());
        session.coupon.is_some()
    });
    see(if applied { "/cart?coupon=applied" } else { "/cart?coupon=unknown" })
}

/// What the visitor's coupon takes off, in cents.
fn discount(data: &Data, session: &Session) -> u64 {
    session.coupon.as_ref().and_then(|code| data.coupon(code)).map_or(0, |coupon| coupon.amount)
}

pub(super) async fn cart(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>, query: Query) -> Response {
    let (lines, off) = shop.with(&visitor, |data, session| (data.lines(&session.cart), discount(data, session)));
    let unknown = (Fields(query.0).get("coupon") == "unknown").then_some("there is no such coupon");
    if lines.is_empty() {
        return page(&shop, &visitor, "Your cart", "<p>It is empty. <a href=\"/\">To the shelves</a></p>");
    }
    let rows: String = lines.iter().map(cart_row).collect();
    let body = format!(
        "{}<form method=\"post\" action=\"/cart/update\"><table><tr><th>Product<th>Quantity<th class=\"num\">Price</tr>{rows}\
         <tr><td>Coupon<td><td class=\"num\">− {}</tr><tr><td><b>Total</b><td><td class=\"num\"><b>{}</b></tr></table><button>Update</button></form>\
         <form method=\"post\" action=\"/cart/coupon\">{}<button>Redeem</button></form>\
         <p><a href=\"/checkout\">To the checkout</a></p>",
        fault(unknown),
        euro(off),
        euro(sum(&lines).saturating_sub(off)),
        field("Coupon", "code", "text", ""),
    );
    page(&shop, &visitor, "Your cart", &body)
}

fn cart_row(line: &Line) -> String {
    format!(
        "<tr><td>{}<input type=\"hidden\" name=\"product_id[]\" value=\"{}\">\
         <td><input class=\"small\" name=\"quantity[]\" type=\"number\" min=\"0\" value=\"{}\"><td class=\"num\">{}</tr>",
        escape(&line.name),
        line.product,
        line.quantity,
        euro(line.price.saturating_mul(u64::from(line.quantity))),
    )
}

pub(super) async fn checkout(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>) -> Response {
    let address = shop.with(&visitor, |data, session| {
        let customer = session.customer.and_then(|id| data.customers.get(&id)).cloned().unwrap_or_default();
        let name = format!("{} {}", customer.first_name, customer.last_name).trim().to_owned();
        Address { name, email: customer.email, ..Address::default() }
    });
    checkout_form(&shop, &visitor, &address, None)
}

/// The form carries the cart as it was shown, so that the shop can tell when another tab changed it since.
fn checkout_form(shop: &Shop, visitor: &Visitor, to: &Address, complaint: Option<&str>) -> Response {
    let (lines, discount) = shop.with(visitor, |data, session| (data.lines(&session.cart), discount(data, session)));
    if lines.is_empty() {
        return see("/cart");
    }
    let shown: String = lines.iter().map(shown_line).collect();
    let total = sum(&lines).saturating_sub(discount);
    let body = format!(
        "{}<form method=\"post\" action=\"/checkout\"><ul>{shown}</ul><p class=\"price\">Together {}</p>\
         <input type=\"hidden\" name=\"total\" value=\"{}\">{}{}{}{}\
         <label for=\"payment\">Payment</label><select id=\"payment\" name=\"payment\"><option value=\"bacs\">Bank transfer\
         <option value=\"cod\">On delivery</select><br><button>Place the order</button></form>",
        fault(complaint),
        euro(total),
        super::data::money(total),
        field("Name", "name", "text", &to.name),
        field("E-mail", "email", "email", &to.email),
        field("Street", "street", "text", &to.street),
        field("City", "city", "text", &to.city),
    );
    page(shop, visitor, "Checkout", &body)
}

fn shown_line(line: &Line) -> String {
    format!(
        "<li>{} × {}<input type=\"hidden\" name=\"product_id[]\" value=\"{}\">\
         <input type=\"hidden\" name=\"quantity[]\" value=\"{}\"></li>",
        line.quantity,
        escape(&line.name),
        line.product,
        line.quantity
    )
}

pub(super) async fn place_order(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    form: Form,
) -> Response {
    let form = Fields(form.0);
    let text = |name| form.get(name).to_owned();
    let to = Address { name: text("name"), email: text("email"), street: text("street"), city: text("city") };
    let shown: BTreeMap<String, String> =
        form.all("product_id[]").map(str::to_owned).zip(form.all("quantity[]").map(str::to_owned)).collect();
    let placed = shop.with(&visitor, |data, session| {
        let in_cart = session.cart.iter().map(|(id, quantity)| (id.to_string(), quantity.to_string()));
        if shown != in_cart.collect() {
            return Err("your cart has changed, please look at it again".to_owned());
        }
        if to.name.is_empty() || !to.email.contains('@') || to.street.is_empty() || to.city.is_empty() {
            return Err("name, e-mail, street and city are needed".to_owned());
        }
        let discount = discount(data, session);
        let lines = data.lines(&session.cart);
        let number = data.place(lines, session.customer, to.clone(), discount)?;
        session.cart.clear();
        session.coupon = None;
        Ok(number)
    });
    match placed {
        Ok(number) => see(&format!("/order/{number}/thanks")),
        Err(why) => checkout_form(&shop, &visitor, &to, Some(&why)),
    }
}

pub(super) async fn thanks(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
) -> Response {
    let body = format!(
        "<p>Your order has the number <b>{}</b>. We pack it at once.</p><p><a href=\"/\">Back to the shop</a></p>",
        escape(&number)
    );
    page(&shop, &visitor, "Thank you", &body)
}

pub(super) async fn not_found(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>) -> Response {
    missing(&shop, &visitor, "such page")
}
