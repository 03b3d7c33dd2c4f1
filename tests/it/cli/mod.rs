//! The binary as people and scripts meet it: exit codes, stdout and stderr together.

mod cases; // test
mod deliveries; // the log, deliveries, runs, erase
mod explain;
mod files; // check, init, replay: no process, no network
mod har; // recordings of browsers
mod init;
mod recording; // record, explain --live, case
mod refused;
mod rotate; // webhooks rotate
mod running; // a process, and the commands that talk to it // what does not start, and what it says

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory of its own for one test, and the binary run in it.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Writes files, `(path, text)`, below the directory.
    fn with(files: &[(&str, &str)]) -> Self {
        let bench = Self::new();
        for (path, text) in files {
            bench.write(path, text);
        }
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shopbell"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SHOPBELL_") {
                command.env_remove(name);
            }
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Exit code, stdout and stderr in one text.
    fn said(&self, args: &[&str]) -> String {
        told(&self.run(args), self.dir.path())
    }
}

fn told(output: &Output, dir: &Path) -> String {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(&dir.display().to_string(), "DIR");
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    };
    let code = output.status.code().map_or_else(|| "none".to_owned(), |code| code.to_string());
    format!("exit {code}\n--- stdout\n{}\n--- stderr\n{}", text(&output.stdout), text(&output.stderr))
}

/// Copies the shipped demo rules into `dir`.
fn demo_rules(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/demo")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, dir.join(path.file_name().unwrap())).unwrap();
        }
    }
}
