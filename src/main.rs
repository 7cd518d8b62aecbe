//! The binary: hands the command line to the library and exits as it says.

use std::process::ExitCode;

fn main() -> ExitCode {
    provtaskd::cli::main(std::env::args_os())
}
