use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::{in_force, names, refused, rule};
use crate::support::house::{House, control};
use crate::support::upstream::Scripted;

fn shop() -> Scripted {
    Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

/// Each fault keeps the whole old set in force, is told with its place, and what mends it takes effect: also where that is the
/// very text of before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_directory_keeps_the_old_set_whole() {
    let house = House::open(&shop(), &rule("one")).await;
    let dir = house.rules();
    let bad = dir.join("bad.toml");
    let unlink = || fs::remove_file(&bad).unwrap();

    fs::write(&bad, "[event.x]\non = \"POST /x\"\ntopik = \"product.saved\"\n").unwrap();
    refused(&house, "bad.toml:3", &["one"]);
    let mended = rule("mended");
    fs::write(&bad, &mended).unwrap();
    in_force(&house, "mended", &["mended", "one"]);
    unlink();
    in_force(&house, "removed", &["one"]);

    let half = rule("half").repeat(20).replacen("half", "whole", 1);
    fs::write(&bad, &half[..half.len() / 2 - 3]).unwrap();
    refused(&house, "bad.toml", &["one"]);
    unlink();
    in_force(&house, "a half is taken away", &["one"]);

    fs::write(&bad, b"[event.x]\non = \"POST /\xff\"\n").unwrap();
    refused(&house, "UTF-8", &["one"]);
    unlink();
    in_force(&house, "no bytes but UTF-8", &["one"]);

    symlink("nowhere", &bad).unwrap();
    refused(&house, "cannot be read", &["one"]);
    unlink();
    in_force(&house, "a link to nowhere is gone", &["one"]);

    let listener = UnixListener::bind(&bad).unwrap();
    refused(&house, "no regular file", &["one"]);
    drop(listener);
    unlink();
    in_force(&house, "a socket is gone", &["one"]);

    symlink("/dev/zero", &bad).unwrap();
    refused(&house, "no regular file", &["one"]);
    unlink();
    in_force(&house, "an endless device is gone", &["one"]);

    fs::write(&bad, vec![b'#'; 5 << 20]).unwrap();
    refused(&house, "more than 4194304 bytes", &["one"]);
    unlink();
    in_force(&house, "a huge file is gone", &["one"]);

    fs::write(&bad, rule("one")).unwrap();
    refused(&house, "one", &["one"]);
    unlink();
    in_force(&house, "a name is used once", &["one"]);

    fs::rename(dir.join("rules.toml"), dir.join("rules.off")).unwrap();
    refused(&house, "holds no rules any more", &["one"]);
    fs::rename(dir.join("rules.off"), dir.join("rules.toml")).unwrap();
    in_force(&house, "the same file is back", &["one"]);

    fs::rename(&dir, dir.with_file_name("away")).unwrap();
    refused(&house, "does not exist", &["one"]);
    fs::rename(dir.with_file_name("away"), &dir).unwrap();
    in_force(&house, "the same directory is back", &["one"]);

    let refusals = house.metric("shopbell_engine_reloads_refused_total");
    assert!(refusals >= 10, "they are counted: {refusals}");
    let notice = house.wait_for_notice("the set in force stays").await;
    assert!(notice.text.contains("faults"), "{notice:?}");
    house.close().await;
}

/// Something that breaks the directory.
type Break<'a> = &'a dyn Fn();

/// A restart over a broken, emptied or missing directory runs on the last good set, says so, and takes the mended one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_set_survives_restarts() {
    let mut house = House::open(&shop(), &(rule("one") + &rule("two"))).await;
    let dir = house.rules();
    let file = dir.join("rules.toml");
    let good = fs::read_to_string(&file).unwrap();
    let broken: Break<'_> = &|| fs::write(&file, "[event.one]\n").unwrap();
    let emptied: Break<'_> = &|| fs::remove_file(&file).unwrap();
    let missing: Break<'_> = &|| fs::remove_dir_all(&dir).unwrap();
    for (breaks, text) in [(broken, "rules.toml"), (emptied, "no rules any more"), (missing, "does not exist")] {
        let data = house.close().await;
        breaks();
        house = House::open_in(data, ([127, 0, 0, 1], 9).into()).await.unwrap();
        let active = house.running.rules.active();
        assert!(active.from_last_good && active.stale, "{text}");
        assert!(active.problems.iter().any(|problem| problem.to_string().contains(text)), "{:?}", active.problems);
        assert_eq!(names(&house.running.rules), ["one", "two"], "{text}");
        house.wait_for_notice("the set kept from before runs instead").await;
        let status = control(&house.running.control, "GET /v1/status");
        assert!(status.contains("\"from_last_good\":true"), "{status}");
        // Over and over: a second restart changes nothing.
        house = house.restart().await;
        assert_eq!(names(&house.running.rules), ["one", "two"], "{text}, twice");
        fs::create_dir_all(&dir).unwrap();
        fs::write(&file, &good).unwrap();
        in_force(&house, "mended", &["one", "two"]);
        assert!(!house.running.rules.active().from_last_good);
    }
    house.close().await;
}
