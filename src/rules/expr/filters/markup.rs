//! `strip_tags`: text without its HTML tags, comments, scripts and styles. Entities stay (see `unhtml`).

/// Elements whose content is no text for people.
const SILENT: [&str; 2] = ["script", "style"];

pub(super) fn strip_tags(text: &str) -> String {
    let mut strip = Strip { text, lower: text.to_ascii_lowercase(), quotes: true };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(tag) = text[at..].find('<').map(|found| at + found) {
        out.push_str(&text[at..tag]);
        let next = text[tag + 1..].chars().next();
        if next.is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')) {
            at = strip.after_element(tag);
        } else {
            out.push('<');
            at = tag + 1;
        }
    }
    out.push_str(&text[at..]);
    out
}

/// Finds where tags end, in time linear in the text, however broken it is. Places are byte offsets.
struct Strip<'a> {
    text: &'a str,
    /// The text in lower case (ASCII only, so that places are the same).
    lower: String,
    /// Whether quotes are still believed: one that is never closed must not eat the rest of the text.
    quotes: bool,
}

impl Strip<'_> {
    /// What follows the tag at `open`; for a script or style, what follows its end tag.
    fn after_element(&mut self, open: usize) -> usize {
        let name = SILENT.into_iter().find(|name| {
            let rest = self.lower[open + 1..].strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n', '>', '/']))
        });
        match name.and_then(|name| self.lower[open..].find(&format!("</{name}"))) {
            Some(close) => self.after_tag(open + close),
            // Never closed: browsers read all that follows as part of it.
            None if name.is_some() => self.text.len(),
            None => self.after_tag(open),
        }
    }

    fn after_tag(&mut self, open: usize) -> usize {
        let tag = &self.text[open..];
        if let Some(comment) = tag.strip_prefix("<!--") {
            return comment.find("-->").map_or(self.text.len(), |end| open + 4 + end + 3);
        }
        let (mut quote, mut before) = (None, ' ');
        for (at, letter) in tag.char_indices() {
            match (quote, letter) {
                (Some(open), _) if open == letter => quote = None,
                // Only behind `=` does a quote open a value.
                (None, '"' | '\'') if before == '=' && self.quotes => quote = Some(letter),
                (None, '>') => return open + at + 1,
                _ => {}
            }
            if !letter.is_whitespace() {
                before = letter;
            }
        }
        self.quotes &= quote.is_none();
        tag.find('>').map_or(self.text.len(), |end| open + end + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_text_stays() {
        let rows = [
            ("<p>Tea &amp; <b>cups</b></p>", "Tea &amp; cups"),
            ("a < b and c > d", "a < b and c > d"),
            ("x<!-- <b> -->y", "xy"),
            ("<a title=\"1 > 2\">z</a>", "z"),
            ("<script>alert('<b>')</script>ok", "ok"),
            ("<STYLE type=x>p{}</style >ok", "ok"),
            ("<it's>fine</it's>", "fine"),
            ("open <b", "open "),
            ("ü<br/>é", "üé"),
            ("<scripted>x", "x"),
            ("1<", "1<"),
            ("a<script>b", "a"),
            ("<a b=\"<i>x</i> y", "x y"),
        ];
        for (text, wanted) in rows {
            assert_eq!(strip_tags(text), wanted, "{text}");
        }
    }

    #[test]
    fn broken_markup_costs_linear_time() {
        for piece in ["<script ", "<a b=\"", "<!--", "<a ='>", "</style", "<"] {
            assert!(strip_tags(&piece.repeat(100_000)).len() <= 100_000);
        }
    }
}
