//! The target `case_text`.
#![no_main]
shopbell_fuzz::fuzz!("case_text");
