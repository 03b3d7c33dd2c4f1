//! Heads: queries, cookies, headers, addresses, and messages that cookies carry.

use std::hint::black_box;

use shopbell::exchange::{CapturedBody, Flash, RequestHead, Url, charset_of_label, decode_segment, read_query};

use super::{CHARSETS, bodies::fields_hold, choice, exchange, first_line, header_map, read, text};

/// The first byte chooses the charset.
pub(super) fn query(data: &[u8]) {
    let (charset, query) = choice(data);
    let charset = charset_of_label(CHARSETS[charset % CHARSETS.len()]).expect("a charset");
    fields_hold(read_query(&text(query), charset).pairs());
}

/// The first byte chooses the charset, the first line is a `Cookie`, every other one a `Set-Cookie`.
pub(super) fn cookies(data: &[u8]) {
    let (charset, data) = choice(data);
    let (sent, set) = first_line(data);
    let mut exchange = exchange(b"", b"", b"");
    exchange.request.headers = header_map([(&b"cookie"[..], sent)]);
    if let Some(response) = &mut exchange.response {
        response.headers = header_map(set.split(|byte| *byte == b'\n').map(|line| (&b"set-cookie"[..], line)));
    }
    let reading = read(exchange, charset);
    assert!(reading.cookies().len() <= sent.len() + 1, "more cookies than there is room for");
    assert!(reading.response_cookies().len() <= set.len() + 1, "more cookies than lines");
}

/// The first line is the request's target, the others headers, of the request and the answer both.
pub(super) fn headers(data: &[u8]) {
    let (target, lines) = first_line(data);
    let Ok(request) = http::Request::post(target).body(()) else { return };
    let pairs = lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    let headers = header_map(pairs);
    let mut exchange = exchange(b"", b"a=1&b[]=2", b"<p>1</p>");
    exchange.request = RequestHead { headers: headers.clone(), ..RequestHead::of(&request.into_parts().0) };
    if let Some(response) = &mut exchange.response {
        response.headers = headers;
    }
    exchange.request_body = CapturedBody::whole("{\"a\":[1,2]}");
    let reading = read(exchange, lines.len());
    black_box((reading.query().pairs().len(), reading.cookies().len(), reading.response_cookies().len()));
    black_box((reading.location().map(|url| url.query.pairs().len()), reading.referer().is_some()));
    black_box((reading.form().ok().is_some(), reading.json().ok().is_some(), reading.response_html().ok().is_some()));
    black_box((reading.exchange().request.host(), reading.graphql().ok().is_some()));
}

/// The first byte chooses the charset; then the host, the page's path, and what stands in `Location`.
pub(super) fn url(data: &[u8]) {
    let (charset, data) = choice(data);
    let charset = charset_of_label(CHARSETS[charset % CHARSETS.len()]).expect("a charset");
    let (host, rest) = first_line(data);
    let (path, reference) = first_line(rest);
    let (host, path, reference) = (text(host), text(path), text(reference));
    let Ok(target) = path.parse::<http::Uri>() else { return };
    let path = target.path();
    let url = Url::resolve(&reference, &host, path, false, charset);
    assert!(url.url.contains(&url.path) && !url.url.contains('#'), "{url:?}");
    // What is resolved stays as it is.
    if !host.is_empty()
        && url.url.starts_with("http://")
        && !url.host.is_empty()
        && !url.url.ends_with(|c: char| c <= ' ')
    {
        assert_eq!(Url::resolve(&url.url, &host, path, false, charset).url, url.url);
    }
    black_box(decode_segment(&reference, charset));
}

/// A cookie of Django's messages.
pub(super) fn flash(data: &[u8]) {
    if let Some(flash) = Flash::of_django(&text(data)) {
        let all = flash.clone();
        assert!(flash.less(&all).messages.is_empty(), "nothing is left of what was there before");
    }
}
