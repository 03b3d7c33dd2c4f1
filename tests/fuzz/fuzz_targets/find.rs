//! The target `find`.
#![no_main]
shopbell_fuzz::fuzz!("find");
