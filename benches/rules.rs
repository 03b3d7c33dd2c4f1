//! Rules: what an exchange costs by how many rules there are, what a typical matched form costs, and what a large page does.
//!
//! `cargo bench --bench rules`. Prints the least time of many short samples, which is what the work takes when nothing else
//! runs; criterion's own figures follow.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use shopbell::exchange::{CapturedBody, End, Exchange, RequestHead, ResponseHead, Timestamp};
use shopbell::rules::{Derived, MemoryState, OpenWaits, Ruleset, SourceFile, load};
use tokio::time::Instant;

/// Samples of which the least counts.
const SAMPLES: usize = 2_000;
/// What a sample lasts at least.
const SAMPLE: Duration = Duration::from_micros(300);
/// Bytes of the large page.
const PAGE_BYTES: usize = 200 * 1024;

/// A ruleset and an exchange that goes through it.
struct Run {
    ruleset: Ruleset,
    exchange: Exchange,
    /// Events and matches that wait which must come of it.
    steps: usize,
}

impl Run {
    /// The whole way of one exchange through the rules.
    fn once(&self) -> Derived {
        let Self { ruleset, exchange, .. } = self;
        let exchange = exchange.clone();
        let mut candidates = ruleset.wants(&exchange.request, &OpenWaits::default()).expect("some rule wants it");
        let response = exchange.response.as_ref().expect("an answer");
        ruleset.narrow(&mut candidates, &exchange.request, response);
        let now = exchange.at;
        let reading = candidates.reading(exchange, ruleset.read_options(None));
        let matched = ruleset.matches(&reading, &candidates);
        ruleset.derive(&reading, &matched, &MemoryState::default(), now)
    }

    /// The least time it takes.
    fn least(&self) -> Duration {
        assert_eq!(self.once().steps.len(), self.steps, "it does what it is measured for");
        let start = Instant::now();
        let mut rounds = 0_u32;
        while start.elapsed() < SAMPLE * 4 {
            black_box(self.once());
            rounds += 1;
        }
        let rounds = (rounds / 4).max(1);
        let sample = || {
            let start = Instant::now();
            for _ in 0..rounds {
                black_box(self.once());
            }
            start.elapsed() / rounds
        };
        let samples = if rounds == 1 { SAMPLES / 20 } else { SAMPLES };
        (0..samples).map(|_| sample()).min().unwrap_or_default()
    }
}

fn ruleset(files: &[SourceFile]) -> Ruleset {
    let loaded = load(files);
    let faults: Vec<String> = loaded.diagnostics.iter().map(|fault| fault.render(false)).collect();
    loaded.ruleset.unwrap_or_else(|| panic!("{}", faults.join("\n")))
}

fn text(text: String) -> Ruleset {
    ruleset(&[SourceFile { path: "rules.toml".to_owned(), bytes: text.into_bytes() }])
}

fn exchange(target: &str, body: String, location: &str, page: String) -> Exchange {
    let request = Request::post(target)
        .header("host", "shop.example")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-GB,en;q=0.5")
        .header("cookie", "OCSESSID=6d2f0e8a41b7c95d3a; language=en-gb; currency=EUR")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("referer", "https://shop.example/admin/index.php?route=catalog/product&user_token=Zk3");
    let response = Response::builder().header("date", "Wed, 25 Nov 2026 10:00:00 GMT");
    let response = if page.is_empty() {
        response.status(302).header("location", location)
    } else {
        response.status(200).header("content-type", "text/html; charset=utf-8")
    };
    Exchange {
        at: Timestamp::from_millis(1_795_600_000_000),
        request: RequestHead::of(&request.body(()).expect("a request").into_parts().0),
        request_body: CapturedBody::whole(body),
        response: Some(ResponseHead::of(&response.body(()).expect("a response").into_parts().0)),
        response_body: CapturedBody::whole(page),
        end: End::Complete,
    }
}

