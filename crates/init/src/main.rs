//! `tulle-init`: the small program beside the proxy. It redirects a pod's traffic (as its init
//! container, or as a CNI plugin), makes the proxy's key and CSR before it starts, and waits for
//! it to be ready.

mod apply;
mod args;
mod cni;
mod end;
mod entry;
mod gate;
mod log;
mod ready;
mod rules;
mod witness;

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
    Gate(#[from] gate::GateError),
    #[error(transparent)]
    Ready(#[from] ready::NotReady),
    #[error(transparent)]
    Installer(#[from] cni::installer::InstallerError),
}

fn main() -> ExitCode {
    if let Ok(command) = std::env::var(cni::COMMAND) {
        let answer = cni::run(&command);
        print!("{}", answer.text);
        return if answer.is_success {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
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
        Command::Await { port, timeout } => {
            ready::wait(port, timeout)?;
            gate::open()?;
        }
        Command::AwaitEnd { address, ports } => end::wait(address, &ports),
        Command::Sleep(duration) => std::thread::sleep(duration),
        Command::InstallPlugin(folders) => cni::installer::install(&folders)?,
        Command::CheckPlugin(folders) => cni::installer::check(&folders)?,
    }
    Ok(())
}
