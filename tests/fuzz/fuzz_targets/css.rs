//! The target `css`.
#![no_main]
shopbell_fuzz::fuzz!("css");
