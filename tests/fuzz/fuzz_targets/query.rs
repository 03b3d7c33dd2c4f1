//! The target `query`.
#![no_main]
shopbell_fuzz::fuzz!("query");
