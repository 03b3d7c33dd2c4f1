//! The target `charset`.
#![no_main]
shopbell_fuzz::fuzz!("charset");
