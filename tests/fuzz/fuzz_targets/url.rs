//! The target `url`.
#![no_main]
shopbell_fuzz::fuzz!("url");
