//! The target `decoding`.
#![no_main]
shopbell_fuzz::fuzz!("decoding");
