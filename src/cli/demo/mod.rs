//! `shopbell demo`: a shop, shopbell in front of it and a receiver behind it, in one process.

pub mod shop;
