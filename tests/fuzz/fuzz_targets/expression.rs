//! The target `expression`.
#![no_main]
shopbell_fuzz::fuzz!("expression");
