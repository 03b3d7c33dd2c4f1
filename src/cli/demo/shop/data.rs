//! What the shop sells, to whom, and what was ordered. Plain data; every change is one function.

use std::collections::BTreeMap;

use crate::exchange::{Clock, Timestamp};
use crate::mac::hmac_sha256;

/// Rows kept per table, in number; a full table refuses new rows.
const MAX_ROWS: usize = 10_000;

/// What an order can be.
pub(super) const ORDER_STATUSES: [&str; 5] = ["pending", "processing", "on-hold", "completed", "cancelled"];

#[derive(Clone, Debug, Default)]
pub(super) struct Product {
    pub(super) name: String,
    pub(super) sku: String,
    pub(super) price: u64,
    pub(super) stock: u32,
    pub(super) text: String,
    pub(super) visible: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Customer {
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) email: String,
    pub(super) password: [u8; 32],
}

#[derive(Clone, Debug, Default)]
pub(super) struct Coupon {
    pub(super) code: String,
    pub(super) amount: u64,
}

/// Who an order goes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Address {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) street: String,
    pub(super) city: String,
}

#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) product: u32,
    pub(super) name: String,
    pub(super) quantity: u32,
    pub(super) price: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) placed: Timestamp,
    pub(super) customer: Option<u32>,
    pub(super) address: Address,
    pub(super) lines: Vec<Line>,
    pub(super) discount: u64,
    pub(super) status: String,
    pub(super) note: String,
}

impl Order {
    pub(super) fn total(&self) -> u64 {
        sum(&self.lines).saturating_sub(self.discount)
    }
}

#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) products: BTreeMap<u32, Product>,
    pub(super) customers: BTreeMap<u32, Customer>,
    pub(super) coupons: BTreeMap<u32, Coupon>,
    pub(super) orders: BTreeMap<u32, Order>,
    last_product: u32,
    last_customer: u32,
    last_coupon: u32,
    last_order: u32,
    salt: Vec<u8>,
}

impl Data {
    /// The shelves on opening day.
    pub(super) fn stocked() -> Self {
        let mut salt = vec![0; 16];
        getrandom::fill(&mut salt).expect("the operating system has a random source");
        let mut data = Self { salt, last_order: 1000, last_customer: 20, ..Self::default() };
        let shelf = [
            ("Sencha Superior", "TEA-001", 1250, 40, "Steamed green tea from Shizuoka: fresh, a little sweet."),
            ("Darjeeling First Flush", "TEA-002", 1690, 25, "Picked in March. Light, flowery, with a note of almond."),
            ("Lapsang Souchong", "TEA-003", 980, 60, "Black tea dried over pine wood. Smoky."),
            ("Iron Kettle, 1.2 l", "POT-001", 6400, 8, "Cast iron, enamelled inside, keeps warm for an hour."),
            ("Bamboo Whisk", "ACC-001", 1450, 30, "A hundred bristles, cut by hand, for matcha."),
        ];
        for (name, sku, price, stock, text) in shelf {
            let (name, sku, text) = (name.to_owned(), sku.to_owned(), text.to_owned());
            data.add_product(Product { name, sku, price, stock, text, visible: true });
        }
        data
    }

    pub(super) fn add_product(&mut self, product: Product) -> Option<u32> {
        add(&mut self.products, &mut self.last_product, product)
    }