/// As many rules for one path as said, told apart by one condition each, `{n}` in which is the rule's number. The exchange
/// is one that the fifth of them is about.
fn many(count: usize, condition: &str) -> Run {
    let mut rules = String::from("[session]\ncookies = [\"OCSESSID\"]\n");
    for n in 0..count {
        let condition = condition.replace("{n}", &n.to_string());
        let payload = "payload.name = \"{{ form.name }}\"\npayload.regular_price = \"{{ form.price | money }}\"";
        write!(
            rules,
            "[event.r{n}]\non = \"POST /admin/index.php\"\n{condition}\nstatus = \"3xx\"\nlocation.query.saved = true\n\
             topic = \"product.updated\"\nid = \"{{{{ form.id }}}}\"\n{payload}\n"
        )
        .expect("a string takes it");
    }
    let target = "/admin/index.php?route=area-4/edit&is_4=1&user_token=Zk3x81&page=1";
    let body =
        "id=17&name=Green+Tea&price=12.50&action=do-4&do_4=1&qty=3&sort=1&status=1&note=dry+leaves&tax=9".to_owned();
    Run { ruleset: text(rules), exchange: exchange(target, body, "/admin/index.php?saved=1", String::new()), steps: 1 }
}

/// The product save of the OpenCart pack.
fn product_save() -> Run {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/opencart-3");
    let entries = std::fs::read_dir(pack).expect("the pack").map(|entry| entry.expect("an entry").path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let files: Vec<_> = files
        .map(|path| SourceFile {
            path: path.file_name().expect("a name").to_string_lossy().into_owned(),
            bytes: std::fs::read(&path).expect("a file of rules"),
        })
        .collect();
    let target = "/admin/index.php?route=catalog/product/edit&user_token=Zk3x81&product_id=28";
    let location = "https://shop.example/admin/index.php?route=catalog/product&user_token=Zk3x81";
    Run { ruleset: ruleset(&files), exchange: exchange(target, product_form(), location, String::new()), steps: 1 }
}

/// A save whose id stands in `Location`.
fn id_from_location() -> Run {
    let rules = "[session]\ncookies = [\"OCSESSID\"]\n[event.product-saved]\non = \"POST /admin/index.php\"\n\
                 query.route = \"catalog/product/edit\"\nstatus = \"3xx\"\n\
                 location.path = \"/admin/product/{id:int}\"\ntopic = \"product.saved\"\nid = \"{{ location.params.id }}\"\n\
                 payload.name = \"{{ form.product_description[1].name }}\"\n\
                 payload.regular_price = \"{{ form.price | money }}\"\npayload.sku = \"{{ form.sku or form.model }}\"\n\
                 payload.status = \"{{ 'publish' if form.status | yes else 'draft' }}\"\n";
    let target = "/admin/index.php?route=catalog/product/edit&user_token=Zk3x81";
    let exchange = exchange(target, product_form(), "/admin/product/28?saved=1", String::new());
    Run { ruleset: text(rules.to_owned()), exchange, steps: 1 }
}

/// About 60 fields, as OpenCart's form sends them.
fn product_form() -> String {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for language in 1..=3 {
        for (name, value) in [
            ("name", "Green Tea Sencha"),
            ("description", "<p>Steamed leaves from Shizuoka, 100 g. Brew at 70 degrees for two minutes.</p>"),
            ("meta_title", "Green Tea"),
            ("meta_description", "Japanese green tea"),
            ("meta_keyword", "tea, green"),
            ("tag", "tea,green,sencha"),
        ] {
            pairs.push((format!("product_description[{language}][{name}]"), value.to_owned()));
        }
    }
    for name in [
        "model",
        "sku",
        "upc",
        "ean",
        "jan",
        "isbn",
        "mpn",
        "location",
        "price",
        "tax_class_id",
        "quantity",
        "minimum",
        "subtract",
        "stock_status_id",
        "shipping",
        "date_available",
        "length",
        "width",
        "height",
        "length_class_id",
        "weight",
        "weight_class_id",
        "status",
        "sort_order",
        "manufacturer",
        "manufacturer_id",
        "category",
        "filter",
        "download",
        "related",
        "option",
        "image",
        "points",
    ] {
        pairs.push((name.to_owned(), "12".to_owned()));
    }
    for n in 0..4 {
        pairs.push(("product_category[]".to_owned(), format!("{}", 20 + n)));
        pairs.push((format!("product_image[{n}][image]"), format!("catalog/tea-{n}.jpg")));
    }
    pairs.push(("product_store[]".to_owned(), "0".to_owned()));
    pairs.push(("product_special[0][price]".to_owned(), "9.50".to_owned()));
    let escaped = |text: &str| {
        text.bytes().fold(String::new(), |mut out, byte| {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => out.push(char::from(byte)),
                b' ' => out.push('+'),
                _ => write!(out, "%{byte:02X}").expect("a string takes it"),
            }
            out
        })
    };
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A shop's list of 200 KB that so many rules look at, three selectors among them.
fn page(rules: usize) -> Run {
    let selectors = [
        "find.row = { rows = \"#list tbody tr\", cols.id = { css = \"input\", attr = \"value\" }, cols.name = { css = \"td:nth-child(3)\" } }",
        "find.row = { css = \"div.alert-success > a[href*='product']\" }",
        "find.row = { css = \"#pages li:last-child a\", attr = \"href\", regex = 'page=(\\d+)' }",
    ];
    let mut text_of_rules = String::new();
    for n in 0..rules {
        write!(
            text_of_rules,
            "[event.r{n}]\non = \"POST /admin/list\"\n{}\ntopic = \"product.updated\"\nid = {n}\n",
            selectors[n % selectors.len()]
        )
        .expect("a string takes it");
    }
    let head = "<!doctype html><html><head><title>Products</title><meta charset=utf-8></head><body class=admin><div \
                class=alert-success>Saved <a href=/product/7>Tea</a></div><table id=list><tbody>";
    let tail = "</tbody></table><ul id=pages><li><a href='?page=1'>1</a></li><li><a href='?page=9'>9</a></li></ul></body></html>";
    let mut html = String::from(head);
    let mut n = 0;
    while html.len() + tail.len() < PAGE_BYTES {
        writeln!(
            html,
            "<tr class=\"row odd\" data-row=\"{n}\"><td class=text-center><input type=checkbox name=\"selected[]\" value={n}></td>\
             <td><img src=\"/image/cache/tea-{n}-40x40.jpg\" alt=\"Tea {n}\" class=\"img-thumbnail\"></td><td class=text-left>Green \
             Tea {n} &amp; pot</td><td>{n}</td><td class=text-right><span class=price-new>&euro; 12.{n}</span></td><td>\
             <a href=\"/admin/product/{n}/edit?user_token=Zk3x81\" class=\"btn btn-primary\"><i class=\"fa fa-pencil\"></i> \
             Edit</a></td></tr>"
        )
        .expect("a string takes it");
        n += 1;
    }
    html.push_str(tail);
    let exchange = exchange("/admin/list", "a=1".to_owned(), "", html);
    Run { ruleset: text(text_of_rules), exchange, steps: rules }
}

/// By what rules for one path are told apart.
const APART: [(&str, &str); 6] = [
    ("a value of one query field", "query.route = \"area-{n}/edit\""),
    ("query fields of their own", "query.is_{n} = \"1\""),
    ("query fields being there", "query.is_{n} = true"),
    ("a value of one form field", "form.action = \"do-{n}\""),
    ("form fields of their own", "form.do_{n} = \"1\""),
    ("form fields being there", "form.do_{n} = true"),
];

#[expect(clippy::print_stdout, reason = "the least times are the result")]
fn figures(_: &mut Criterion) {
    for (name, condition) in APART {
        let [few, much] = [10, 1_000].map(|count| many(count, condition).least());
        let ratio = much.as_secs_f64() / few.as_secs_f64();
        println!("{name}: 10 rules {few:.2?}, 1,000 rules {much:.2?}, ratio {ratio:.2}");
    }
    println!("the OpenCart pack's product save: {:.2?}", product_save().least());
    println!("a product save with its id in Location: {:.2?}", id_from_location().least());
    for rules in [3, 30] {
        println!("a page of 200 KB, {rules} rules: {:.2?}", page(rules).least());
    }
}

fn rules(criterion: &mut Criterion) {
    let save = product_save();
    criterion.bench_function("product save", |bench| bench.iter(|| save.once()));
    let route = many(1_000, "query.route = \"area-{n}/edit\"");
    criterion.bench_function("1,000 rules", |bench| bench.iter(|| route.once()));
    let list = page(3);
    criterion.bench_function("200 KB page", |bench| bench.iter(|| list.once()));
}

criterion_group!(benches, figures, rules);
criterion_main!(benches);
