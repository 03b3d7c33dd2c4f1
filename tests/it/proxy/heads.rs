use crate::support::upstream::{Proxy, Scripted};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The request's head as the shop got it, lines sorted after the first: their order among different names means nothing.
fn through(config: impl FnOnce(&mut shopbell::proxy::Config), request: &str) -> Vec<String> {
    let shop = Scripted::answering(OK);
    let mut settings = shop.config();
    config(&mut settings);
    let proxy = Proxy::start(settings);
    assert_eq!(proxy.ask(request).body, b"ok");
    let mut lines: Vec<String> = shop.request().head.trim_end().lines().map(str::to_owned).collect();
    lines[1..].sort();
    lines
}

#[test]
fn a_request_arrives_as_it_was_sent() {
    let lines = through(
        |_| {},
        "GET /Path%2f..%2F//a?b=c&d=%E3%81%82 HTTP/1.1\r\nHost: Shop.Example:81\r\nX-CuStOm: A  b\r\nx-custom: c\r\naccept: */*\r\n\r\n",
    );
    assert_eq!(
        lines,
        [
            "GET /Path%2f..%2F//a?b=c&d=%E3%81%82 HTTP/1.1",
            "Host: Shop.Example:81",
            "X-CuStOm: A  b",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Host: Shop.Example:81",
            "X-Forwarded-Proto: http",
            "accept: */*",
            "x-custom: c",
        ]
    );
}

#[test]
fn what_belongs_to_one_connection_stays_there() {
    let lines = through(
        |_| {},
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine, host, cookie\r\nX-Mine: 1\r\nCookie: s=1\r\nKeep-Alive: 5\r\n\
         Proxy-Connection: close\r\nProxy-Authorization: Basic c2VjcmV0\r\nTE: trailers, deflate\r\nTrailer: X-Sum\r\nUpgrade: h2c\r\n\r\n",
    );
    assert_eq!(
        lines,
        [
            "GET / HTTP/1.1",
            "Cookie: s=1",
            "Host: a",
            "TE: trailers",
            "Trailer: X-Sum",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Host: a",
            "X-Forwarded-Proto: http",
        ]
    );
}

#[test]
fn a_visitor_cannot_say_where_it_comes_from_and_a_trusted_proxy_can() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\n\
         X_Forwarded_For: 6.6.6.6\r\nForwarded: for=1.1.1.1\r\n\r\n";
    let untrusted = through(|_| {}, request);
    let ours =
        ["GET / HTTP/1.1", "Host: a", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: a", "X-Forwarded-Proto: http"];
    assert_eq!(untrusted, ours);
    let trusted = through(|config| config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()], request);
    let kept = [
        "GET / HTTP/1.1",
        "Forwarded: for=1.1.1.1, for=127.0.0.1",
        "Host: a",
        "X-Forwarded-For: 1.1.1.1, 127.0.0.1",
        "X-Forwarded-Host: b",
        "X-Forwarded-Proto: https",
    ];
    assert_eq!(trusted, kept);
}

#[test]
fn targets_and_versions() {
    let rows = [
        ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1"),
        ("GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /x?y HTTP/1.1"),
        ("PROPFIND /x HTTP/1.1\r\nHost: a\r\n\r\n", "PROPFIND /x HTTP/1.1"),
        ("GET /a;b=c/@:!$&'()*+,~|[]^{}\\ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a;b=c/@:!$&'()*+,~|[]^{}\\ HTTP/1.1"),
    ];
    for (request, line) in rows {
        assert_eq!(through(|_| {}, request)[0], line, "{request}");
    }
    assert!(
        !through(|_| {}, "GET / HTTP/1.0\r\n\r\n").iter().any(|line| line.starts_with("Host")),
        "no Host is made up"
    );
}

#[test]
fn an_answer_arrives_as_it_was_sent() {
    let shop = Scripted::answering(
        "HTTP/1.1 299 Quite Fine\r\nserver: Old/1.0\r\nSet-Cookie: a=1; Path=/\r\nSET-COOKIE: b=2\r\nset-cookie: c=3\r\n\
         X-Empty:\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-LENGTH: 2\r\nETag: \"x\"\r\n\r\nok",
    );
    let seen = Proxy::before(&shop).ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(seen.first(), "HTTP/1.1 299 Quite Fine");
    assert_eq!(seen.values("server"), ["Old/1.0"]);
    assert_eq!(
        (seen.values("Set-Cookie"), seen.values("SET-COOKIE"), seen.values("set-cookie")),
        (vec!["a=1; Path=/"], vec!["b=2"], vec!["c=3"])
    );
    assert_eq!(seen.values("Content-LENGTH"), ["2"]);
    assert_eq!(seen.values("ETag"), ["\"x\""]);
    for gone in ["connection", "x-hop", "keep-alive", "date", "x-shopbell", "via"] {
        assert!(!seen.has(gone), "{gone} in {}", seen.head);
    }
}

#[test]
fn folded_answer_headers_of_old_scripts_are_unfolded() {
    let shop = Scripted::answering("HTTP/1.1 200 OK\r\nX-Long: one\r\n two\r\nContent-Length: 2\r\n\r\nok");
    let seen = Proxy::before(&shop).ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(seen.values("X-Long"), ["one two"]);
}

#[test]
fn two_hundred_headers_pass_both_ways() {
    let lines = (0..200).map(|n| format!("X-H{n}: {n}\r\n")).collect::<Vec<_>>().concat();
    let shop = Scripted::answering(format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 2\r\n\r\nok"));
    let seen = Proxy::before(&shop).ask(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    assert_eq!((seen.values("X-H199"), shop.request().values("X-H199")), (vec!["199"], vec!["199"]));
}
