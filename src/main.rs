//! The binary: hands over to the command line and passes on its exit code.

fn main() -> std::process::ExitCode {
    shopbell::cli::main()
}
