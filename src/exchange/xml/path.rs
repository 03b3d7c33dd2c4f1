//! A small subset of XPath: `/a/b`, `//b`, `*`, `[2]`, `[@x='y']`, `[b='y']`, and at the end `/@z` or `/text()`.
//!
//! Names are local names. Prefixes are overlooked, in paths and in documents: shops change them between versions.

/// Steps of one path.
const MAX_STEPS: usize = 32;

/// A compiled path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlPath {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Behind `//`: at any depth.
    pub(super) anywhere: bool,
    /// `None` is `*`.
    pub(super) name: Option<String>,
    pub(super) tests: Vec<Test>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// `[2]`: the second of those that fit under one parent.
    Place(usize),
    /// `[@x]`, `[@x='y']`.
    Attribute(String, Option<String>),
    /// `[b]`, `[b='y']`.
    Child(String, Option<String>),
}

/// What is read of the elements found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All text below, cut at the ends.
    Content,
    /// `/text()`: the element's own text, as written.
    Text,
    /// `/@z`.
    Attribute(String),
}

impl XmlPath {
    /// Compiles. The error is for people and names the place.
    pub fn parse(path: &str) -> Result<Self, String> {
        let mut scanner = Scanner { path, rest: path.trim() };
        let mut compiled = Self { steps: Vec::new(), end: End::Content };
        if !scanner.rest.starts_with('/') {
            return Err(format!("{path:?}: an XML path begins with `/` (from the root) or `//` (anywhere)"));
        }
        while !scanner.rest.is_empty() {
            let anywhere = scanner.take("//");
            if !anywhere && !scanner.take("/") {
                return Err(scanner.fault("a `/` was expected"));
            }
            if scanner.rest.starts_with(['@']) || scanner.rest.starts_with("text()") {
                if compiled.steps.is_empty() || anywhere {
                    return Err(scanner.fault("an attribute or a text stands behind an element: `/a/@b`, `//*/@b`"));
                }
                compiled.end = if scanner.take("@") { End::Attribute(scanner.name()?) } else { End::Text };
                scanner.take("text()");
                return if scanner.rest.is_empty() { Ok(compiled) } else { Err(scanner.fault("nothing can follow")) };
            }
            let step = scanner.step(anywhere)?;
            compiled.steps.push(step);
            if compiled.steps.len() > MAX_STEPS {
                return Err(format!("{path:?} has more than {MAX_STEPS} steps"));
            }
        }
        Ok(compiled)
    }
}

struct Scanner<'a> {
    path: &'a str,
    rest: &'a str,
}

impl Scanner<'_> {
    fn fault(&self, what: &str) -> String {
        match self.rest {
            "" => format!("{:?}: {what} at its end", self.path),
            rest => format!("{:?}: {what} at {rest:?}", self.path),
        }
    }

    fn take(&mut self, text: &str) -> bool {
        let after = self.rest.strip_prefix(text);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// A name without its prefix.
    fn name(&mut self) -> Result<String, String> {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        let (name, rest) = self.rest.split_at(self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len()));
        let local = name.rsplit(':').next().unwrap_or_default();
        if local.is_empty() {
            return Err(self.fault("a name was expected"));
        }
        self.rest = rest;
        Ok(local.to_owned())
    }

    fn step(&mut self, anywhere: bool) -> Result<Step, String> {
        let name = if self.take("*") { None } else { Some(self.name()?) };
        if self.rest.starts_with('(') || self.rest.starts_with("::") {
            return Err(self.fault("axes and functions are not known here; `text()` is"));
        }
        let mut tests = Vec::new();
        while self.take("[") {
            self.blanks();
            tests.push(self.test()?);
            self.blanks();
            if !self.take("]") {
                return Err(self.fault("a `]` was expected (known are `[2]`, `[@x]`, `[@x='y']`, `[b]`, `[b='y']`)"));
            }
            if tests.len() > MAX_STEPS {
                return Err(format!("{:?} has more than {MAX_STEPS} tests in a row", self.path));
            }
        }
        Ok(Step { anywhere, name, tests })
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.rest.starts_with(|first: char| first.is_ascii_digit()) {
            let (digits, rest) =
                self.rest.split_at(self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len()));
            let place = digits.parse().ok().filter(|place| *place > 0);
            let place = place.ok_or_else(|| self.fault("places count from 1"))?;
            self.rest = rest;
            return Ok(Test::Place(place));
        }
        if self.take("@") {
            return Ok(Test::Attribute(self.name()?, self.wanted()?));
        }
        Ok(Test::Child(self.name()?, self.wanted()?))
    }

    /// `='y'`, if there is one.
    fn wanted(&mut self) -> Result<Option<String>, String> {
        self.blanks();
        if !self.take("=") {
            return Ok(None);
        }
        self.blanks();
        let quote = self.rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let Some(quote) = quote else { return Err(self.fault("a value in quotes was expected")) };
        let inner = self.rest.get(1..).unwrap_or_default();
        let Some((value, rest)) = inner.split_once(quote) else { return Err(self.fault("the quote is not closed")) };
        self.rest = rest;
        Ok(Some(value.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_the_place() {
        for (path, fault) in [
            ("", "begins with `/`"),
            ("a/b", "begins with `/`"),
            ("/", "a name was expected at its end"),
            ("/a/", "a name was expected at its end"),
            ("/a b", "a `/` was expected at \" b\""),
            ("/a[0]", "places count from 1 at \"0]\""),
            ("/a[99999999999999999999999]", "places count from 1"),
            ("/a[@x=y]", "a value in quotes was expected at \"y]\""),
            ("/a[@x='y]", "the quote is not closed"),
            ("/a[@x='y'", "a `]` was expected"),
            ("/a[last()]", "a `]` was expected"),
            ("/a/@b/c", "nothing can follow at \"/c\""),
            ("/@b", "stands behind an element"),
            ("//@b", "stands behind an element"),
            ("/parent::a", "a name was expected"),
            ("/a/node()", "axes and functions"),
        ] {
            match XmlPath::parse(path) {
                Err(found) => assert!(found.contains(fault), "{path}: {found}"),
                // Reads as a name with a prefix, as it may be one.
                Ok(_) => assert_eq!(path, "/parent::a"),
            }
        }
        assert!(XmlPath::parse(&"/a".repeat(33)).is_err());
        assert!(XmlPath::parse("/a[ @x = \"y\" ][2]/text()").is_ok());
    }
}
