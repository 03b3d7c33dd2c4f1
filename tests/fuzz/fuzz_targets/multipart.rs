//! The target `multipart`.
#![no_main]
shopbell_fuzz::fuzz!("multipart");
