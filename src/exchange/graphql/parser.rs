//! A GraphQL document from its text (GraphQL specification, October 2021, section 2). Executable documents only: no shop is
//! sent a schema. An own parser, because those on crates.io build more than is needed and follow nesting on the stack
//! without a bound.

use serde_json::{Number, Value};

use super::GraphqlKind;
use super::ast::{Directive, Document, Fault, Field, Fragment, Input, Operation, Selection};
use super::lexer::{Token, tokens};

/// Bytes of one document.
pub(super) const MAX_DOCUMENT: usize = 256 * 1024;
/// Brackets within each other.
pub(super) const MAX_DEPTH: usize = 64;

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Document, Fault> {
    if text.len() > MAX_DOCUMENT {
        return Err(Fault::TooLarge);
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0 };
    let mut document = Document::default();
    while parser.tokens.peek().is_some() {
        parser.definition(&mut document)?;
    }
    if document.operations.is_empty() { Err(Fault::Syntax) } else { Ok(document) }
}

struct Parser<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token<'a>>>,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn take(&mut self, token: &Token<'_>) -> bool {
        self.tokens.next_if(|next| next == token).is_some()
    }

    fn take_sign(&mut self, sign: char) -> bool {
        self.take(&Token::Sign(sign))
    }

    fn need(&mut self, sign: char) -> Result<(), Fault> {
        if self.take_sign(sign) { Ok(()) } else { Err(Fault::Syntax) }
    }

    fn name(&mut self) -> Result<&'a str, Fault> {
        match self.tokens.next() {
            Some(Token::Name(name)) => Ok(name),
            _ => Err(Fault::Syntax),
        }
    }

    /// Runs one level down.
    fn below<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::TooLarge);
        }
        self.depth += 1;
        let found = read(self);
        self.depth -= 1;
        found
    }

    /// Items up to a closing sign.
    fn until<T>(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        while !self.take_sign(close) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn definition(&mut self, document: &mut Document) -> Result<(), Fault> {
        // A description, as the draft allows.
        self.tokens.next_if(|next| matches!(next, Token::Text(_)));
        if self.tokens.peek() == Some(&Token::Sign('{')) {
            let selections = self.selections()?;
            let (kind, name, variables) = (GraphqlKind::Query, None, Vec::new());
            document.operations.push(Operation { kind, name, variables, selections });
            return Ok(());
        }
        let kind = match self.name()? {
            "query" => GraphqlKind::Query,
            "mutation" => GraphqlKind::Mutation,
            "subscription" => GraphqlKind::Subscription,
            "fragment" => {
                let name = self.name()?.to_owned();
                let condition = self.condition()?.ok_or(Fault::Syntax)?;
                self.directives()?;
                let selections = self.selections()?;
                document.fragments.push(Fragment { name, condition, selections });
                return Ok(());
            }
            _ => return Err(Fault::Syntax),
        };
        let name = self.tokens.next_if(|next| matches!(next, Token::Name(_)));
        let name = name.and_then(|token| if let Token::Name(name) = token { Some(name.to_owned()) } else { None });
        let variables = if self.take_sign('(') { self.until(')', Self::variable)? } else { Vec::new() };
        self.directives()?;
        let selections = self.selections()?;
        document.operations.push(Operation { kind, name, variables, selections });
        Ok(())
    }

    /// `on Type`, if it stands here.
    fn condition(&mut self) -> Result<Option<String>, Fault> {
        if self.take(&Token::Name("on")) { self.name().map(|name| Some(name.to_owned())) } else { Ok(None) }
    }

    /// `$name: [Type!]! = default`.
    fn variable(&mut self) -> Result<(String, Option<Value>), Fault> {
        self.need('$')?;
        let name = self.name()?.to_owned();
        self.need(':')?;
        let mut open = 0_usize;
        while self.take_sign('[') {
            open += 1;
        }
        self.name()?;
        loop {
            if open > 0 && self.take_sign(']') {
                open -= 1;
            } else if !self.take_sign('!') {
                break;
            }
        }
        if open > 0 {
            return Err(Fault::Syntax);
        }
        let default = if self.take_sign('=') { self.input()?.fill(&serde_json::Map::new()) } else { None };
        self.directives()?;
        Ok((name, default))
    }

    fn selections(&mut self) -> Result<Vec<Selection>, Fault> {
        self.need('{')?;
        let selections = self.below(|parser| parser.until('}', Self::selection))?;
        if selections.is_empty() { Err(Fault::Syntax) } else { Ok(selections) }
    }

    fn selection(&mut self) -> Result<Selection, Fault> {
        if !self.take(&Token::Spread) {
            return self.field().map(Selection::Field);
        }
        let condition = self.condition()?;
        if condition.is_none() {
            let name = self.tokens.next_if(|next| matches!(next, Token::Name(_)));
            if let Some(Token::Name(name)) = name {
                return Ok(Selection::Spread { name: name.to_owned(), directives: self.directives()? });
            }
        }
        let directives = self.directives()?;
        Ok(Selection::Inline { condition, directives, selections: self.selections()? })
    }

    fn field(&mut self) -> Result<Field, Fault> {
        let first = self.name()?.to_owned();
        let (alias, name) = if self.take_sign(':') { (Some(first), self.name()?.to_owned()) } else { (None, first) };
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let selections = if self.tokens.peek() == Some(&Token::Sign('{')) { self.selections()? } else { Vec::new() };
        Ok(Field { alias, name, arguments, directives, selections })
    }

    fn directives(&mut self) -> Result<Vec<Directive>, Fault> {
        let mut directives = Vec::new();
        while self.take_sign('@') {
            directives.push(Directive { name: self.name()?.to_owned(), arguments: self.arguments()? });
        }
        Ok(directives)
    }

    fn arguments(&mut self) -> Result<Vec<(String, Input)>, Fault> {
        if self.take_sign('(') { self.until(')', Self::named) } else { Ok(Vec::new()) }
    }

    fn named(&mut self) -> Result<(String, Input), Fault> {
        let name = self.name()?.to_owned();
        self.need(':')?;
        Ok((name, self.input()?))
    }

    fn input(&mut self) -> Result<Input, Fault> {
        Ok(match self.tokens.next().ok_or(Fault::Syntax)? {
            Token::Sign('$') => Input::Variable(self.name()?.to_owned()),
            Token::Sign('[') => Input::List(self.below(|parser| parser.until(']', Self::input))?),
            Token::Sign('{') => Input::Object(self.below(|parser| parser.until('}', Self::named))?),
            Token::Name("true") => Input::Plain(Value::Bool(true)),
            Token::Name("false") => Input::Plain(Value::Bool(false)),
            Token::Name("null") => Input::Plain(Value::Null),
            Token::Name(name) => Input::Plain(Value::String(name.to_owned())),
            Token::Text(text) => Input::Plain(Value::String(text)),
            Token::Number(digits) => Input::Plain(Value::Number(digits.parse::<Number>().map_err(|_| Fault::Syntax)?)),
            Token::Sign(_) | Token::Spread => return Err(Fault::Syntax),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_or_refused() {
        let deep = format!("{}{}", "{a".repeat(100), "}".repeat(100));
        let list = format!("{{a(b: {}{})}}", "[".repeat(100), "]".repeat(100));
        for (text, fault) in [
            ("{a}", None),
            (
                "query Q($a: [ID!]! = [1], $b: X = {c: D} @e) @f(g: $a) { a: b(c: $a) @skip(if: true) { ...F ... on X { d } ... { e } } } fragment F on Y { x }",
                None,
            ),
            ("\"says\" mutation { a }", None),
            ("{a{}}", Some(Fault::Syntax)),
            ("", Some(Fault::Syntax)),
            ("# only a comment", Some(Fault::Syntax)),
            ("fragment F on X { a }", Some(Fault::Syntax)),
            ("type A { b: C }", Some(Fault::Syntax)),
            ("{a", Some(Fault::Syntax)),
            ("{a}}", Some(Fault::Syntax)),
            ("{a(b: )}", Some(Fault::Syntax)),
            ("{a(b: 1x)}", Some(Fault::Syntax)),
            ("query ($a: [X) {a}", Some(Fault::Syntax)),
            ("{...}", Some(Fault::Syntax)),
            (&deep, Some(Fault::TooLarge)),
            (&list, Some(Fault::TooLarge)),
            (&"{".repeat(100_000), Some(Fault::TooLarge)),
            (&" ".repeat(MAX_DOCUMENT + 1), Some(Fault::TooLarge)),
        ] {
            assert_eq!(parse(text).err(), fault, "{text:.80}");
        }
    }
}
