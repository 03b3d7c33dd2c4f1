//! The packs that come with the binary: `rules/` as it was when it was built (`embed.rs` makes the table).

use super::Laid;

/// By name: the files.
const PACKS: &[(&str, &[Laid<'static>])] = include!(concat!(env!("OUT_DIR"), "/packs.rs"));

/// Names of the packs, in order.
pub(in super::super) fn names() -> Vec<&'static str> {
    PACKS.iter().map(|(name, _)| *name).collect()
}

/// The files of a pack, path and text.
pub(super) fn files(name: &str) -> Option<&'static [Laid<'static>]> {
    PACKS.iter().find(|(own, _)| *own == name).map(|(_, files)| *files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_pack_is_there_as_it_stands() {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        assert!(names().contains(&"opencart-3") && !names().contains(&"demo"), "{:?}", names());
        for (pack, files) in PACKS {
            assert!(files.iter().any(|(name, _)| name.starts_with("cases/")), "{pack} comes with its cases");
            for (name, text) in *files {
                assert_eq!(fs::read_to_string(rules.join(pack).join(name)).unwrap(), *text, "{pack}/{name}");
            }
        }
    }
}
