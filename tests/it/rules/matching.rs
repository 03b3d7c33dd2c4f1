//! Conditions on exchanges, row by row, and the index against a naive matcher.

mod conditions;
mod index;
