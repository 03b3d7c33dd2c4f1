use std::io::Write as _;

use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::support::process::Process;
use crate::support::upstream::{Scripted, eventually};

/// What one bomb decodes to.
const GIB: u64 = 1 << 30;
/// Bytes of it that are compressed once and then repeated.
const BLOCK: usize = 8 << 20;
/// Bombs at once.
const AT_ONCE: usize = 24;
/// All of the process's memory, with so many bombs at once, in a build without optimisation.
const MOST_MIB: u64 = 500;

const RULES: &str = r#"
[event.sent]
on = "POST /sent"
form.id = true
topic = "product.saved"
id = "{{ form.id }}"

[event.got]
on = "POST /got"
response.json.ok = true
topic = "product.saved"
id = "{{ response.json.id }}"
"#;

/// 1 GiB of zeros as one gzip member of about 1 MiB: a block that ends with a full flush can be repeated.
fn bomb() -> Vec<u8> {
    let zeros = vec![0; BLOCK];
    let mut deflate = Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(BLOCK / 100);
    deflate.compress_vec(&zeros, &mut block, FlushCompress::Full).unwrap();
    let mut whole = Crc::new();
    whole.update(&zeros);
    let mut length = BLOCK as u64;
    while length < GIB {
        let mut same = Crc::new();
        same.combine(&whole);
        whole.combine(&same);
        length *= 2;
    }
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    (0..GIB / BLOCK as u64).for_each(|_| bomb.extend_from_slice(&block));
    bomb.extend_from_slice(&[3, 0]);
    bomb.write_all(&whole.sum().to_le_bytes()).unwrap();
    bomb.write_all(&u32::try_from(GIB).unwrap().to_le_bytes()).unwrap();
    bomb
}

/// Many at once, as requests and as answers of rules that want to read them: each passes untouched, none is decoded past its limit,
/// each is noted, and the process stays small.
#[test]
fn gzip_bombs_pass_and_are_not_unpacked() {
    let bomb = bomb();
    assert!(bomb.len() < 1 << 20, "{} bytes: it is captured whole", bomb.len());
    let head = |kind: &str, length: usize| {
        format!("Content-Type: {kind}\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n")
    };
    let answer = [format!("HTTP/1.1 200 OK\r\n{}", head("application/json", bomb.len())).as_bytes(), &bomb].concat();
    let shop = Scripted::start(move |turn| {
        while let Some(seen) = turn.request() {
            let got = seen.first().starts_with("POST /got");
            let short: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            turn.peer.send(if got { answer.as_slice() } else { short });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("rules/r.toml"), RULES).unwrap();
    let process = Process::start(dir.path(), &format!("http://{}", shop.address), "");
    let before = process.peak_mib();

    let visit = |number: usize| {
        let mut visitor = process.visitor();
        if number.is_multiple_of(2) {
            let kind = "application/x-www-form-urlencoded";
            visitor.send(format!("POST /sent HTTP/1.1\r\nHost: a\r\n{}", head(kind, bomb.len())));
            visitor.send(&bomb);
            assert_eq!(visitor.answer().body, b"ok");
        } else {
            visitor.send("POST /got HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            assert!(visitor.answer().body == bomb, "the answer is what the shop sent");
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|number| drop(scope.spawn(move || visit(number)))));
    for rule in ["sent", "got"] {
        let metric = format!("shopbell_engine_notes_total{{kind=\"rule\",rule=\"{rule}\"}}");
        eventually(rule, || process.metric(&metric) == AT_ONCE as u64 / 2);
    }
    assert!(process.ask("GET /v1/log?kind=notice&text=larger%20than").contains("larger than the decoding limits"));
    let peak = process.peak_mib();
    assert!(peak < MOST_MIB, "{peak} MiB at most in use, {before} before");
    assert_eq!(process.metric("shopbell_engine_panics_total"), 0);
    assert_eq!(process.stop().code(), Some(0));
}
