//! The shop's pages: one frame, escaping, and the few pieces every page uses.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::data::money;
use super::{Shop, Visitor};

const STYLE: &str = "
:root { --ink:#26322b; --leaf:#2f6b4f; --paper:#fbf9f4; --line:#dcd6c8 }
* { box-sizing:border-box }
body { margin:0; font:16px/1.5 Georgia,serif; color:var(--ink); background:var(--paper) }
header { background:var(--leaf); color:#fff; padding:1rem 0 }
header .in, main, footer { max-width:58rem; margin:auto; padding:0 1.2rem }
header .in { display:flex; flex-wrap:wrap; gap:1.2rem; align-items:baseline }
header a { color:#fff; text-decoration:none } header .name { font-size:1.5rem; margin-right:auto }
main { padding-top:1.5rem; padding-bottom:2rem; min-height:60vh }
a { color:var(--leaf) } h1 { font-weight:normal; margin:.2rem 0 1rem }
.shelf { display:grid; grid-template-columns:repeat(auto-fill,minmax(15rem,1fr)); gap:1rem }
.card { background:#fff; border:1px solid var(--line); border-radius:6px; padding:1rem }
.card h2 { margin:0; font-size:1.1rem } .price { font-weight:bold }
table { width:100%; border-collapse:collapse; background:#fff; border:1px solid var(--line) }
th, td { text-align:left; padding:.5rem .7rem; border-bottom:1px solid var(--line) } .num { text-align:right }
label { display:block; margin:.6rem 0 .1rem } input, select, textarea { font:inherit; padding:.35rem .5rem; width:100%;
max-width:26rem; border:1px solid var(--line); border-radius:4px } input[type=checkbox], input.small { width:auto; max-width:6rem }
button { font:inherit; margin-top:.8rem; padding:.4rem 1.1rem; border:0; border-radius:4px; background:var(--leaf); color:#fff; cursor:pointer }
.note, .fault { padding:.6rem .9rem; border-radius:4px; background:#e3f0e6; margin-bottom:1rem } .fault { background:#f7e0dc }
footer { font-size:.85rem; color:#777; padding-bottom:2rem }";

/// Text made safe to stand in HTML, in attributes too.
pub(super) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
        out
    })
}

/// A page for customers. Shows and uses up the message of the visitor's last action.
pub(super) fn page(shop: &Shop, visitor: &Visitor, title: &str, body: &str) -> Response {
    let (count, account) = shop.with(visitor, |_, session| {
        let account = session.customer.map_or_else(
            || "<a href=\"/login\">Log in</a> <a href=\"/register\">Register</a>".to_owned(),
            |id| format!("<a href=\"/account/{id}\">My account</a>"),
        );
        (session.cart.values().fold(0_u32, |sum, quantity| sum.saturating_add(*quantity)), account)
    });
    let menu = format!("<a href=\"/\">Shop</a> <a href=\"/cart\">Cart ({count})</a> {account}");
    frame(shop, visitor, title, &menu, body)
}

/// A page of the admin side.
pub(super) fn admin_page(shop: &Shop, visitor: &Visitor, title: &str, body: &str) -> Response {
    let menu = "<a href=\"/admin/products\">Products</a> <a href=\"/admin/orders\">Orders</a> \
                <a href=\"/admin/coupons\">Coupons</a> <a href=\"/\">To the shop</a>";
    frame(shop, visitor, title, menu, body)
}

fn frame(shop: &Shop, visitor: &Visitor, title: &str, menu: &str, body: &str) -> Response {
    let flash = shop.with(visitor, |_, session| session.flash.take());
    let flash = flash.map_or_else(String::new, |text| format!("<p class=\"note\">{}</p>", escape(&text)));
    let title = escape(title);
    Html(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title} · Leaf &amp; Kettle</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\n<body><header><div class=\"in\">\
         <a class=\"name\" href=\"/\">Leaf &amp; Kettle</a> {menu}</div></header>\n<main><h1>{title}</h1>{flash}{body}</main>\n\
         <footer>A demonstration shop. Nothing is sold, nothing is kept. <a href=\"/admin/products\">Admin</a></footer></body></html>\n"
    ))
    .into_response()
}

/// A page that says something is not there.
pub(super) fn missing(shop: &Shop, visitor: &Visitor, what: &str) -> Response {
    let body = format!("<p>There is no {} here. <a href=\"/\">Back to the shop</a></p>", escape(what));
    (StatusCode::NOT_FOUND, page(shop, visitor, "Not found", &body)).into_response()
}

/// The complaint above a form, if there is one.
pub(super) fn fault(text: Option<&str>) -> String {
    text.map_or_else(String::new, |text| format!("<p class=\"fault\">Sorry, {}.</p>", escape(text)))
}

/// A labelled text field.
pub(super) fn field(label: &str, name: &str, kind: &str, value: &str) -> String {
    let value = escape(value);
    format!(
        "<label for=\"{name}\">{label}</label><input id=\"{name}\" name=\"{name}\" type=\"{kind}\" value=\"{value}\">"
    )
}

/// A price in the shop's currency.
pub(super) fn euro(cents: u64) -> String {
    format!("€ {}", money(cents))
}
