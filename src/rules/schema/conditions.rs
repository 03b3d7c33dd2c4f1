//! Condition roots and matcher values.

use serde_json::{Value, json};

use super::values::{flag, status, text};
use super::{closed, said};

/// How much is said. Everything is inlined, so what stands in many places is said in full once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Keys, shapes and what they mean.
    Full,
    /// Keys.
    Keys,
}

impl Detail {
    fn said(self, shape: Value, what: &str) -> Value {
        match self {
            Self::Full => said(shape, what),
            Self::Keys => shape,
        }
    }

    /// A matcher on one text: equal, one of, there or not, operators.
    fn matcher(self) -> Value {
        match self {
            Self::Full => json!({ "anyOf": [scalar(), scalars(), closed("", operators())] }),
            Self::Keys => json!({}),
        }
    }

    /// Names with a matcher each, which may have names below them; `true`: any of them, `false`: none.
    fn fields(self) -> Value {
        if self == Self::Keys {
            return json!({ "type": ["object", "boolean"] });
        }
        let mut below = closed("", operators());
        below["additionalProperties"] = true.into();
        let field = json!({ "anyOf": [scalar(), scalars(), below] });
        json!({ "type": ["object", "boolean"], "additionalProperties": field, "minProperties": 1 })
    }

    /// Names of headers or cookies, which may hold `*`.
    fn names(self) -> Value {
        match self {
            Self::Full => json!({ "type": "object", "additionalProperties": self.matcher(), "minProperties": 1 }),
            Self::Keys => json!({ "type": "object" }),
        }
    }

    /// A URL: short for its path, or its parts.
    fn url(self) -> Value {
        let path = json!({ "type": ["string", "array", "boolean", "object"], "items": { "type": "string" } });
        let parts = closed(
            "",
            [
                ("url", self.matcher()),
                ("host", self.matcher()),
                ("path", self.said(path, "A path template, or matcher operators on the text.")),
                ("query", self.fields()),
                ("params", self.said(self.names(), "What the path template captured.")),
            ],
        );
        let paths = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
        // Operators on the path as text stand in the same place.
        json!({ "anyOf": [{ "type": ["string", "boolean"] }, paths, parts, closed("", operators())] })
    }

    /// `flash`: levels, or what a message must be.
    fn flash(self) -> Value {
        let wanted = closed("", [("level", self.matcher()), ("text", self.matcher())]);
        let one = json!({ "anyOf": [text(), wanted] });
        json!({ "anyOf": [flag(), one, { "type": "array", "items": one, "minItems": 1 }] })
    }

    fn response(self) -> Value {
        let keys = [
            ("headers", self.names()),
            ("cookies", self.said(self.names(), "Cookies the answer sets.")),
            ("body", self.said(self.matcher(), "The answer's text.")),
            ("json", self.said(self.fields(), "The answer's JSON, by paths.")),
        ];
        self.said(closed("", keys), "Conditions on the answer.")
    }

    /// `graphql` of a rule; in a table of `any` or `none` only conditions.
    fn graphql(self, in_table: bool) -> Value {
        let conditions = [
            ("args", self.said(self.fields(), "Arguments of the field, variables filled in.")),
            ("data", self.said(self.fields(), "What the field gave, under the names of the schema.")),
        ];
        if in_table {
            return closed("", conditions);
        }
        let names = || json!({ "type": ["string", "array"], "items": { "type": "string" }, "minItems": 1 });
        let ok = json!({ "enum": [true, false, "any"] });
        let own = [
            ("mutation", self.said(names(), "Names of root fields; the rule runs once for each that was executed.")),
            ("query", self.said(names(), "The same of a query.")),
            ("ok", self.said(ok, "How it went: `true` (default), `false` or \"any\".")),
        ];
        self.said(closed("", own.into_iter().chain(conditions)), "GraphQL root fields.")
    }

    /// Condition roots that the head of a request decides.
    pub(super) fn head_roots(self) -> Vec<(&'static str, Value)> {
        vec![
            ("host", self.said(self.matcher(), "Host and port of the request.")),
            ("query", self.said(self.fields(), "Fields of the query.")),
            ("headers", self.said(self.names(), "Headers of the request.")),
            ("cookies", self.said(self.names(), "Cookies of the request.")),
            ("referer", self.said(self.url(), "The page the visitor came from.")),
        ]
    }

    /// All condition roots but `find`.
    pub(super) fn roots(self, in_table: bool) -> Vec<(&'static str, Value)> {
        let mut roots = self.head_roots();
        roots.extend([
            ("form", self.said(self.fields(), "Fields of the request's form; nested tables are brackets.")),
            ("json", self.said(self.fields(), "The request's JSON; nested tables are paths.")),
            ("status", self.said(status(), "Status of the answer; 2xx and 3xx where nothing is said.")),
            ("location", self.said(self.url(), "Where the answer leads to.")),
            ("response", self.response()),
            ("flash", self.said(self.flash(), "One-time messages that the answer added.")),
            ("graphql", self.graphql(in_table)),
            ("session", self.said(self.fields(), "What is remembered of the visitor.")),
        ]);
        roots
    }
}

/// Operators of a matcher table, with what they take.
fn operators() -> Vec<(&'static str, Value)> {
    let (scalar, number) = (|| json!({ "type": ["string", "number"] }), || json!({ "type": "number" }));
    vec![
        ("is", json!({})),
        ("present", flag()),
        ("not", json!({ "type": ["string", "number", "array"] })),
        ("has", scalar()),
        ("regex", text()),
        ("starts", scalar()),
        ("ends", scalar()),
        ("contains", scalar()),
        ("gt", number()),
        ("ge", number()),
        ("lt", number()),
        ("le", number()),
    ]
}

fn scalar() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn scalars() -> Value {
    json!({ "type": "array", "items": { "type": ["string", "number"] }, "minItems": 1 })
}

/// `any` and `none`: a list of tables, or one.
pub(super) fn tables(what: &str) -> Value {
    let find = Detail::Keys.fields();
    let table = closed("", Detail::Keys.roots(true).into_iter().chain([("find", find)]));
    json!({ "description": what, "type": ["array", "object"], "items": table, "minItems": 1 })
}
