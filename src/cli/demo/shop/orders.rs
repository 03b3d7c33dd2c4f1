//! The admin side: orders and coupons.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{Redirect, Response};

use super::back_office::{chosen, guard};
use super::data::{Coupon, Line, ORDER_STATUSES, Order, cents};
use super::html::{admin_page, escape, euro, fault, field, missing};
use super::{Fields, Form, Shop, Visitor, see};

pub(super) async fn list(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let row = |(number, order): (&u32, &Order)| {
        format!(
            "<tr><td><a href=\"/admin/orders/{number}\">{number}</a><td>{}<td>{}<td>{}<td class=\"num\">{}</tr>",
            order.placed,
            escape(&order.address.name),
            escape(&order.status),
            euro(order.total()),
        )
    };
    let rows: String = shop.with(&visitor, |data, _| data.orders.iter().rev().map(row).collect());
    let body =
        format!("<table><tr><th>Number<th>Placed<th>Customer<th>Status<th class=\"num\">Total</tr>{rows}</table>");
    Ok(admin_page(&shop, &visitor, "Orders", &body))
}

pub(super) async fn show(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let found = number.parse().ok().and_then(|id: u32| shop.with(&visitor, |data, _| data.orders.get(&id).cloned()));
    let Some(order) = found else { return Ok(missing(&shop, &visitor, "such order")) };
    let option = |status: &&str| {
        let chosen = if *status == order.status { " selected" } else { "" };
        format!("<option value=\"{status}\"{chosen}>{status}")
    };
    let options: String = ORDER_STATUSES.iter().map(option).collect();
    let item = |line: &Line| format!("<li>{} × {}</li>", line.quantity, escape(&line.name));
    let lines: String = order.lines.iter().map(item).collect();
    let to = &order.address;
    let body = format!(
        "<p>{}<br>{}<br>{}<br>{}</p><ul>{lines}</ul><p class=\"price\">{}</p>\
         <form method=\"post\" action=\"/admin/orders/{}\"><label for=\"status\">Status</label><select id=\"status\" name=\"status\">\
         {options}</select>{}<br><button>Save</button></form>",
        escape(&to.name),
        escape(&to.email),
        escape(&to.street),
        escape(&to.city),
        euro(order.total()),
        escape(&number),
        field("Note", "note", "text", &order.note),
    );
    Ok(admin_page(&shop, &visitor, &format!("Order {number}"), &body))
}

pub(super) async fn save(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    Path(number): Path<String>,
    form: Form,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let form = Fields(form.0);
    let Some(status) = ORDER_STATUSES.into_iter().find(|status| *status == form.get("status")) else {
        return Ok(missing(&shop, &visitor, "such status"));
    };
    let saved = shop.with(&visitor, |data, session| {
        let order = data.orders.get_mut(&number.parse().ok()?)?;
        status.clone_into(&mut order.status);
        form.get("note").clone_into(&mut order.note);
        session.flash = Some(format!("Order {number} is {status}."));
        Some(())
    });
    Ok(match saved {
        Some(()) => see(&format!("/admin/orders?saved={number}")),
        None => missing(&shop, &visitor, "such order"),
    })
}

pub(super) async fn coupons(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    Ok(coupon_page(&shop, &visitor, None))
}

fn coupon_page(shop: &Shop, visitor: &Visitor, complaint: Option<&str>) -> Response {
    let row = |(id, coupon): (&u32, &Coupon)| {
        format!(
            "<tr><td><input type=\"checkbox\" name=\"selected[]\" value=\"{id}\"><td>{}<td class=\"num\">{}</tr>",
            escape(&coupon.code),
            euro(coupon.amount)
        )
    };
    let rows: String = shop.with(visitor, |data, _| data.coupons.iter().map(row).collect());
    let body = format!(
        "{}<form method=\"post\" action=\"/admin/coupons\">{}{}<br><button>Save</button></form><br>\
         <form method=\"post\" action=\"/admin/coupons/delete\"><table><tr><th><th>Code<th class=\"num\">Amount</tr>{rows}</table>\
         <button>Delete the selected</button></form>",
        fault(complaint),
        field("Code", "code", "text", ""),
        field("Amount", "amount", "text", ""),
    );
    admin_page(shop, visitor, "Coupons", &body)
}

pub(super) async fn save_coupon(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    form: Form,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let form = Fields(form.0);
    let saved = match (form.get("code"), cents(form.get("amount"))) {
        ("", _) => Err("a coupon needs a code"),
        (_, None) => Err("the amount must read like 5.00"),
        (code, Some(amount)) => {
            let coupon = Coupon { code: code.to_owned(), amount };
            shop.with(&visitor, |data, _| data.save_coupon(coupon)).ok_or("there are too many coupons")
        }
    };
    Ok(match saved {
        Ok(id) => see(&format!("/admin/coupons?saved={id}")),
        Err(why) => coupon_page(&shop, &visitor, Some(why)),
    })
}

pub(super) async fn delete_coupons(
    State(shop): State<Shop>,
    Extension(visitor): Extension<Visitor>,
    form: Form,
) -> Result<Response, Redirect> {
    guard(&shop, &visitor)?;
    let form = Fields(form.0);
    let gone = shop.with(&visitor, |data, _| chosen(&form, |id| data.coupons.remove(&id).is_some()));
    Ok(see(&format!("/admin/coupons?deleted={gone}")))
}
