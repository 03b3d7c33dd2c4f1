//! The target `fields`.
#![no_main]
shopbell_fuzz::fuzz!("fields");
