//! CSS selectors and what is wrong with them.

/// A compiled CSS selector, as `querySelectorAll` takes it: lists, combinators, attributes, `:nth-child`, `:not`, `:is`,
/// `:where`, `:has`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(pub(super) scraper::Selector);

/// Bytes a selector may have.
const MAX_LENGTH: usize = 2_048;

impl Selector {
    /// Compiles. The error is for people: it names the part that is wrong and, where that is known, what to write.
    pub fn parse(css: &str) -> Result<Self, String> {
        if css.len() > MAX_LENGTH {
            return Err(format!("a selector of {} bytes is longer than {MAX_LENGTH}", css.len()));
        }
        if css.trim().is_empty() {
            return Err("the selector is empty".to_owned());
        }
        // A nesting bound of the parser's own keeps `:not(:not(…` off the stack.
        scraper::Selector::parse(css).map(Self).map_err(|_| explain(css))
    }
}

/// Says what is wrong with a selector that does not parse.
fn explain(css: &str) -> String {
    let part = offender(css);
    let shown = if part == css.trim() { format!("{part:?}") } else { format!("{part:?} in {css:?}") };
    match hint(part) {
        Some(hint) => format!("{shown} is no CSS selector: {hint}"),
        None => format!("{shown} is no CSS selector"),
    }
}

/// The smallest part that does not parse by itself.
fn offender(css: &str) -> &str {
    let fails = |part: &&str| !part.is_empty() && scraper::Selector::parse(part).is_err();
    let alternatives = split(css, |c| c == ',');
    let Some(alternative) = alternatives.into_iter().map(str::trim).find(fails) else { return css.trim() };
    let compounds = split(alternative, |c| c.is_whitespace() || matches!(c, '>' | '+' | '~'));
    compounds.into_iter().map(str::trim).find(fails).unwrap_or(alternative)
}

/// Splits where no bracket and no quote is open.
fn split(css: &str, at: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut depth, mut quote, mut start) = (0_usize, None, 0);
    let mut parts = Vec::new();
    for (place, c) in css.char_indices() {
        match (c, quote) {
            (_, Some(open)) => quote = quote.filter(|_| c != open),
            ('"' | '\'', None) => quote = Some(c),
            ('(' | '[', None) => depth += 1,
            (')' | ']', None) => depth = depth.saturating_sub(1),
            _ if depth == 0 && at(c) => {
                parts.extend(css.get(start..place));
                start = place + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.extend(css.get(start..));
    parts
}

fn hint(part: &str) -> Option<&'static str> {
    let has = |name: &str| part.contains(name);
    Some(if has(":contains") || has(":icontains") {
        "CSS knows no `:contains`; give the element here and test its text with `regex`"
    } else if has("::") {
        "there are no pseudo-elements; an element gives its text, `attr` an attribute"
    } else if [":eq(", ":first", ":last", ":gt(", ":lt(", ":even", ":odd"].iter().any(|name| has(name))
        && !has("-child")
        && !has("-of-type")
    {
        "that is jQuery's; CSS counts with `:nth-child(n)`, `:first-child`, `:last-child`"
    } else if [":visible", ":hidden", ":selected", ":checked", ":disabled", ":hover"].iter().any(|name| has(name)) {
        "a page's text has no state; test the attribute: `option[selected]`, `input[checked]`"
    } else if part.matches('[').count() != part.matches(']').count() {
        "a `[` and a `]` do not pair"
    } else if part.matches('(').count() != part.matches(')').count() {
        "a `(` and a `)` do not pair"
    } else if part.contains('[') {
        "values of attributes that are more than one word stand in quotes: `[name='selected[]']`"
    } else if part.starts_with(['.', '#']) && part.chars().nth(1).is_none_or(|c| c.is_ascii_digit()) {
        "names that begin with a digit cannot stand behind `.` or `#`; write `[id='1']`"
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_know_is_known() {
        for css in [
            "#form-product tbody tr",
            "input[name='selected[]']",
            "input[name^='quantity[']",
            "a[href*=\"product_id=\"]",
            "td:nth-child(4)",
            "li:not(.x):first-child > a + b ~ c, :is(h1, h2)",
            "div:has(> a[href])",
            ".alert-success",
        ] {
            assert!(Selector::parse(css).is_ok(), "{css}");
        }
    }

    #[test]
    fn faults_name_the_part() {
        for (css, part, hint) in [
            ("", "empty", ""),
            ("p:contains('x')", "\"p:contains('x')\" is", "`regex`"),
            ("table tr:eq(2) td", "\"tr:eq(2)\" in \"table tr:eq(2) td\"", "nth-child"),
            ("a, b[name=selected[]], c", "\"b[name=selected[]]\" in", "quotes"),
            ("a::text", "\"a::text\"", "`attr`"),
            ("a[b", "", ""),
            ("div > > p", "\"div > > p\"", ""),
            ("option:selected", "\"option:selected\"", "option[selected]"),
            ("#1", "\"#1\"", "[id='1']"),
            ("<p>", "\"<p>\"", ""),
        ] {
            match Selector::parse(css) {
                Ok(_) => assert_eq!(css, "a[b", "CSS closes what is open at its end"),
                Err(fault) => assert!(fault.contains(part) && fault.contains(hint), "{css}: {fault}"),
            }
        }
        assert!(Selector::parse(&"a ".repeat(2_000)).unwrap_err().contains("2048"));
        assert!(Selector::parse(&":not(".repeat(400)).is_err());
    }
}
