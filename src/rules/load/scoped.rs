//! Names of expressions that mean something only in some places: `then`, `access`, `session`.

use super::super::expr::Expr;
use super::loader::Loader;
use super::tree::Node;

/// What an expression may name where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scoped {
    /// There is a table [session].
    pub(super) session: bool,
    /// What `then` is here.
    pub(super) then: Then,
    /// It is the `get` of a look-up, where `access` stands.
    pub(super) access: bool,
}

/// What `then` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing: the rule does not wait.
    #[default]
    NoWait,
    /// Nothing: the rule waits for a key alone.
    NoExchange,
    /// The exchange that completes it.
    Known,
    /// The exchange the expression looks at.
    Itself,
    /// It has not come yet.
    NotYet,
}

impl Loader {
    /// Tells of names that mean nothing here.
    pub(super) fn scoped(&mut self, node: &Node, exprs: impl Iterator<Item = Expr>) {
        let mut roots: Vec<String> = Vec::new();
        for expr in exprs {
            roots.extend(self.expressions.paths(expr).iter().filter_map(|path| path.first().cloned()));
        }
        roots.sort();
        roots.dedup();
        for root in roots {
            let fault = match (root.as_str(), self.scoped) {
                ("session", Scoped { session: false, .. }) => Some((
                    "nobody is followed: `session` is known only with a table [session]",
                    "name what tells visitors apart: [session] cookies = [\"…\"]",
                )),
                ("then", Scoped { then: Then::NoWait, .. }) => Some((
                    "`then` is the exchange a rule waits for, and this rule has no `wait`",
                    "add a `wait`: wait = { on = \"GET /…\", for = \"15m\" }",
                )),
                ("then", Scoped { then: Then::NoExchange, .. }) => Some((
                    "`then` is the exchange a rule waits for, and its `wait` names none",
                    "give the wait an `on` or a `get`",
                )),
                ("then", Scoped { then: Then::Itself, .. }) => Some((
                    "inside `wait` the later exchange is the one looked at: `then` is not known",
                    "leave `then.` out",
                )),
                ("then", Scoped { then: Then::NotYet, .. }) => {
                    Some(("`then` has not come yet where this is computed", "name the exchange that matched"))
                }
                ("access", Scoped { access: false, .. }) => Some((
                    "`access` is known only in the `get` of a look-up",
                    "it holds what the login of [access.NAME] keeps",
                )),
                _ => None,
            };
            if let Some((message, hint)) = fault {
                self.report.error(node.at, message, hint.to_owned());
            }
        }
    }

    /// Compiles something in another scope.
    pub(super) fn within<T>(&mut self, scoped: Scoped, work: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.scoped, scoped);
        let done = work(self);
        self.scoped = before;
        done
    }
}
