//! The target `flash_page`.
#![no_main]
shopbell_fuzz::fuzz!("flash_page");
