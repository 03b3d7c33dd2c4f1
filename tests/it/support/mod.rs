//! What several behaviours' tests share.
