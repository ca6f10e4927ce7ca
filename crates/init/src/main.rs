//! `tulle-init`: the small program beside the proxy. It redirects a pod's traffic (as its init
//! container), makes the proxy's key and CSR before it starts, and waits for it to be ready.

mod apply;
mod args;
mod entry;
mod log;
mod ready;
mod rules;

use args::Command;
use std::process::ExitCode;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Args(#[from] args::ArgsError),
    #[error(transparent)]
    Apply(#[from] apply::ApplyError),
    #[error(transparent)]
    Entry(#[from] entry::EntryError),
    #[error(transparent)]
    Ready(#[from] ready::NotReady),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The init container's log has it already, in its own format.
            if !matches!(error, Error::Apply(_)) {
                eprintln!("tulle-init: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    match args::parse(std::env::args_os().skip(1))? {
        Command::Help => print!("{}", args::HELP),
        Command::Version => println!("tulle-init {}", env!("CARGO_PKG_VERSION")),
        Command::Iptables(options) => apply::redirect(&options)?,
        Command::Run(program) => match entry::run(&program)? {},
        Command::Await { port, timeout } => ready::wait(port, timeout)?,
        Command::Sleep(duration) => std::thread::sleep(duration),
    }
    Ok(())
}
