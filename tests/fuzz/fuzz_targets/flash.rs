//! The target `flash`.
#![no_main]
shopbell_fuzz::fuzz!("flash");
