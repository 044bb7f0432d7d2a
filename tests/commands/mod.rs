//! What the commands answer that look at a lake or at files: to the unit, and to a stranger.

mod diff;
mod flame;
mod gauges;
mod lists;
mod places;
mod spool;

use std::path::{Path, PathBuf};

use crate::support::{
    cli::{Ran, profpipe},
    made::{MINUTE_NS, START_NS, pprof},
    scratch,
};

const CPU: (&str, &str) = ("cpu", "nanoseconds");

/// A lake in a directory of its own.
struct Made {
    dir: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        Self { dir: scratch() }
    }

    fn lake(&self) -> PathBuf {
        self.dir.path().join("lake")
    }

    /// A file of CPU time that begins so many minutes after the start.
    fn cpu(&self, name: &str, minute: i64, stacks: &[(&str, i64)]) -> PathBuf {
        let path = self.dir.path().join(name);
        pprof(&path, CPU, (START_NS + minute * MINUTE_NS, 10_000_000_000), stacks);
        path
    }

    fn import(&self, file: &Path, args: &[&str]) {
        let lake = self.lake();
        let words = ["import".as_ref(), "--lake".as_ref(), lake.as_os_str(), file.as_os_str()];
        profpipe(words.into_iter().chain(args.iter().map(|arg| arg.as_ref()))).ok();
    }

    /// A command with this lake.
    fn ask(&self, command: &[&str], args: &[&str]) -> Ran {
        let lake = self.lake();
        let lake = ["--lake", lake.to_str().unwrap()];
        profpipe(command.iter().chain(&lake).chain(args))
    }
}

/// Two minutes of one service in two versions: the second version takes 20 ms more in `main.slow`.
fn two_versions() -> Made {
    let made = Made::new();
    let ms = 1_000_000;
    let before = [("main.main;main.slow", 40 * ms), ("main.main;main.fast", 10 * ms)];
    let after = [("main.main;main.slow", 60 * ms), ("main.main;main.fast", 10 * ms)];
    for (minute, version, stacks) in [(0, "1", before), (1, "2", after)] {
        let file = made.cpu(&format!("{version}.pb.gz"), minute, &stacks);
        let version = format!("service.version={version}");
        made.import(&file, &["--service", "orders", "--label", &version]);
    }
    made
}

#[test]
fn labels_that_match_nothing_are_explained() {
    let made = two_versions();
    for (labels, want) in [
        (
            r#"service_version="3""#,
            r#"nothing matches `service_version="3"`; `service_version` is `1`, `2`"#,
        ),
        (r#"version=~"1""#, "nothing has the label `version`; there are `service`, `service.name`"),
    ] {
        for command in ["top", "flame", "merge", "diff", "series"] {
            let mut args = vec!["--all", "--type", "cpu", "-l", labels];
            args.extend((command == "merge").then_some("-o-"));
            args.extend((command == "diff").then_some("--base-l="));
            let ran = made.ask(&[command], &args);
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{command}");
            assert!(ran.stderr.starts_with(&format!("profpipe: {want}")), "{}", ran.stderr);
        }
    }
    let both = r#"service_version="1", service_version="2""#;
    let ran = made.ask(&["top"], &["--all", "--type", "cpu", "-l", both]);
    assert!(ran.stderr.contains("no values match `service_version=\"1\", service_"), "{ran:?}");
    let ran = made.ask(&["top"], &["--type", "cpu"]);
    let want = "there are profiles of orders (2026-03-01T00:00:00Z to 2026-03-01T00:01:00Z)";
    assert!(ran.code == Some(1) && ran.stderr.contains(want), "{ran:?}");
    let ran = made.ask(&["top"], &["--all", "--type", "heap"]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(
        ran.stderr,
        "profpipe: --type: there is no type `heap`; the selection has `cpu:cpu`\n"
    );
}

#[test]
fn a_mistake_names_its_flag_and_is_no_failure() {
    let made = Made::new();
    let file = made.cpu("cpu.pb", 0, &[("main.main", 1)]);
    let other = made.cpu("other.pb", 0, &[("main.main", 2)]);
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    let of_type = "there is no type `heap`; it has `cpu:cpu`";
    for (args, wants) in [
        (&["top", file, "-t", "heap"][..], ["profpipe: --type: ", of_type]),
        (&["flame", file, "-t", "heap"], ["profpipe: --type: ", of_type]),
        (&["diff", file, other, "-t", "heap"], ["profpipe: --type: ", of_type]),
        (&["top", "--since", "soon"], ["profpipe: --since: `soon` is no duration", ""]),
        (&["top", "--until", "soon"], ["profpipe: --until: `soon` is no duration", ""]),
        (&["top", "--from", "soon"], ["profpipe: --from: `soon` is no time", ""]),
        (&["top", "--from", "0", "--to", "soon"], ["profpipe: --to: `soon` is no time", ""]),
    ] {
        let ran = profpipe(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(wants[0]), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(wants[1]), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
    // A data directory that cannot be made is one sort of end, said once.
    let ran = profpipe(["run", "--web-port", "0", "--data-dir", "/proc/x"]);
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(3), 1), "{}", ran.stderr);
    // One is one.
    made.import(Path::new(file), &["--service", "a"]);
    let listed = made.ask(&["lake", "ls"], &[]).ok();
    assert!(listed.contains("samples: 1 hour, 1 file, "), "{listed}");
}

#[test]
fn every_damaged_file_is_named() {
    let made = two_versions();
    let sound = made.ask(&["lake", "check"], &[]).ok();
    assert!(sound.ends_with(" rows are sound\n"), "{sound}");
    let mut files = Vec::new();
    below(&made.lake(), &mut files);
    files.retain(|file| file.extension().is_some_and(|ending| ending == "parquet"));
    assert_eq!(files.len(), 6, "two of each table");
    let mut damaged: Vec<&PathBuf> = files.iter().step_by(2).collect();
    for file in &damaged {
        let mut bytes = std::fs::read(file).unwrap();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 4;
        std::fs::write(file, bytes).unwrap();
    }
    let ran = made.ask(&["lake", "check"], &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "profpipe: 3 files are damaged\n"));
    let mut named: Vec<PathBuf> =
        ran.stdout.lines().map(|line| line.split(": ").next().unwrap().into()).collect();
    named.sort();
    damaged.sort();
    assert_eq!(named.iter().collect::<Vec<_>>(), damaged);
}

#[test]
fn an_answer_that_only_damaged_files_could_give_is_a_failure() {
    let made = two_versions();
    let mut files = Vec::new();
    below(&made.lake().join("samples"), &mut files);
    assert_eq!(files.len(), 2);
    let output = made.lake().join("merged.pb.gz");
    let output = ["merge", "-o", output.to_str().unwrap()];
    let questions: [&[&str]; 4] =
        [&["top"], &["top", "--format", "json"], &["flame", "--format", "folded"], &output];
    for (done, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).unwrap();
        std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        for question in questions {
            let ran = made.ask(question, &["--all", "--type", "cpu"]);
            // While another file matches, the answer is what that has.
            let code = if done == 0 { 0 } else { 1 };
            assert_eq!(ran.code, Some(code), "{question:?} {ran:?}");
            assert!(ran.stderr.contains("left out samples/"), "{ran:?}");
            let says = ran.stderr.contains("nothing matches in what is left");
            assert_eq!((says, ran.stdout.is_empty() && done == 1), (done == 1, done == 1));
        }
    }
}

