//! `completions`: what a shell needs to complete commands and flags, by clap_complete.

use clap::{Args as ClapArgs, CommandFactory};
use clap_complete::Shell;

use super::{Failure, view};

/// Arguments of `completions`.
#[derive(ClapArgs, Debug)]
#[command(after_help = "\
Examples:
  profpipe completions bash > ~/.local/share/bash-completion/completions/profpipe
  profpipe completions zsh > ~/.zfunc/_profpipe
  profpipe completions fish > ~/.config/fish/completions/profpipe.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// `profpipe completions`.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = super::Args::command();
    clap_complete::generate(args.shell, &mut command, "profpipe", &mut script);
    view::write("-".as_ref(), &script)
}
