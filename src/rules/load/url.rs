//! Addresses: `http` and `https` only.

use http::Uri;

use super::loader::Loader;
use super::tree::Node;

/// An absolute address with a host and without a fragment, as written.
pub(super) fn http(loader: &mut Loader, what: &str, node: &Node) -> Option<String> {
    let text = loader.text(what, node)?;
    let text = text.trim().to_owned();
    let Err((message, hint)) = check(&text) else { return Some(text) };
    loader.report.error(node.at, format!("`{what}`: {message}"), hint.to_owned());
    None
}

fn check(text: &str) -> Result<(), (String, &'static str)> {
    const EXAMPLE: &str = "write a whole address: \"https://erp.example/in/woo\"";
    if text.contains(['{', '}']) {
        return Err((
            format!("`{text}` is no address"),
            "variables and `{{ … }}` are not filled in here: write the address out",
        ));
    }
    let uri: Uri = text.parse().map_err(|_| (format!("`{text}` is no address"), EXAMPLE))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(other) => return Err((format!("`{other}` addresses cannot be used"), "use http or https")),
        None => return Err((format!("`{text}` has no scheme"), EXAMPLE)),
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err((format!("`{text}` names no host"), EXAMPLE));
    }
    if text.contains('#') {
        return Err((format!("`{text}` has a fragment"), "leave out `#` and what follows: it is never sent"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_http_addresses_pass() {
        for good in
            ["http://a", "https://a.example/x?y=1", "http://127.0.0.1:9/", "https://[::1]:8443/in", "HTTPS://A.example"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in
            ["", "a.example", "/in", "ftp://a/", "https://", "https:///x", "https://a b/", "http://a/#x", "file:///etc"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
