//! `strip_tags`: text without its HTML tags, comments, scripts and styles. Entities stay (see `unhtml`).

/// Elements whose content is no text for people.
const SILENT: [&str; 2] = ["script", "style"];

pub(super) fn strip_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let after = tag[1..].chars().next();
        if !after.is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')) {
            out.push('<');
            rest = &tag[1..];
            continue;
        }
        rest = match silent_element(tag) {
            Some(after) => after,
            None => after_tag(tag),
        };
    }
    out.push_str(rest);
    out
}

/// What follows the tag that `text` begins with; nothing if it is never closed.
fn after_tag(text: &str) -> &str {
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.find("-->").map_or("", |end| &comment[end + 3..]);
    }
    let (mut quote, mut before) = (None, ' ');
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            // Only behind `=` does a quote open a value.
            (None, '"' | '\'') if before == '=' => quote = Some(letter),
            (None, '>') => return &text[at + 1..],
            (None, _) => {}
        }
        if !letter.is_whitespace() {
            before = letter;
        }
    }
    // A quote that is never closed must not eat the rest of the text.
    text.find('>').map_or("", |end| &text[end + 1..])
}

/// What follows `<script …>…</script>`, if `text` begins with such an element.
fn silent_element(text: &str) -> Option<&str> {
    let name = SILENT.into_iter().find(|name| {
        let head = text.get(1..=name.len());
        let boundary = text[1..].chars().nth(name.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name))
            && boundary.is_none_or(|next| next.is_whitespace() || matches!(next, '>' | '/'))
    })?;
    let close = format!("</{name}");
    let lower = text.to_ascii_lowercase();
    let end = lower.find(&close)?;
    Some(after_tag(&text[end..]))
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
        ];
        for (text, wanted) in rows {
            assert_eq!(strip_tags(text), wanted, "{text}");
        }
    }
}
