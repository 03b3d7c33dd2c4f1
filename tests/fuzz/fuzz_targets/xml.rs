//! The target `xml`.
#![no_main]
shopbell_fuzz::fuzz!("xml");
