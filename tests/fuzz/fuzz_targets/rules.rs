//! The target `rules`.
#![no_main]
shopbell_fuzz::fuzz!("rules");
