//! The environment and the expressions that borrow from it, in one owner.
#![expect(clippy::mem_forget, reason = "self_cell hands its allocation over that way")]

use minijinja::{Environment, Expression};

/// Compiled expressions by their number; `None` where one did not compile.
pub(super) type Compiled<'env> = Vec<Option<Expression<'env, 'static>>>;

self_cell::self_cell!(
    /// An environment with what was compiled in it.
    pub(super) struct Program {
        owner: Environment<'static>,
        #[not_covariant]
        dependent: Compiled,
    }
);
