//! The command line. Exit codes are a contract: 0 done, 1 it failed (or the files have faults), 2 the command line itself is
//! wrong.
//!
//! Parsing never does work (`args`); each command is a file. Commands other than `run` talk to the running process over
//! its control socket (`control`); those that only look open the store themselves where no process runs.

mod args;
mod case;
mod check;
mod control;
mod deliveries;
mod delivery_args;
pub mod demo;
mod erase;
mod exchanges;
mod explain;
mod failure;
mod help;
mod init;
mod log;
mod output;
mod record;
mod replay;
mod rotate;
mod ruleset;
mod run;
mod runs;
mod schema;
mod status;
mod story;
mod suggest;
mod test;
mod webhooks;

use std::future::Future;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};
use failure::Failure;

/// What the first line of a recording begins with that `record` has written.
const HEAD_MARK: &str = "{\"shopbell\":";

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => dispatch(cli.command),
        Err(error) => {
            // Help and version are answers, not errors; clap knows the stream and the code of each.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::USAGE));
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Record(args) => block_on(record::run(args)),
        Command::Explain(args) => block_on(explain::run(args)),
        Command::Case(args) => case::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Schema => schema::run(),
        Command::Replay(args) => replay::run(&args),
        Command::Suggest(args) => suggest::run(&args),
        Command::Log(args) => block_on(log::run(args)),
        Command::Deliveries { command } => block_on(deliveries::run(command)),
        Command::Runs { command } => block_on(runs::run(command)),
        Command::Erase(args) => block_on(erase::run(args)),
        Command::Webhooks { command } => block_on(webhooks::run(command)),
        Command::Reload(args) => block_on(status::reload(args)),
        Command::Status(args) => block_on(status::run(args)),
        Command::Demo(args) => block_on(demo::run(args)),
    }
}

/// Runs one command's future to its end.
fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|fault| Failure::caused("the runtime cannot start", &fault))?.block_on(command)
}
