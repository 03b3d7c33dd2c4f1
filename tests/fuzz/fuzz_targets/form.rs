//! The target `form`.
#![no_main]
shopbell_fuzz::fuzz!("form");
