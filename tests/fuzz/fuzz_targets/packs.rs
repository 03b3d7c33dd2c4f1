//! The target `packs`.
#![no_main]
shopbell_fuzz::fuzz!("packs");