fn below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => below(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn shells_complete_commands_and_flags() {
    for (shell, flag) in [("bash", "--base-since"), ("zsh", "--base-since"), ("fish", "base-since")]
    {
        let script = profpipe(["completions", shell]).ok();
        assert!(script.contains("diff") && script.contains(flag), "{shell}");
    }
    let file = scratch();
    let path = file.path().join("profpipe.bash");
    std::fs::write(&path, profpipe(["completions", "bash"]).ok()).unwrap();
    crate::support::output("bash", ["-n".as_ref(), path.as_os_str()]);
}

#[test]
fn a_file_without_an_end_is_refused_and_not_read_to_it() {
    let dir = scratch();
    let lake = dir.path().join("lake");
    let sparse = dir.path().join("sparse.pb.gz");
    std::fs::File::create(&sparse).unwrap().set_len(20 << 30).unwrap();
    let (lake, sparse) = (lake.to_str().unwrap(), sparse.to_str().unwrap());
    for words in [
        &["top", "/dev/zero"][..],
        &["merge", sparse, "-o", "-"],
        &["check-otlp", sparse],
        &["import", "--lake", lake, "--service", "s", sparse],
    ] {
        let ran = profpipe(words);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, Some(1), "{words:?}: {told}");
        assert!(told.contains("size_limit: a file of more than 268435456 bytes"), "{told}");
    }
}

/// What was imported is shown by the command that `import` prints, whenever it was.
#[test]
fn profiles_of_the_future_are_shown_by_the_command_that_import_prints() {
    let made = Made::new();
    let year = 365 * 24 * 60;
    let file = made.cpu("later.pb.gz", 80 * year, &[("main.main", 1_000_000)]);
    let lake = made.lake();
    let words = ["import", "--lake", lake.to_str().unwrap(), "--service", "s"];
    let ran = profpipe(words.into_iter().chain([file.to_str().unwrap()]));
    let hint = ran.stdout.lines().last().unwrap().to_owned();
    let words = hint.split(' ').skip(1).map(|word| word.trim_matches('\''));
    let top = profpipe(words);
    assert!(top.ok().contains("main.main"), "{hint}");
}

#[test]
fn a_filter_leaves_shares_of_the_whole_profile() {
    let made = Made::new();
    let ms = 1_000_000;
    let stacks = [("main.main;main.slow", 30 * ms), ("main.main;main.fast", 10 * ms)];
    let file = made.cpu("a.pb.gz", 0, &stacks);
    let file = file.to_str().unwrap();
    let slow = profpipe(["top", file, "--focus", "slow"]).ok();
    assert!(slow.contains("accounting for 30ms, 75.00% of 40ms total"), "{slow}");
    let nothing = profpipe(["top", file, "--focus", "nobody"]);
    assert!(nothing.stderr.contains("leave no stack"), "{}", nothing.stderr);
    assert!(nothing.ok().contains("0% of 40ms total"));
}
