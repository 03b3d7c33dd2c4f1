//! Values that name a secret: what a rule itself names is sent, so whoever wrote it is told.

use crate::model::glob;

use super::super::derive::is_secret;
use super::super::expr::Template;
use super::loader::Loader;
use super::tree::Node;

/// Roots whose values are a visitor's or the shop's.
const FOREIGN: [&str; 12] = [
    "form", "json", "query", "headers", "cookies", "response", "location", "referer", "item", "find", "field",
    "session",
];

/// Warns of a value of the payload that names a field which holds a secret.
pub(super) fn sent(loader: &mut Loader, what: &str, node: &Node, template: &Template) {
    let secret = template.holes().find_map(|hole| {
        let mut paths = loader.expressions.paths(hole).iter().map(|path| match path.split_first() {
            Some((root, below)) if root == "then" => below,
            _ => path.as_slice(),
        });
        let named = |path: &&[String]| {
            let (root, below) = path.split_first()?;
            let why = |name: &String| match name.to_lowercase() {
                _ if is_secret(name) => Some("looks like a secret"),
                name if loader.redact.iter().any(|pattern| glob(pattern, &name)) => Some("[shop] `redact` names"),
                _ => None,
            };
            let why = below.iter().find_map(why).filter(|_| FOREIGN.contains(&root.as_str()))?;
            Some((path.join("."), why))
        };
        paths.find_map(|path| named(&path))
    });
    if let Some((secret, why)) = secret {
        let hint = "leave it out: every webhook and the log would have it; what stands in wholesale copies is left out by itself";
        loader.report.warn(node.at, format!("`{what}` sends `{secret}`, which {why}"), hint.to_owned());
    }
}
