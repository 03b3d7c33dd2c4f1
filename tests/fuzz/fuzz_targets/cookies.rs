//! The target `cookies`.
#![no_main]
shopbell_fuzz::fuzz!("cookies");
