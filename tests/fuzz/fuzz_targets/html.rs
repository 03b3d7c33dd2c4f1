//! The target `html`.
#![no_main]
shopbell_fuzz::fuzz!("html");
