//! `init`: a starter for any shop, and the packs that come with the binary.

use super::Bench;

#[test]
fn every_pack_passes_check_and_its_cases_as_it_is_laid_out() {
    let bench = Bench::new();
    let help = bench.said(&["init", "--help"]);
    let packs: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/rules"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|pack| pack.join("README.md").is_file())
        .map(|pack| pack.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(packs.len() >= 2, "{packs:?}");
    for pack in packs {
        assert!(help.contains(&pack), "{pack} is offered: {help}");
        let made = bench.said(&["init", "--shop", &pack, &pack]);
        assert!(made.starts_with("exit 0\n") && made.contains("shopbell run --upstream"), "{made}");
        let said = bench.said(&["check", &pack]);
        assert!(said.starts_with("exit 0\n") && said.contains(" 1 webhook)\n"), "{pack}: {said}");
        let said = bench.said(&["test", &pack]);
        assert!(said.starts_with("exit 0\n") && !said.contains("failed"), "{pack}: {said}");
        assert!(bench.path(&pack).join("README.md").is_file() && bench.path(&pack).join(".schema.json").is_file());
    }
}

#[test]
fn unknown_shops_are_told_with_the_nearest_and_nothing_is_overwritten() {
    let bench = Bench::with(&[("rules/mine.toml", "# mine\n")]);
    let said = bench.said(&["init", "--shop", "opencart", "new"]);
    assert!(said.starts_with("exit 2\n") && said.contains("zen-cart") && said.contains("'opencart-3'"), "{said}");
    assert!(!bench.path("new").exists());
    let said = bench.said(&["init", "--shop", "zen-cart", "rules"]);
    assert!(said.starts_with("exit 1\n") && said.contains("rules is not empty"), "{said}");
    let left: Vec<_> = std::fs::read_dir(bench.path("rules")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
