//! A GraphQL document's tokens (GraphQL specification, October 2021, section 2.1).

use super::ast::Fault;

/// Tokens of one document. What large admin clients send has some 2,000.
const MAX_TOKENS: usize = 50_000;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// `{ } ( ) [ ] : ! = $ @ | &`.
    Sign(char),
    /// `...`.
    Spread,
    Name(&'a str),
    /// As written: what is an integer and what is not is the reader's matter.
    Number(&'a str),
    Text(String),
}

/// All tokens of a text; blanks, commas and comments left out.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', ',', '\u{feff}']);
        let Some(first) = rest.chars().next() else { return Ok(found) };
        let (token, length) = match first {
            '#' => {
                rest = rest.get(rest.find(['\n', '\r']).unwrap_or(rest.len())..).unwrap_or_default();
                continue;
            }
            '{' | '}' | '(' | ')' | '[' | ']' | ':' | '!' | '=' | '$' | '@' | '|' | '&' => (Token::Sign(first), 1),
            '.' if rest.starts_with("...") => (Token::Spread, 3),
            '"' if rest.starts_with("\"\"\"") => block_text(rest)?,
            '"' => plain_text(rest)?,
            'A'..='Z' | 'a'..='z' | '_' => {
                let length = length(rest, |c| c.is_ascii_alphanumeric() || c == '_');
                (Token::Name(rest.get(..length).unwrap_or_default()), length)
            }
            '0'..='9' | '-' => {
                let length = length(rest, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'));
                (Token::Number(rest.get(..length).unwrap_or_default()), length)
            }
            _ => return Err(Fault::Syntax),
        };
        if found.len() == MAX_TOKENS {
            return Err(Fault::TooLarge);
        }
        found.push(token);
        rest = rest.get(length..).unwrap_or_default();
    }
}

fn length(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// `"…"` with its escapes undone, and its length with the quotes.
fn plain_text<'a>(text: &str) -> Result<(Token<'a>, usize), Fault> {
    let mut plain = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(plain), at + 1)),
            '\n' | '\r' => return Err(Fault::Syntax),
            '\\' => {
                let (_, escaped) = chars.next().ok_or(Fault::Syntax)?;
                match escaped {
                    'u' => {
                        let digits = text.get(at + 2..).unwrap_or_default();
                        let (c, length) = unicode(digits).ok_or(Fault::Syntax)?;
                        plain.push(c);
                        // Escapes are ASCII: as many chars as bytes.
                        chars.nth(length - 1).ok_or(Fault::Syntax)?;
                    }
                    'n' => plain.push('\n'),
                    't' => plain.push('\t'),
                    'r' => plain.push('\r'),
                    'b' => plain.push('\u{8}'),
                    'f' => plain.push('\u{c}'),
                    '"' | '\\' | '/' => plain.push(escaped),
                    _ => return Err(Fault::Syntax),
                }
            }
            other => plain.push(other),
        }
    }
    Err(Fault::Syntax)
}

/// What follows `\u`: `{1F600}`, `00fc`, or a pair of surrogates. The char and how many bytes it took.
fn unicode(text: &str) -> Option<(char, usize)> {
    if let Some(braced) = text.strip_prefix('{') {
        let digits = braced.get(..braced.find('}')?)?;
        let known = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return Some((char::from_u32(u32::from_str_radix(digits, 16).ok().filter(|_| known)?)?, digits.len() + 2));
    }
    let unit = |from: usize| {
        let digits = text.get(from..from + 4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        u16::from_str_radix(digits?, 16).ok()
    };
    let first = unit(0)?;
    match char::from_u32(u32::from(first)) {
        Some(c) => Some((c, 4)),
        None if text.get(4..6) == Some("\\u") => char::decode_utf16([first, unit(6)?]).next()?.ok().map(|c| (c, 10)),
        None => None,
    }
}

/// `"""…"""`: common indentation and blank lines at both ends cut (section 2.9.4, `BlockStringValue`).
fn block_text<'a>(text: &str) -> Result<(Token<'a>, usize), Fault> {
    let inner = text.get(3..).unwrap_or_default();
    let mut from = 0;
    let end = loop {
        let at = from + inner.get(from..).and_then(|rest| rest.find("\"\"\"")).ok_or(Fault::Syntax)?;
        if !inner.get(..at).unwrap_or_default().ends_with('\\') {
            break at;
        }
        from = at + 3;
    };
    let raw = inner.get(..end).unwrap_or_default().replace("\\\"\"\"", "\"\"\"").replace("\r\n", "\n");
    let lines: Vec<&str> = raw.split(['\n', '\r']).collect();
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let filled = |line: &&&str| !line.trim_matches([' ', '\t']).is_empty();
    let common = lines.iter().skip(1).filter(filled).map(|line| indent(line)).min().unwrap_or(0);
    let cut = lines.iter().enumerate().map(|(at, line)| if at == 0 { *line } else { line.get(common..).unwrap_or("") });
    let cut: Vec<&str> = cut.collect();
    let first = cut.iter().position(|line| filled(&line)).unwrap_or(cut.len());
    let last = cut.iter().rposition(|line| filled(&line)).map_or(first, |at| at + 1);
    Ok((Token::Text(cut.get(first..last).unwrap_or_default().join("\n")), end + 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read() {
        for (source, text) in [
            (r#""""#, ""),
            (r#""a\"b\\ \/ \n\u00fc \uD83D\uDE00 \u{1F600}""#, "a\"b\\ / \n\u{fc} \u{1f600} \u{1f600}"),
            (r#""{ deleteProduct } # no""#, "{ deleteProduct } # no"),
            ("\"\"\"\n    one\n      two \\\"\"\"\n\n    \"\"\"", "one\n  two \"\"\""),
            ("\"\"\"one\n  two\"\"\"", "one\ntwo"),
            ("\"\"\"\"\"\"", ""),
        ] {
            assert_eq!(tokens(source), Ok(vec![Token::Text(text.to_owned())]), "{source}");
        }
        for source in [
            "\"",
            "\"a\nb\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\uD83D\"",
            "\"\\u{}\"",
            "\"\"\"a",
            "\"\\",
            "?",
            "..",
            "\u{fc}",
        ] {
            assert_eq!(tokens(source), Err(Fault::Syntax), "{source}");
        }
    }

    #[test]
    fn the_rest_is_read() {
        let found = tokens("{a,b:-1.5e+3 ...#x\n@c$d}\u{feff}").unwrap();
        let expected = [
            Token::Sign('{'),
            Token::Name("a"),
            Token::Name("b"),
            Token::Sign(':'),
            Token::Number("-1.5e+3"),
            Token::Spread,
            Token::Sign('@'),
            Token::Name("c"),
            Token::Sign('$'),
            Token::Name("d"),
            Token::Sign('}'),
        ];
        assert_eq!(found, expected);
        assert_eq!(tokens(&"a ".repeat(MAX_TOKENS + 1)), Err(Fault::TooLarge));
    }
}
