//! Questions to a lake from the command line: with a bar on a terminal, or a line now and then
//! elsewhere, where they take a while, and with what their answers leave out.

use std::{
    io::{self, Write},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use lake::{Allowance, Notes, Progress};

use super::{Failure, progress};

/// How long a question may take before anything is shown.
const QUIET: Duration = Duration::from_millis(300);
/// How often the bar moves.
const FRAME: Duration = Duration::from_millis(100);

/// Asks, and shows how far the answer is.
pub fn ask<T>(question: impl FnOnce(&Allowance) -> Result<T, lake::Error>) -> Result<T, Failure> {
    let progress = Arc::new(Progress::default());
    let allowance = Allowance { progress: Some(Arc::clone(&progress)), ..Allowance::default() };
    let answer = thread::scope(|scope| {
        let (answered, end) = mpsc::channel::<()>();
        let progress = &progress;
        scope.spawn(move || show(progress, &end));
        let answer = question(&allowance);
        drop(answered);
        answer
    });
    answer.map_err(|error| match error {
        // A question that cannot be is a matter of usage; anything else is a failure.
        lake::Error::Input { field: "type", message } => {
            Failure::Usage(anyhow::anyhow!("--type: {message}"))
        }
        lake::Error::Input { .. } => Failure::Usage(error.into()),
        error => Failure::Failed(error.into()),
    })
}

/// Whether the answer has not come within some time.
fn waits(end: &mpsc::Receiver<()>, time: Duration) -> bool {
    end.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout)
}

fn show(progress: &Progress, end: &mpsc::Receiver<()>) {
    if !waits(end, QUIET) {
        return;
    }
    let mut shown = progress::Progress::new("files", "read");
    while waits(end, FRAME) {
        let (read, files) = progress.files();
        shown.at(read as u64, files as u64);
    }
}

/// Tells on the standard error what an answer leaves out; fails where it has nothing in it because
/// of the labels that were asked for, or because all that matches stands in files that cannot be
/// read: no script should take that for a program that does nothing.
pub fn tell(notes: &Notes, is_empty: bool) -> Result<(), Failure> {
    if let Some(why) = &notes.nothing {
        return Err(Failure::Failed(anyhow::anyhow!("{why}")));
    }
    let mut err = io::stderr().lock();
    for line in notes.lines() {
        writeln!(err, "profpipe: {line}")?;
    }
    match notes.skipped.len() {
        0 => Ok(()),
        _ if !is_empty => Ok(()),
        1 => Err(Failure::Failed(anyhow::anyhow!("nothing matches in what is left"))),
        files => Err(Failure::Failed(anyhow::anyhow!(
            "nothing matches in what is left without {files} files"
        ))),
    }
}
