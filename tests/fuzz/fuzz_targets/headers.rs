//! The target `headers`.
#![no_main]
shopbell_fuzz::fuzz!("headers");
