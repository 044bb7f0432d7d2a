//! Where commands read from and write to: pipes, terminals, and places that are not what they seem.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use super::Made;
use crate::support::{cli::profpipe, made::pprof};

const PROFPIPE: &str = env!("CARGO_BIN_EXE_profpipe");

#[test]
fn a_dash_is_the_standard_input() {
    let made = Made::new();
    let file = made.cpu("cpu.pb.gz", 0, &[("main.main;main.slow", 10), ("main.main", 5)]);
    let piped = |args: &[&str]| {
        let mut command = Command::new(PROFPIPE);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(&fs::read(&file).unwrap()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}");
        output.stdout
    };
    let lake = made.lake();
    for args in [&["top", "FILE"][..], &["flame", "FILE", "-o", "-", "--format", "folded"]] {
        let of = |file| args.iter().map(|a| if *a == "FILE" { file } else { *a }).collect();
        let (dash, named): (Vec<&str>, Vec<&str>) = (of("-"), of(file.to_str().unwrap()));
        let (got, want) = (piped(&dash), profpipe(&named).ok());
        let title = want.lines().next().unwrap();
        let want = want.replace(title, &title.replace("cpu.pb.gz", "-"));
        assert_eq!(String::from_utf8(got).unwrap(), want);
    }
    piped(&["merge", "-", "-o", "-"]);
    piped(&["import", "-", "--service", "a", "--lake", lake.to_str().unwrap()]);
    assert!(made.ask(&["top"], &["--all"]).ok().contains("main.slow"));
}

#[test]
fn a_place_that_cannot_be_written_is_said_once() {
    let made = Made::new();
    let file = made.cpu("cpu.pb.gz", 0, &[("main.main", 5)]);
    let lake = file.join("lake");
    let lake = lake.to_str().unwrap();
    let ran = profpipe(["import", "--service", "a", "--lake", lake, file.to_str().unwrap()]);
    let why = "Not a directory (os error 20)";
    let want = format!("profpipe: open the lake {lake}: create {lake}/.import: {why}\n");
    assert_eq!((ran.code, ran.stderr), (Some(3), want));
}

#[test]
fn a_port_that_is_taken_is_named_with_the_setting_for_another() {
    let made = Made::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let set = format!("self_telemetry::pprof_port={port}");
    let data = made.dir.path().join("data");
    let ran = profpipe(["run", "--web-port=0", "--set", &set, "-d", data.to_str().unwrap()]);
    let want = format!(
        "profpipe: listen on 127.0.0.1:{port} for the own profile (another port: \
         `--set self_telemetry::pprof_port=N`): Address already in use (os error 98)\n"
    );
    assert_eq!((ran.code, ran.stderr), (Some(1), want));
}

#[test]
fn check_tells_foreign_files_from_damage_and_finds_what_is_missing() {
    let made = Made::new();
    let empty = made.dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let ran = profpipe(["lake", "check", "--lake", empty.to_str().unwrap()]);
    assert_eq!(ran.ok(), format!("there is nothing in {}\n", empty.display()));

    made.import(&made.cpu("cpu.pb.gz", 0, &[("main.main", 5)]), &["--service", "a"]);
    let hour = made.lake().join("samples/date=2026-03-01/hour=00");
    fs::write(hour.join("notes.txt"), "mine").unwrap();
    let said = made.ask(&["lake", "check"], &[]).ok();
    let notes = format!("{}/notes.txt: not a name that profpipe gives\n", hour.display());
    let rest = "1 file is not profpipe's and not read\n3 files with 3 rows are sound\n";
    assert_eq!(said, format!("{notes}{rest}"));

    fs::remove_dir_all(made.lake().join("profiles")).unwrap();
    let ran = made.ask(&["lake", "check"], &[]);
    assert!(ran.stdout.contains(".parquet: its profiles are missing\n"));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "profpipe: 1 file is damaged\n"));
}

#[test]
fn types_without_a_name_can_be_asked_for() {
    let made = Made::new();
    let file = made.dir.path().join("plain.pb");
    pprof(&file, ("", "things"), (1_772_323_200_000_000_000, 0), &[("main.main", 5)]);
    let lake = made.lake();
    let said = profpipe(
        ["import", "--service=a", "--lake", lake.to_str().unwrap()]
            .into_iter()
            .chain([file.to_str().unwrap()]),
    );
    let said = said.ok();
    let command = said.lines().last().unwrap();
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    for more in [&[][..], &["--type", ":"]] {
        let top = profpipe(words.iter().chain(more)).ok();
        assert!(top.contains("main.main"), "{top}");
    }
}

/// Runs a command on a terminal of its own; what it shows there.
fn on_terminal(args: &[&str]) -> String {
    let spawn = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    let mut command = Command::new("python3");
    command.args(["-c", spawn, PROFPIPE]).args(args).stdin(Stdio::null());
    let output = command.env("TERM", "xterm").output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}");
    shown
}

#[test]
fn long_work_shows_a_bar_on_a_terminal_and_nowhere_else() {
    let made = Made::new();
    let files: Vec<String> = (0..300)
        .map(|n| made.cpu(&format!("{n}.pb.gz"), 0, &[("main.main", n + 1)]))
        .map(|path| path.display().to_string())
        .collect();
    let import = |lake: &Path| {
        let mut args = vec!["import".to_owned(), "--service=a".to_owned()];
        args.extend(["--lake".to_owned(), lake.display().to_string()]);
        args.extend(files.clone());
        args
    };
    let args = import(&made.lake());
    let shown = on_terminal(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(shown.contains("/300 files, ") && shown.contains(" left"), "{shown}");
    assert!(shown.contains("300 profiles imported"), "{shown}");
    let ran = profpipe(import(&made.dir.path().join("other")));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}
