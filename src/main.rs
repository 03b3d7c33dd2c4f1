//! The binary: hands over to the command line and passes on its exit code.

/// A tenth less CPU for each delivery, half as much memory again where little happens: see `docs/performance.md`.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    shopbell::cli::main()
}
