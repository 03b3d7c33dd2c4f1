//! Process settings: flags, `SHOPBELL_*` environment, `shopbell.toml`.
