//! Query, urlencoded and multipart fields as one tree, read as PHP does.

use serde_json::Value;

use super::Damage;

/// Fields of a query or form: the ordered flat list as sent, and the tree PHP would make of it.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    pairs: Vec<(String, String)>,
    tree: Value,
    damage: Option<Damage>,
}

/// A field's name as on the wire, taken apart: `product_description[1][name]`, `selected[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    /// The name's parts: `product_description`, `1`, `name`.
    pub parts: Vec<String>,
    /// Whether it ends in `[]`: the list of all values.
    pub list: bool,
}

impl FieldPath {
    /// Takes a name apart the way PHP does (`.` and space in the top name become `_`).
    pub fn parse(_name: &str) -> Self {
        todo!()
    }
}

impl Fields {
    /// Builds the tree from pairs in order. `damage` tells that pairs may be missing.
    pub fn from_pairs(_pairs: Vec<(String, String)>, _damage: Option<Damage>) -> Self {
        todo!()
    }

    /// The pairs as sent.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The tree: an object of strings, objects (numbered keys too) and arrays (`x[]`).
    pub fn tree(&self) -> &Value {
        &self.tree
    }

    /// What stands at a path; for one that ends in `[]` always an array (empty if nothing is there).
    pub fn get(&self, _path: &FieldPath) -> Option<std::borrow::Cow<'_, Value>> {
        todo!()
    }

    /// Why fields may be missing.
    pub fn damage(&self) -> Option<Damage> {
        self.damage
    }
}
