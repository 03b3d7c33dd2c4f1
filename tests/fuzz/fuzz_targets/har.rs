//! The target `har`.
#![no_main]
shopbell_fuzz::fuzz!("har");
