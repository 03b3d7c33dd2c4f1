//! The target `for_each`.
#![no_main]
shopbell_fuzz::fuzz!("for_each");
