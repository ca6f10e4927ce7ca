//! The proxy's program: reads the environment, starts the logs and hands over to `run`.

fn main() -> std::process::ExitCode {
    tulle_proxy::run::main()
}
