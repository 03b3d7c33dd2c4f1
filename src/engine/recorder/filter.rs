//! What a recording is about.

use http::Method;

use crate::engine::observer::is_file;
use crate::exchange::RequestHead;
use crate::model::glob;

/// Most patterns of one filter.
const MAX_PATTERNS: usize = 32;

/// Which requests are recorded.
#[derive(Clone, Debug, Default)]
pub struct RecordFilter {
    /// One that fits is enough; none: all.
    patterns: Vec<Pattern>,
    /// Pictures, scripts and styles too.
    files: bool,
}

#[derive(Clone, Debug)]
struct Pattern {
    /// None: all.
    methods: Vec<Method>,
    /// A glob.
    path: String,
}

impl RecordFilter {
    /// Of patterns `METHOD[|METHOD] PATH`, `PATH` or `METHOD`; in a path `*` stands for any run of characters, and `/**` at its end
    /// for anything below, and the path itself. The error says what is wrong with a pattern.
    ///
    /// # Errors
    /// If one is neither.
    pub fn parse(patterns: &[String], files: bool) -> Result<Self, String> {
        if patterns.len() > MAX_PATTERNS {
            return Err(format!("more than {MAX_PATTERNS} patterns"));
        }
        let patterns = patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { patterns, files })
    }

    /// Whether a request is one of them.
    pub(super) fn fits(&self, request: &RequestHead) -> bool {
        (self.files || !is_file(request.path()))
            && (self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.fits(request)))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let fault = || format!("`{text}` is no pattern: write methods, a path or both: 'POST /admin/**'");
        let (methods, path) = match text.trim().split_once(char::is_whitespace) {
            Some((methods, path)) => (methods, path.trim()),
            None if text.trim().starts_with('/') => ("", text.trim()),
            None => (text.trim(), "/**"),
        };
        if text.trim().is_empty() || !path.starts_with('/') || path.contains(char::is_whitespace) {
            return Err(fault());
        }
        let words = methods.split('|').filter(|word| !word.is_empty() && *word != "*");
        let is_method = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        let methods = words.map(|word| Method::from_bytes(word.as_bytes()).ok().filter(|_| is_method(word)));
        Ok(Self { methods: methods.collect::<Option<_>>().ok_or_else(fault)?, path: path.to_owned() })
    }

    fn fits(&self, request: &RequestHead) -> bool {
        let path = request.path();
        let itself = self.path.strip_suffix("/**").is_some_and(|own| own == path);
        (self.methods.is_empty() || self.methods.contains(&request.method)) && (itself || glob(&self.path, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_and_held_against_requests() {
        let rows = [
            ("POST /admin/**", "POST /admin/x/y", true),
            ("POST /admin/**", "POST /admin", true),
            ("POST /admin/**", "GET /admin/x", false),
            ("GET|POST /a", "GET /a", true),
            ("GET|POST /a", "GET /ab", false),
            ("/cart*", "DELETE /cart/7", true),
            ("POST", "POST /anything", true),
            ("* /x", "PUT /x", true),
            ("/**", "GET /style.css", false),
        ];
        for (pattern, request, fits) in rows {
            let (method, target) = request.split_once(' ').unwrap();
            let head = http::Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0;
            let filter = RecordFilter::parse(&[pattern.to_owned()], false).unwrap();
            assert_eq!(filter.fits(&RequestHead::of(&head)), fits, "{pattern} {request}");
        }
        for odd in ["", "post /x", "POST x", "POST /a b"] {
            assert!(RecordFilter::parse(&[odd.to_owned()], false).is_err(), "{odd}");
        }
    }
}
