//! Path templates: what is fixed in a path, and what is an id or a name.

use super::words::{Meaning, is_vocabulary, meaning, words};

/// A segment of a template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Segment {
    /// As it stands.
    Fixed(String),
    /// Digits.
    Int,
    /// A token, a name, a slug.
    Any,
}

/// A path template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shape(pub(super) Vec<Segment>);

impl Shape {
    /// The template a path is an instance of, as far as one path alone tells.
    pub(super) fn of(segments: &[String]) -> Self {
        let mut shape: Vec<Segment> = Vec::with_capacity(segments.len());
        for (at, text) in segments.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|before| segments.get(before)).map(String::as_str);
            let last = segments.get(at + 1..).is_none_or(|rest| rest.iter().all(String::is_empty));
            shape.push(segment(text, before, last));
        }
        Self(shape)
    }

    /// The captures' names in order; the last is `id` (or `slug`, where it is no number).
    fn names(&self) -> Vec<String> {
        let total = self.0.iter().filter(|segment| !matches!(segment, Segment::Fixed(_))).count();
        let mut names: Vec<String> = Vec::with_capacity(total);
        let mut before = "part";
        for segment in &self.0 {
            let own = match segment {
                Segment::Fixed(text) => {
                    before = text;
                    continue;
                }
                Segment::Int => "id",
                Segment::Any => "slug",
            };
            let name = if names.len() + 1 == total { own.to_owned() } else { singular(before) + "_" + own };
            let taken = names.iter().filter(|other| **other == name || other.starts_with(&format!("{name}_"))).count();
            names.push(if taken == 0 { name } else { format!("{name}_{}", taken + 1) });
        }
        names
    }

    /// As `on` and `location` write it.
    pub(super) fn template(&self) -> String {
        let mut names = self.names().into_iter();
        let part = |segment: &Segment| match segment {
            Segment::Fixed(text) => text.clone(),
            Segment::Int => format!("{{{}:int}}", names.next().unwrap_or_default()),
            Segment::Any => format!("{{{}}}", names.next().unwrap_or_default()),
        };
        format!("/{}", self.0.iter().map(part).collect::<Vec<_>>().join("/"))
    }

    /// Captures with the segment each stands at; the last first.
    pub(super) fn captures(&self) -> Vec<(String, usize)> {
        let places = self.0.iter().enumerate().filter(|(_, segment)| !matches!(segment, Segment::Fixed(_)));
        let mut captures: Vec<_> = self.names().into_iter().zip(places.map(|(at, _)| at)).collect();
        captures.reverse();
        captures
    }

    /// Whether its path lies above another's: `/products/` above `/products/{id:int}/delete/`.
    pub(super) fn is_above(&self, other: &Self) -> bool {
        let filled = |shape: &Self| {
            shape.0.iter().filter(|part| **part != Segment::Fixed(String::new())).cloned().collect::<Vec<_>>()
        };
        let (own, other) = (filled(self), filled(other));
        own.len() < other.len() && other.starts_with(&own)
    }

    /// Whether every fixed segment is the shop's own word, or one of `known`.
    pub(super) fn is_plain(&self, known: &Self) -> bool {
        self.0.iter().all(|segment| match segment {
            Segment::Fixed(text) => text.is_empty() || is_vocabulary(text) || known.0.contains(segment),
            Segment::Int | Segment::Any => true,
        })
    }
}

/// One word for one thing, fit for a capture's name.
fn singular(word: &str) -> String {
    let word: String =
        word.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let word = word.trim_matches('_');
    match word.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

fn segment(text: &str, before: Option<&str>, last: bool) -> Segment {
    if text.is_empty() {
        return Segment::Fixed(String::new());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Segment::Int;
    }
    // What a template cannot say, and what is made by a machine or a person.
    let unsayable = text.contains(['/', '{', '}', '*', '|', '?', '#', '%']) || text.chars().any(char::is_control);
    if unsayable || is_token(text) || is_numbered_slug(text) {
        return Segment::Any;
    }
    // Behind a thing's name, or a verb, at the end stands which one of them: `/product/green-tea/`, `/create/books/`.
    let names_one = before.is_some_and(|before| {
        words(before).last().is_some_and(|word| {
            matches!(meaning(word), Meaning::Noun(_) | Meaning::Verb(_))
                || matches!(word.as_str(), "p" | "item" | "items")
        })
    });
    if last && names_one && !text.contains('.') && !words(text).iter().any(|word| is_vocabulary(word)) {
        return Segment::Any;
    }
    Segment::Fixed(text.to_owned())
}

/// Whether a text looks made by a machine: a uuid, a hash, letters and digits mixed.
pub(super) fn is_token(text: &str) -> bool {
    let body: String = text.chars().filter(|c| *c != '-').collect();
    let hex = body.len() >= 12 && body.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    // A digit before a letter: `8hlh8g` is no word, `v3` and `oauth2` are.
    let mixed =
        text.as_bytes().windows(2).any(|pair| matches!(pair, [a, b] if a.is_ascii_digit() && b.is_ascii_alphabetic()));
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (hex && digits > 0) || (plain && mixed && text.len() >= 5) || (plain && digits > 0 && text.len() >= 20)
}

/// `seed-book-1_1`, `tea-42`: a name that ends in a number.
fn is_numbered_slug(text: &str) -> bool {
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    stem.len() < text.len() && stem.ends_with(['-', '_'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_become_captures() {
        for (path, template) in [
            ("/", "/"),
            ("/admin/index.php", "/admin/index.php"),
            ("/products/17/edit/", "/products/{id:int}/edit/"),
            ("/api/baskets/21/lines/15/", "/api/baskets/{basket_id:int}/lines/{id:int}/"),
            ("/catalogue/seed-book-1_1/reviews/add/", "/catalogue/{slug}/reviews/add/"),
            ("/product/green-tea/", "/product/{slug}/"),
            ("/dashboard/products/create/goods/", "/dashboard/products/create/{slug}/"),
            ("/wc/v3/products/batch", "/wc/v3/products/batch"),
            ("/wc/v3/products", "/wc/v3/products"),
            ("/wishlists/8hlh8g/lines/1/delete/", "/wishlists/{wishlist_slug}/lines/{id:int}/delete/"),
            ("/orders/1b4e28ba-2fa1-11d2-883f-0016d3cca427", "/orders/{slug}"),
            ("/a/{x}/1/2", "/a/{a_slug}/{a_id:int}/{id:int}"),
            ("/products/bulk-action/", "/products/bulk-action/"),
        ] {
            let segments: Vec<String> = path.strip_prefix('/').unwrap().split('/').map(str::to_owned).collect();
            assert_eq!(Shape::of(&segments).template(), template, "{path}");
        }
    }
}
