//! Coverage-guided fuzzing of everything that reads foreign bytes; `docs/fuzzing.md` says how to run it. The targets are
//! shared with `tests/it`, which gives them random bytes on every run.

mod targets;

/// Runs the target of a name.
///
/// # Panics
/// If there is none of that name, or what it found does not hold.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = targets::ALL.iter().find(|(known, _)| *known == name).expect("a target");
    target(data);
}

/// The fuzz target of a name.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::run($name, data));
    };
}
