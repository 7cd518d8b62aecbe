//! The binary: hands the command line to the library and exits as it says; it decides nothing.

use std::process::ExitCode;

/// The C library's allocator keeps an arena per thread and never gives back what a cycle has left in
/// them: over 100,000 tasks that costs as much memory again as is in use. See docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    provtaskd::cli::main(std::env::args_os())
}
