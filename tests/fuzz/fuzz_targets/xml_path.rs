//! The target `xml_path`.
#![no_main]
shopbell_fuzz::fuzz!("xml_path");
