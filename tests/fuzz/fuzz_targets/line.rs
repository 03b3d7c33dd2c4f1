//! The target `line`.
#![no_main]
shopbell_fuzz::fuzz!("line");
