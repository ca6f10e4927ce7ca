//! Builds the parts and runs them until the process is told to end.

pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
