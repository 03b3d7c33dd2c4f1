//! How much freed memory the process keeps.
//!
//! glibc gives each thread an arena of its own, eight to a core, and raises by itself how much each may keep at its end once
//! large blocks were freed (mallopt(3), `M_MMAP_THRESHOLD`). The database frees blocks of megabytes all day, so a process that once
//! delivered a large queue would keep twice what it uses.

use std::env;
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::process::Command;
use std::thread::available_parallelism;

/// Bytes from which a block is mapped for itself and given back when freed, and that an arena keeps free at its end: what glibc starts
/// with, and said so that it stays.
const KEPT: usize = 128 * 1024;
/// Arenas at least: the proxy's threads and the others shall not wait for each other.
const FEWEST_ARENAS: usize = 2;

/// What tells glibc to keep little; read by it when a process starts (mallopt(3), "Environment variables").
pub fn allocator_environment() -> [(&'static str, String); 3] {
    let arenas = available_parallelism().map_or(FEWEST_ARENAS, NonZeroUsize::get).max(FEWEST_ARENAS);
    [
        ("MALLOC_ARENA_MAX", arenas.to_string()),
        ("MALLOC_MMAP_THRESHOLD_", KEPT.to_string()),
        ("MALLOC_TRIM_THRESHOLD_", KEPT.to_string()),
    ]
}

/// Starts this program anew in the same process with those of [`allocator_environment`] that are not set, before it has done anything.
/// Does nothing where all are set, where the allocator is another one, or where it cannot be done: then it takes more memory.
pub fn keep_little() {
    use std::os::unix::process::CommandExt as _;
    let glibc = cfg!(all(target_os = "linux", target_env = "gnu", not(feature = "mimalloc")));
    let missing: Vec<_> = allocator_environment().into_iter().filter(|(name, _)| env::var_os(name).is_none()).collect();
    if !glibc || missing.is_empty() {
        return;
    }
    let mut words = env::args_os();
    let Ok(program) = env::current_exe() else { return };
    let name = words.next();
    let mut again = Command::new(&program);
    again.arg0(name.as_deref().unwrap_or(OsStr::new("shopbell"))).args(words).envs(missing);
    // It comes back only with an error.
    drop(again.exec());
}
