//! The program.

use std::process::ExitCode;

fn main() -> ExitCode {
    profpipe::cli::main()
}
