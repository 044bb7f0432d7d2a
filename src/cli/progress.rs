//! How far long work is: a bar on a terminal, a line now and then elsewhere.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often there is a line where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// What is shown of some work.
pub(super) struct Progress {
    /// Where there is a terminal.
    bar: Option<ProgressBar>,
    /// What is counted, and what is done with it: `files`, `read`.
    noun: &'static str,
    verb: &'static str,
    said: Instant,
    every: Duration,
}

impl Progress {
    pub fn new(noun: &'static str, verb: &'static str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template(&format!(
                "{{bar:40}} {{pos}}/{{len}} {noun}, {{eta}} left"
            ));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, noun, verb, said: Instant::now(), every: LINE }
    }

    /// So much is done.
    pub fn at(&mut self, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
        } else if let Some(line) = self.line(done, total) {
            self.say(line);
        }
    }

    /// So much was done before.
    pub fn goes_on_at(&mut self, done: u64, total: u64) {
        self.at(done, total);
        self.bar.iter().for_each(ProgressBar::reset_eta);
    }

    /// A line between.
    pub fn say(&self, line: impl Display) {
        // Nobody may be there to read it.
        let say = || drop(writeln!(io::stderr(), "{line}"));
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }

    fn line(&mut self, done: u64, total: u64) -> Option<String> {
        if self.said.elapsed() < self.every {
            return None;
        }
        self.said = Instant::now();
        Some(format!("profpipe: {done} of {total} {} are {}", self.noun, self.verb))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_now_and_then() {
        let mut progress = Progress { bar: None, ..Progress::new("files", "read") };
        assert_eq!(progress.line(1, 9), None);
        progress.every = Duration::ZERO;
        assert_eq!(progress.line(2, 9).unwrap(), "profpipe: 2 of 9 files are read");
    }
}
