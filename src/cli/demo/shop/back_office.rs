//! The admin side: logging in, and products.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{Redirect, Response};

use super::data::{Product, cents, money};
use super::html::{admin_page, escape, euro, fault, field};
use super::{ADMIN_PASSWORD, ADMIN_USER, Fields, Form, Shop, Visitor, see};

pub(super) async fn login_form(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>) -> Response {
    login_page(&shop, &visitor, None)
}

fn login_page(shop: &Shop, visitor: &Visitor, complaint: Option<&str>) -> Response {
    let body = format!(
        "{}<p>In this demonstration the user is <b>{ADMIN_USER}</b> and the password <b>{ADMIN_PASSWORD}</b>.</p>\
         <form method=\"post\" action=\"/admin/login\">{}{}<br><button>Log in</button></form>",
        fault(complaint),
        field("User", "user", "text", ""),
        field("Password", "password", "password", ""),
    );
    admin_page(shop, visitor, "Admin", &body)
}

pub(super) async fn login(State(shop): State<Shop>, Extension(visitor): Extension<Visitor>, form: Form) -> Response {
    let form = Fields(form.0);
    if form.get("user") != ADMIN_USER || form.get("password") != ADMIN_PASSWORD {
        return login_page(&shop, &visitor, Some("user and password do not fit"));
    }
    shop.with(&visitor, |_, session| session.admin = true);
    see("/admin/products")
}

/// Sends everybody but the admin to the login page.
pub(super) fn guard(shop: &Shop, visitor: &Visitor) -> Result<(), Redirect> {
    if shop.with(visitor, |_, session| session.admin) { Ok(()) } else { Err(Redirect::to("/admin/login")) }
}

pub(super) async fn list(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let row = |(id, product): (&u32, &Product)| {
        format!(
            "<tr><td><input type=\"checkbox\" name=\"selected[]\" value=\"{id}\"><td><a href=\"/admin/products/{id}/edit\">{}</a>\
             <td>{}<td class=\"num\">{}<td class=\"num\">{}<td>{}</tr>",
            escape(&product.name),
            escape(&product.sku),
            euro(product.price),
            product.stock,
            if product.visible { "on sale" } else { "hidden" },
        )
    };
    let rows: String = shop.with(&visitor, |data, _| data.products.iter().map(row).collect());
    let body = format!(
        "<p><a href=\"/admin/products/new\">Add a product</a></p><form method=\"post\" action=\"/admin/products/delete\"><table>\
         <tr><th><th>Name<th>Article<th class=\"num\">Price<th class=\"num\">Stock<th>State</tr>{rows}</table>\
         <button>Delete the selected</button></form>"
    );
    Ok(admin_page(&shop, &visitor, "Products", &body))
}

fn product_form(shop: &Shop, visitor: &Visitor, action: &str, shown: &Shown, complaint: Option<&str>) -> Response {
    let body = format!(
        "{}<form method=\"post\" action=\"{action}\">{}{}{}{}<label for=\"description\">Description</label>\
         <textarea id=\"description\" name=\"description\" rows=\"4\">{}</textarea><label><input type=\"checkbox\" name=\"visible\" \
         value=\"1\"{}> On sale</label><button>Save</button></form>",
        fault(complaint),
        field("Name", "name", "text", &shown.product.name),
        field("Article", "sku", "text", &shown.product.sku),
        field("Price", "price", "text", &shown.price),
        field("Stock", "stock", "number", &shown.product.stock.to_string()),
        escape(&shown.product.text),
        if shown.product.visible { " checked" } else { "" },
    );
    admin_page(shop, visitor, "Product", &body)
}

/// A product as a form shows it: the price as typed.
struct Shown {
    product: Product,
    price: String,
}

impl From<Product> for Shown {
    fn from(product: Product) -> Self {
        let price = money(product.price);
        Self { product, price }
    }
}

/// What the form says, or what is wrong with it.
fn product(form: &Fields) -> Result<Product, (Box<Shown>, &'static str)> {
    let text = |name| form.get(name).to_owned();
    let price = cents(form.get("price"));
    let product = Product {
        name: text("name"),
        sku: text("sku"),
        price: price.unwrap_or(0),
        stock: form.number("stock"),
        text: text("description"),
        visible: form.get("visible") == "1",
    };
    let complaint = match (product.name.is_empty(), price) {
        (true, _) => "a product needs a name",
        (_, None) => "the price must read like 12.50",
        _ => return Ok(product),
    };
    Err((Box::new(Shown { product, price: text("price") }), complaint))
}

pub(super) async fn new_form(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let empty = Product { visible: true, ..Product::default() };
    Ok(product_form(&shop, &visitor, "/admin/products/new", &empty.into(), None))
}

pub(super) async fn create(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    form: Form,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let action = "/admin/products/new";
    let product = match product(&Fields(form.0)) {
        Ok(product) => product,
        Err((shown, why)) => return Ok(product_form(&shop, &visitor, action, &shown, Some(why))),
    };
    let added = shop.with(&visitor, |data, session| {
        session.flash = Some(format!("{} is on the shelf.", product.name));
        data.add_product(product.clone())
    });
    Ok(match added {
        Some(id) => see(&format!("/admin/products/{id}/edit?created=1")),
        None => product_form(&shop, &visitor, action, &product.into(), Some("the shelves are full")),
    })
}

pub(super) async fn edit_form(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let known = id.parse().ok().and_then(|id: u32| shop.with(&visitor, |data, _| data.products.get(&id).cloned()));
    let Some(product) = known else { return Ok(super::html::missing(&shop, &visitor, "such product")) };
    Ok(product_form(&shop, &visitor, &format!("/admin/products/{}/edit", escape(&id)), &product.into(), None))
}

pub(super) async fn save(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let product = match product(&Fields(form.0)) {
        Ok(product) => product,
        Err((shown, why)) => {
            let action = format!("/admin/products/{}/edit", escape(&id));
            return Ok(product_form(&shop, &visitor, &action, &shown, Some(why)));
        }
    };
    let saved = shop.with(&visitor, |data, session| {
        let known = data.products.get_mut(&id.parse().ok()?)?;
        session.flash = Some(format!("{} is saved.", product.name));
        *known = product;
        Some(())
    });
    Ok(match saved {
        Some(()) => see(&format!("/admin/products?saved={id}")),
        None => super::html::missing(&shop, &visitor, "such product"),
    })
}

pub(super) async fn delete(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    form: Form,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let form = Fields(form.0);
    let gone = shop.with(&visitor, |data, session| {
        let gone = chosen(&form, |id| data.products.remove(&id).is_some());
        session.flash = Some(format!("Deleted: {gone}."));
        gone
    });
    Ok(see(&format!("/admin/products?deleted={gone}")))
}

/// The ids ticked in a list that `remove` could remove, as the address of the next page names them: `3,7`.
pub(super) fn chosen(form: &Fields, mut remove: impl FnMut(u32) -> bool) -> String {
    let ids = form.all("selected[]").filter_map(|id| id.parse::<u32>().ok());
    let gone: Vec<String> = ids.filter(|id| remove(*id)).map(|id| id.to_string()).collect();
    gone.join(",")
}
