//! The words of the expression language: roots, what stands below them, functions, filters and tests.

use super::Scope;

/// What an expression reads: a set of [`Root`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads(u64);

impl Reads {
    pub(super) fn of(root: Root) -> Self {
        Self(1 << root as u32)
    }

    pub(super) fn add(&mut self, root: Root) {
        self.0 |= Self::of(root).0;
    }

    pub(super) fn has(self, root: Root) -> bool {
        self.0 & (1 << root as u32) != 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Root> {
        Root::ALL.iter().copied().filter(move |root| self.has(*root))
    }
}

macro_rules! roots {
    ($($name:ident $word:literal),* $(,)?) => {
        /// A root variable of expressions; the four below `response` count on their own, as they cost differently.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Root { $($name),* }

        impl Root {
            /// All of them.
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];

            /// The word in an expression.
            pub(super) const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

roots! {
    Host "host", Query "query", Form "form", Json "json", Headers "headers", Cookies "cookies", Referer "referer",
    Status "status", Location "location", Method "method", Path "path", Params "params", Item "item", Index "index",
    Vars "vars", Shop "shop", Now "now", Known "known", IdOf "id_of", Rows "rows",
    Session "session", Then "then", Access "access",
    ResponseHeaders "response.headers", ResponseCookies "response.cookies", ResponseBody "response.body",
    ResponseJson "response.json",
    Find "find", Flash "flash", Graphql "graphql", Field "field",
    Topic "topic", Resource "resource", Event "event", Id "id", Key "key", Payload "payload",
}

/// The parts of `response`.
pub(super) const RESPONSE: [Root; 4] =
    [Root::ResponseHeaders, Root::ResponseCookies, Root::ResponseBody, Root::ResponseJson];

const RULE: &[&str] = &[
    "host", "query", "form", "json", "headers", "cookies", "referer", "status", "location", "response", "method",
    "path", "params", "vars", "shop", "now", "session", "then", "access", "find", "flash", "graphql", "field",
];
const ITEM: &[&str] = &["item", "index"];
const FILTER: &[&str] = &["topic", "resource", "event", "id", "key", "payload"];

/// The variables an expression may name.
pub(super) fn variables(scope: Scope) -> Vec<&'static str> {
    match scope {
        Scope::Rule => RULE.to_vec(),
        Scope::Item => [RULE, ITEM].concat(),
        Scope::Filter => FILTER.to_vec(),
    }
}

/// The functions an expression may call. `namespace` and `debug` of MiniJinja are left out.
pub(super) const fn functions(scope: Scope) -> &'static [&'static str] {
    match scope {
        Scope::Rule | Scope::Item => &["known", "id_of", "rows", "changed", "range", "dict"],
        Scope::Filter => &["changed", "range", "dict"],
    }
}

/// Whether a root is a function.
pub(super) fn is_function(word: &str) -> bool {
    functions(Scope::Rule).contains(&word)
}

/// Whether a root is part of an exchange, so that it may stand below `then`.
pub(super) fn is_of_exchange(word: &str) -> bool {
    let lasting = ["vars", "shop", "now", "then", "access"];
    variables(Scope::Rule).contains(&word) && !lasting.contains(&word)
}

/// What may stand below a root that is a fixed table.
pub(super) fn children(root: &str) -> Option<&'static [&'static str]> {
    match root {
        "location" | "referer" => Some(&["url", "host", "path", "query", "params"]),
        "response" => Some(&["headers", "cookies", "body", "json"]),
        "field" | "graphql" => Some(&["name", "alias", "args", "data", "errors"]),
        "shop" => Some(&["name", "url", "charset", "decimal", "timezone"]),
        _ => None,
    }
}

/// Roots below which every value is text.
pub(super) fn is_text(root: &str, child: Option<&str>) -> bool {
    match root {
        "form" | "query" | "headers" | "cookies" | "params" => child.is_some(),
        "path" | "host" | "method" => true,
        "location" | "referer" => matches!(child, Some("url" | "host" | "path" | "query" | "params")),
        "response" => matches!(child, Some("headers" | "cookies" | "body")),
        _ => false,
    }
}

/// Filters that give text for text: a comparison behind them is still one of text.
pub(super) const TEXT_FILTERS: &[&str] =
    &["default", "d", "trim", "lower", "upper", "first", "last", "replace", "string"];

/// Our own filters.
pub(super) const OWN_FILTERS: &[&str] = &["money", "date", "gmt", "yes", "pick", "keyed", "strip_tags", "unhtml"];

/// What a filter is called here that other template languages (Liquid, Twig, Django's) call so.
pub(super) fn elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "uppercase" | "upcase" | "to_upper" => "upper",
        "lowercase" | "downcase" | "to_lower" => "lower",
        "strip" | "strip_whitespace" => "trim",
        "number" | "integer" | "to_int" | "to_number" => "int",
        "price" | "currency" | "number_format" => "money",
        "strftime" | "date_format" | "timestamp" => "date",
        "striptags" | "strip_html" => "strip_tags",
        "unescape" | "html_entity_decode" => "unhtml",
        "size" | "len" => "length",
        "bool" | "boolean" => "yes",
        "explode" => "split",
        "implode" => "join",
        _ => return None,
    })
}

/// MiniJinja's own filters that make sense where nothing is escaped.
pub(super) const FILTERS: &[&str] = &[
    "lower",
    "upper",
    "title",
    "capitalize",
    "replace",
    "length",
    "count",
    "dictsort",
    "items",
    "reverse",
    "trim",
    "join",
    "split",
    "lines",
    "default",
    "d",
    "round",
    "abs",
    "int",
    "float",
    "attr",
    "first",
    "last",
    "min",
    "max",
    "sort",
    "list",
    "string",
    "bool",
    "batch",
    "slice",
    "sum",
    "indent",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "map",
    "groupby",
    "unique",
    "chain",
    "zip",
    "format",
    "tojson",
    "urlencode",
];

/// MiniJinja's own tests.
pub(super) const TESTS: &[&str] = &[
    "undefined",
    "defined",
    "none",
    "boolean",
    "odd",
    "even",
    "divisibleby",
    "number",
    "integer",
    "int",
    "float",
    "string",
    "sequence",
    "iterable",
    "mapping",
    "startingwith",
    "endingwith",
    "lower",
    "upper",
    "sameas",
    "eq",
    "equalto",
    "==",
    "ne",
    "!=",
    "lt",
    "lessthan",
    "<",
    "le",
    "<=",
    "gt",
    "greaterthan",
    ">",
    "ge",
    ">=",
    "in",
    "true",
    "false",
    "filter",
    "test",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_shows_each_filter_and_function() {
        let manual = include_str!("../../../docs/rules.md");
        let shown = manual.split("## Filters and functions").last().unwrap_or_default();
        let filters = OWN_FILTERS.iter().chain(FILTERS);
        let filters = filters.filter(|name| {
            let behind = format!("| {name}");
            !shown
                .split(behind.as_str())
                .skip(1)
                .any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        });
        let functions = functions(Scope::Rule).iter().filter(|name| !shown.contains(&format!("{name}(")));
        let missing: Vec<_> = filters.chain(functions).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
