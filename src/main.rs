//! The binary: hands the command line to the library and exits as it says; it decides nothing.

use std::process::ExitCode;

/// The C library's allocator keeps an arena per thread and never gives back what a cycle has left in
/// them: over 100,000 tasks that costs as much memory again as is in use. See docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 2 and 3, which its crate does not name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// How long freed memory is kept for what comes next, in milliseconds; by itself mimalloc keeps it for a second, which
/// is half a cycle. The environment's `MIMALLOC_PURGE_DELAY` goes before it.
const KEPT_FOR: std::ffi::c_long = 200;

fn main() -> ExitCode {
    // SAFETY: the call sets one of mimalloc's own numbers, is not safe beside other threads, and there are none yet.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, KEPT_FOR) };
    provtaskd::cli::main(std::env::args_os())
}
