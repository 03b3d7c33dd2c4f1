use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::symlink;

use super::{Sampler, in_force, rule};
use crate::support::house::House;
use crate::support::upstream::{Scripted, eventually};

async fn house() -> House {
    let shop = Scripted::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    House::open(&shop, &rule("one")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_saved_the_ways_editors_do() {
    let house = house().await;
    let dir = house.rules();
    let file = dir.join("rules.toml");
    let two = rule("one") + &rule("two");

    fs::write(dir.join("rules.toml.tmp"), &two).unwrap();
    fs::rename(dir.join("rules.toml.tmp"), &file).unwrap();
    in_force(&house, "written aside and renamed", &["one", "two"]);

    // vim: the old one becomes the backup, a new one is written, the backup goes. Between them there is no such file.
    fs::rename(&file, dir.join("rules.toml~")).unwrap();
    fs::write(dir.join("4913"), "").unwrap();
    fs::remove_file(dir.join("4913")).unwrap();
    fs::write(&file, two + &rule("vim")).unwrap();
    fs::remove_file(dir.join("rules.toml~")).unwrap();
    in_force(&house, "as vim saves", &["one", "two", "vim"]);

    fs::write(&file, rule("shorter")).unwrap();
    in_force(&house, "written in place", &["shorter"]);

    // Same size, and a modification time that is set back: only the contents tell.
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, rule("longest")).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    in_force(&house, "same size, same time", &["longest"]);
    house.close().await;
}

/// A file that is written in two halves, the first of which would be a good set of its own: it is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_written_file_never_takes_effect() {
    let house = house().await;
    fs::write(house.rules().join("rules.toml"), rule("one") + &rule("two")).unwrap();
    in_force(&house, "both", &["one", "two"]);
    let sampler = Sampler::start(&house);
    let mut file = fs::File::create(house.rules().join("rules.toml")).unwrap();
    file.write_all(rule("one").as_bytes()).unwrap();
    file.flush().unwrap();
    // Other edits come meanwhile; they wait with it. Longer than any look at the directory takes:
    let begun = tokio::time::Instant::now();
    fs::write(house.rules().join("other.toml"), rule("other")).unwrap();
    eventually("time passes", || begun.elapsed().as_millis() > 1_500);
    let place = file.stream_position().unwrap();
    file.write_all(rule("two").as_bytes()).unwrap();
    file.write_all(rule("three").as_bytes()).unwrap();
    assert!(file.stream_position().unwrap() > place);
    drop(file);
    in_force(&house, "the whole of it", &["one", "other", "three", "two"]);
    let seen = sampler.seen();
    assert_eq!(seen, [vec!["one", "other", "three", "two"], vec!["one", "two"]], "never the half");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_come_and_go_and_directories_too() {
    let house = house().await;
    let dir = house.rules();
    // As `git pull` replaces: unlinked and made anew, several at once.
    for name in ["a", "b", "c"] {
        fs::write(dir.join(format!("{name}.toml")), rule(name)).unwrap();
    }
    in_force(&house, "several new files", &["a", "b", "c", "one"]);
    for (file, name) in [("a", "a2"), ("b", "b2"), ("c", "c2")] {
        fs::remove_file(dir.join(format!("{file}.toml"))).unwrap();
        fs::write(dir.join(format!("{file}.toml")), rule(name)).unwrap();
    }
    in_force(&house, "unlinked and made anew", &["a2", "b2", "c2", "one"]);
    fs::remove_file(dir.join("c.toml")).unwrap();
    in_force(&house, "a file removed", &["a2", "b2", "one"]);

    // A new directory with files in it from its first moment, then one more in it.
    let aside = dir.parent().unwrap().join("aside");
    fs::create_dir_all(aside.join("deep")).unwrap();
    fs::write(aside.join("deep/d.toml"), rule("d")).unwrap();
    fs::rename(&aside, dir.join("sub")).unwrap();
    in_force(&house, "a directory moved in", &["a2", "b2", "d", "one"]);
    fs::write(dir.join("sub/deep/e.toml"), rule("e")).unwrap();
    in_force(&house, "a file in a new directory", &["a2", "b2", "d", "e", "one"]);
    fs::remove_dir_all(dir.join("sub")).unwrap();
    in_force(&house, "a directory removed", &["a2", "b2", "one"]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_directory_is_swapped() {
    let house = house().await;
    let dir = house.rules();
    let place = |name: &str| dir.parent().unwrap().join(name);
    for (round, name) in ["two", "three"].into_iter().enumerate() {
        fs::create_dir(place("next")).unwrap();
        fs::write(place("next").join("x.toml"), rule(name)).unwrap();
        fs::rename(&dir, place(&format!("old-{round}"))).unwrap();
        fs::rename(place("next"), &dir).unwrap();
        in_force(&house, "swapped by mv", &[name]);
        // The new directory is watched like the old one was, and the old one no more.
        fs::write(dir.join("y.toml"), rule("more")).unwrap();
        fs::write(place(&format!("old-{round}")).join("z.toml"), rule("gone")).unwrap();
        let mut both = ["more", name];
        both.sort_unstable();
        in_force(&house, "an edit in the new one", &both);
    }
    // And by a link to it.
    for (target, name) in [("v1", "linked"), ("v2", "relinked")] {
        fs::create_dir(place(target)).unwrap();
        fs::write(place(target).join("x.toml"), rule(name)).unwrap();
        symlink(target, place("link")).unwrap();
        if fs::symlink_metadata(&dir).unwrap().is_dir() {
            fs::rename(&dir, place("old-linked")).unwrap();
        }
        fs::rename(place("link"), &dir).unwrap();
        in_force(&house, "the directory is a link", &[name]);
    }
    house.close().await;
}

/// A volume as the kubelet writes it: files are links into `..data`, a link to a directory with the time in its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_is_updated() {
    let house = house().await;
    let dir = house.rules();
    let version = |name: &str, rules: &[&str]| {
        fs::create_dir(dir.join(name)).unwrap();
        for rule_name in rules {
            fs::write(dir.join(name).join(format!("{rule_name}.toml")), rule(rule_name)).unwrap();
        }
        symlink(name, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    version("..2026_11_03_1", &["a", "b"]);
    for name in ["a", "b"] {
        symlink(format!("..data/{name}.toml"), dir.join(format!("{name}.toml"))).unwrap();
    }
    fs::remove_file(dir.join("rules.toml")).unwrap();
    in_force(&house, "mounted", &["a", "b"]);

    let changed = rule("a") + &rule("a-more");
    fs::create_dir(dir.join("..2026_11_03_2")).unwrap();
    fs::write(dir.join("..2026_11_03_2/a.toml"), changed).unwrap();
    fs::write(dir.join("..2026_11_03_2/c.toml"), rule("c")).unwrap();
    symlink("..2026_11_03_2", dir.join("..data_tmp")).unwrap();
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    symlink("..data/c.toml", dir.join("c.toml")).unwrap();
    fs::remove_file(dir.join("b.toml")).unwrap();
    fs::remove_dir_all(dir.join("..2026_11_03_1")).unwrap();
    in_force(&house, "updated", &["a", "a-more", "c"]);
    house.close().await;
}
