//! What several behaviours' tests share.

pub(crate) mod upstream;
