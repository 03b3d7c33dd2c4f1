//! The target `suggest`.
#![no_main]
shopbell_fuzz::fuzz!("suggest");
