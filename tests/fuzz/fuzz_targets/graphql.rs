//! The target `graphql`.
#![no_main]
shopbell_fuzz::fuzz!("graphql");
