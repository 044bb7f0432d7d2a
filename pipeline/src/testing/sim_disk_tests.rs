//! The model itself under test: what it must keep, what it must be able to lose.

use std::path::Path;

use super::*;
use crate::storage::put;

const ROOT: &str = "/";

fn file(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// Over many seeds, what a power cut leaves of a file that `write` has made.
fn outcomes(write: impl Fn(&SimDisk)) -> Vec<Option<Vec<u8>>> {
    let mut seen: Vec<_> = (0..64)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            write(&disk);
            disk.power_cut();
            disk.read(&file("x"), 1 << 20).ok()
        })
        .collect();
    seen.sort();
    seen.dedup();
    seen
}

#[test]
fn the_commit_protocol_survives_every_power_cut() {
    let seen = outcomes(|disk| put(disk, Path::new(ROOT), ".x.tmp", "x", &[7; 2000]).unwrap());
    assert_eq!(seen, [Some(vec![7; 2000])]);
}

#[test]
fn without_directory_sync_names_are_lost() {
    let seen = outcomes(|disk| {
        disk.lie(Lies { dir_sync: true, ..Lies::default() });
        put(disk, Path::new(ROOT), ".x.tmp", "x", &[7; 2000]).unwrap();
    });
    assert_eq!(seen, [None, Some(vec![7; 2000])]);
}

#[test]
fn without_file_sync_bytes_are_torn() {
    let seen = outcomes(|disk| {
        disk.lie(Lies { file_sync: true, ..Lies::default() });
        put(disk, Path::new(ROOT), ".x.tmp", "x", &[7; 2000]).unwrap();
    });
    assert!(seen.contains(&Some(vec![])), "an empty file is possible");
    let torn = |bytes: &Vec<u8>| bytes.contains(&0) && bytes.contains(&7);
    assert!(seen.iter().flatten().any(torn), "a torn file is possible");
}

#[test]
fn a_second_sync_does_not_bring_back_what_a_failed_one_lost() {
    let seen = outcomes(|disk| {
        let mut handle = disk.create_new(&file("x")).unwrap();
        handle.write_all(&[7; 2000]).unwrap();
        disk.fail_file_syncs(1);
        assert_eq!(handle.sync().unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
        handle.sync().unwrap();
        assert_eq!(disk.read(&file("x"), 4096).unwrap(), [7; 2000], "the cache hides it");
        disk.sync_dir(Path::new(ROOT)).unwrap();
    });
    assert!(seen.len() > 1, "{seen:?}");
}

#[test]
fn kill_keeps_the_page_cache_and_ends_old_handles() {
    let disk = SimDisk::new(1);
    let mut handle = disk.create_new(&file("x")).unwrap();
    handle.write_all(b"cached").unwrap();
    disk.kill();
    assert_eq!(disk.read(&file("x"), 10).unwrap(), b"cached");
    assert!(handle.write_all(b"late").is_err());
}

#[test]
fn the_power_fails_at_the_chosen_operation() {
    let disk = SimDisk::new(1);
    disk.crash_after(2);
    let mut handle = disk.create_new(&file("x")).unwrap();
    assert!(!disk.is_down());
    assert!(handle.write_all(b"lost").is_err());
    assert!(disk.is_down());
    assert!(disk.list(Path::new(ROOT)).is_err());
    disk.power_cut();
    assert!(disk.list(Path::new(ROOT)).is_ok());
}

#[test]
fn a_full_disk_takes_a_part_overwrites_in_place_and_recovers() {
    let disk = SimDisk::new(1);
    disk.set_capacity_bytes(10);
    let mut handle = disk.create_new(&file("x")).unwrap();
    let error = handle.write_all(&[1; 16]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.used_bytes(), 10);
    handle.write_at(0, &[2; 10]).unwrap();
    assert_eq!(disk.space(Path::new(ROOT)).unwrap().free_bytes, 0);
    disk.remove(&file("x")).unwrap();
    assert_eq!(disk.space(Path::new(ROOT)).unwrap().free_bytes, 10);
}

#[test]
fn an_unsynced_directory_takes_its_files_with_it() {
    let seen: Vec<_> = (0..32)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            disk.create_dir(&file("d")).unwrap();
            put(&disk, &file("d"), ".x.tmp", "x", b"1").unwrap();
            disk.power_cut();
            disk.read(&file("d/x"), 1).is_ok()
        })
        .collect();
    assert!(seen.contains(&true) && seen.contains(&false));
}
