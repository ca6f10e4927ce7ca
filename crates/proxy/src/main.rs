//! The proxy's program: reads the environment, starts the logs and hands over to `run`.

/// Gives memory back when a burst is over; `.cargo/config.toml` says how soon.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    tulle_proxy::run::main()
}
