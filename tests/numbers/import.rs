//! Import is exact about what it took: twice is once, and a bad file costs nothing but itself.

use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Instant,
};

use crate::support::{
    cli::{import, top},
    profiles, scratch,
};

/// Imports that are killed, each a little later.
const ROUNDS: u32 = 24;

#[test]
fn importing_twice_changes_nothing() {
    let Some(cpu) = profiles::cpu() else { return };
    let files: Vec<_> = cpu.iter().map(|(_, file)| file).collect();
    let folder = scratch();
    let lake = folder.path().to_str().unwrap();
    let twice: Vec<_> = files.iter().chain(&files).collect();
    let first = import(folder.path(), "shop", &twice).ok();
    assert!(first.starts_with("40 profiles imported, 40 were there already\n"), "{first}");
    let tables = || profiles::below(folder.path());
    let (before, all) = (tables(), ["--lake", lake, "--all", "-s", "shop"]);
    let answer = top(&all);
    let again = import(folder.path(), "shop", &files).ok();
    assert!(again.starts_with("0 profiles imported, 40 were there already\n"), "{again}");
    assert_eq!(tables(), before);
    assert_eq!(top(&all), answer);
    // Another service is another profile, though the bytes are the same.
    let other = import(folder.path(), "other", &files[..1]).ok();
    assert!(other.starts_with("1 profile imported\n"), "{other}");
    assert_eq!(top(&all), answer);
}

#[test]
fn a_broken_file_is_named_and_the_others_go_in() {
    let Some(cpu) = profiles::cpu() else { return };
    let folder = scratch();
    let (lake, good) = (folder.path().join("lake"), std::fs::read(&cpu[0].1).unwrap());
    let bad: [(&str, &[u8], &str); 5] = [
        ("cut.pb.gz", &good[..good.len() / 2], "truncated: "),
        ("empty.pb.gz", b"", "empty_profile: "),
        ("page.html", b"<!DOCTYPE html><html></html>", "not_pprof: an HTML page"),
        ("legacy.txt", b"heap profile: 1: 2 [3: 4] @ heap/1\n", "not_pprof: a heap profile in the"),
        ("wrong.pb", &[10, 4, 8, 9, 16, 9], "bad_reference: "),
    ];
    let mut files = vec![cpu[0].1.clone()];
    for (name, bytes, _) in &bad {
        files.push(folder.path().join(name));
        std::fs::write(files.last().unwrap(), bytes).unwrap();
    }
    files.push(folder.path().join("missing.pb.gz"));
    files.push(cpu[1].1.clone());
    let ran = import(&lake, "shop", &files);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("2 profiles imported, 6 refused\n"), "{}", ran.stdout);
    let missing = ("missing.pb.gz", &[][..], "No such file");
    for (name, _, reason) in bad.iter().chain([&missing]) {
        let line = format!("{}: {reason}", folder.path().join(name).display());
        assert!(ran.stderr.lines().any(|l| l.starts_with(&line)), "{line} in {}", ran.stderr);
    }
    let mut both = top(&[files[0].to_str().unwrap(), files[files.len() - 1].to_str().unwrap()]);
    // Generic functions of Go have `;` in their names, which separates frames in the lake.
    both.rows = both.rows.into_iter().map(|(name, row)| (name.replace(';', ":"), row)).collect();
    assert_eq!(top(&["--lake", lake.to_str().unwrap(), "--all"]), both);
}

#[test]
fn import_prints_the_command_that_shows_what_came_in() {
    let Some(cpu) = profiles::cpu() else { return };
    let folder = scratch();
    let printed = import(folder.path(), "shop", &[&cpu[0].1]).ok();
    let command = printed.lines().nth(1).unwrap();
    let args = command.strip_prefix("profpipe top ").unwrap();
    let args: Vec<&str> = args.split(' ').collect();
    let of_file = top(&[cpu[0].1.to_str().unwrap()]);
    assert!(!of_file.rows.is_empty());
    assert_eq!(top(&args), of_file);
}

#[test]
fn imports_that_are_killed_or_run_at_the_same_time_lose_nothing_and_double_nothing() {
    let Some(cpu) = profiles::cpu() else { return };
    let files: Vec<_> = cpu.iter().take(8).map(|(_, file)| file).collect();
    let folder = scratch();
    let begun = Instant::now();
    import(&folder.path().join("whole"), "shop", &files).ok();
    let takes = begun.elapsed();
    let all = |lake: &str| {
        let lake = folder.path().join(lake);
        top(&["--lake", lake.to_str().unwrap(), "--all", "-s", "shop"])
    };
    let want = all("whole");
    for round in 0..ROUNDS {
        let name = format!("lake{round}");
        let lake = folder.path().join(&name);
        let start = || -> Child {
            let mut command = Command::new(env!("CARGO_BIN_EXE_profpipe"));
            command.args(["import", "--service=shop", "--lake"]).arg(&lake).args(&files);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut killed = start();
        sleep(takes * round / ROUNDS);
        killed.kill().unwrap();
        killed.wait().unwrap();
        let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
        for ended in both {
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
        assert_eq!(all(&name), want, "killed after {round} parts of {ROUNDS} of {takes:?}");
    }
}
