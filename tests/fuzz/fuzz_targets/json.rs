//! The target `json`.
#![no_main]
shopbell_fuzz::fuzz!("json");