    /// Adds a customer, or says why not.
    pub(super) fn register(&mut self, customer: Customer, password: &str) -> Result<u32, &'static str> {
        if self.customers.values().any(|known| known.email.eq_ignore_ascii_case(&customer.email)) {
            return Err("there is an account with this e-mail address already");
        }
        let customer = Customer { password: self.digest(password), ..customer };
        add(&mut self.customers, &mut self.last_customer, customer).ok_or("the shop is full")
    }

    /// The customer whose e-mail address and password these are.
    pub(super) fn login(&self, email: &str, password: &str) -> Option<u32> {
        let digest = self.digest(password);
        let mut fitting = self.customers.iter().filter(|(_, known)| known.email.eq_ignore_ascii_case(email));
        fitting.find(|(_, known)| known.password == digest).map(|(id, _)| *id)
    }

    /// A real shop takes a slow password hash; in a demo that lives in memory a keyed digest does.
    fn digest(&self, password: &str) -> [u8; 32] {
        hmac_sha256(&self.salt, &[password.as_bytes()])
    }

    /// Saves a coupon under its code: a known code is changed, another is new.
    pub(super) fn save_coupon(&mut self, coupon: Coupon) -> Option<u32> {
        let mut coupons = self.coupons.iter_mut();
        if let Some((id, known)) = coupons.find(|(_, known)| known.code.eq_ignore_ascii_case(&coupon.code)) {
            *known = coupon;
            return Some(*id);
        }
        add(&mut self.coupons, &mut self.last_coupon, coupon)
    }

    /// The coupon with this code.
    pub(super) fn coupon(&self, code: &str) -> Option<&Coupon> {
        self.coupons.values().find(|known| known.code.eq_ignore_ascii_case(code))
    }

    /// The cart as lines of an order; products that are gone drop out.
    pub(super) fn lines(&self, cart: &BTreeMap<u32, u32>) -> Vec<Line> {
        let line = |(id, quantity): (&u32, &u32)| {
            let product = self.products.get(id)?;
            Some(Line { product: *id, name: product.name.clone(), quantity: *quantity, price: product.price })
        };
        cart.iter().filter_map(line).collect()
    }

    /// Places an order: takes the goods from the shelf. The error is for the customer.
    pub(super) fn place(
        &mut self,
        lines: Vec<Line>,
        customer: Option<u32>,
        address: Address,
        discount: u64,
    ) -> Result<u32, String> {
        let short = lines.iter().find(|line| self.products.get(&line.product).is_none_or(|p| p.stock < line.quantity));
        if let Some(line) = short {
            return Err(format!("there is not enough of {} left", line.name));
        }
        for line in &lines {
            if let Some(product) = self.products.get_mut(&line.product) {
                product.stock = product.stock.saturating_sub(line.quantity);
            }
        }
        let (placed, status, note) = (Clock::default().now(), "processing".to_owned(), String::new());
        let order = Order { placed, customer, address, lines, discount, status, note };
        add(&mut self.orders, &mut self.last_order, order).ok_or_else(|| "the shop is full".to_owned())
    }
}

fn add<T>(table: &mut BTreeMap<u32, T>, last: &mut u32, row: T) -> Option<u32> {
    if table.len() >= MAX_ROWS {
        return None;
    }
    *last = last.checked_add(1)?;
    table.insert(*last, row);
    Some(*last)
}

/// What the lines cost, in cents.
pub(super) fn sum(lines: &[Line]) -> u64 {
    lines.iter().map(|line| line.price.saturating_mul(u64::from(line.quantity))).sum()
}

/// Cents as people write them.
pub(super) fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The cents of `12`, `12.5` or `12,50`; at most a million.
pub(super) fn cents(text: &str) -> Option<u64> {
    let text = text.trim().replace(',', ".");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let whole: u64 = whole.parse().ok().filter(|whole| *whole <= 1_000_000)?;
    let part: u64 = match part.len() {
        0 => 0,
        1 => part.parse::<u64>().ok()? * 10,
        2 => part.parse().ok()?,
        _ => return None,
    };
    Some(whole * 100 + part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_as_people_type_them() {
        let rows = [("12", Some(1200)), ("12.5", Some(1250)), ("12,50", Some(1250)), ("12.505", None), ("free", None)];
        for (text, wanted) in rows {
            assert_eq!(cents(text), wanted, "{text}");
        }
        assert_eq!(money(1205), "12.05");
    }

    #[test]
    fn an_order_needs_goods_on_the_shelf() {
        let mut data = Data::stocked();
        let lines = data.lines(&BTreeMap::from([(4, 8)]));
        assert_eq!(data.place(lines.clone(), None, Address::default(), 0), Ok(1001));
        assert_eq!(data.products[&4].stock, 0);
        assert!(data.place(lines, None, Address::default(), 0).unwrap_err().contains("Iron Kettle"));
    }
}
