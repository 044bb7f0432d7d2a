//! A spool on a modelled disk, one of whose files comes from the fuzzer. It is driven through its
//! public side only: it must open, keep its account, and go on taking and giving records.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use pipeline::{
    spool::{FreeFloor, Outcome, Spool, SpoolConfig, SpoolError},
    storage::{self, Storage},
    testing::SimDisk,
};

const DIR: &str = "/spool";
const EXPORTER: &str = "x";
const NOW_UNIX_MS: u64 = 1_700_000_000_000;
/// More than any reader has to ask before it is at the head.
const READS_MAX: usize = 10_000;

/// A disk with a spool of one exporter.
pub struct Bench {
    disk: SimDisk,
}

impl Default for Bench {
    fn default() -> Self {
        let bench = Self { disk: SimDisk::new(1) };
        bench.open().expect("an empty disk makes an empty spool");
        bench
    }
}

/// The highest number that a spool believes in a file.
const NUMBERS_MAX: u128 = 1 << 62;

impl Bench {
    /// Opens what is on the disk. Whatever that is, the spool starts; `None` where it says that a
    /// newer program has written there, which must not be undone.
    fn open(&self) -> Option<Arc<Spool>> {
        let config = SpoolConfig {
            ballast_bytes: 0,
            free_floor: FreeFloor { percent: 0, bytes: 0 },
            ..SpoolConfig::default()
        };
        let clock = Arc::new(|| NOW_UNIX_MS);
        let disk = Arc::new(self.disk.clone());
        let spool = match Spool::open_at(disk, Path::new(DIR), config, clock) {
            Err(SpoolError::NewerVersion { .. }) => return None,
            opened => opened.expect("nothing else stops it"),
        };
        spool.set_exporters(&[EXPORTER]).expect("the disk works");
        Some(spool)
    }

    /// Appends records, and gives the segment that holds them as its file name and bytes.
    pub fn append(&self, payloads: &[&'static [u8]]) -> (String, Vec<u8>) {
        let payload = |bytes: &&'static [u8]| Bytes::from_static(bytes).into();
        let payloads: Vec<_> = payloads.iter().map(payload).collect();
        let spool = self.open().expect("nothing newer was put there");
        spool.append(&payloads).expect("the disk has room");
        let entries = self.disk.list(Path::new(DIR)).expect("it is a directory");
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
        names.retain(|name| name.ends_with(".seg"));
        let name = names.into_iter().max().expect("a segment was appended");
        let bytes = self.get(&name);
        (name, bytes)
    }

    /// The bytes of a file of the spool.
    pub fn get(&self, name: &str) -> Vec<u8> {
        self.disk.read(&Path::new(DIR).join(name), 1 << 20).expect("the file is there")
    }

    /// Puts a file into a folder of the spool, in place of what has its name.
    pub fn put(&self, folder: &str, name: &str, bytes: &[u8]) {
        let folder = Path::new(DIR).join(folder);
        storage::put(&self.disk, &folder, ".temp", name, bytes).expect("the disk has room");
    }

    /// Opens the spool, reads it to the head, appends a record, and reads that too.
    ///
    /// # Panics
    /// Where the account does not add up, or the new record does not come back.
    pub fn drive(&self) {
        let Some(spool) = self.open() else { return };
        check_account(&spool);
        read_all(&spool);
        check_account(&spool);
        spool.append(&[Bytes::from_static(b"new").into()]).expect("the disk has room");
        assert_eq!(read_all(&spool), 1, "the new record comes back");
        let account = check_account(&spool);
        if account[0] > NUMBERS_MAX {
            return; // The new record led past the last number that is believed.
        }
        drop(spool);
        let again = self.open().expect("nothing newer was put there");
        assert_eq!(check_account(&again), account, "the account outlives the process");
        assert_eq!(read_all(&again), 0, "everything was settled");
    }
}

fn read_all(spool: &Arc<Spool>) -> usize {
    let mut reader = spool.reader(EXPORTER).expect("the exporter is declared and free");
    let mut records = 0;
    for _ in 0..READS_MAX {
        let batch = reader.next(7, 1 << 20).expect("the disk works");
        let Some(last) = batch.last() else {
            reader.save().expect("the disk works");
            return records;
        };
        let end = last.seq + 1;
        reader.done(batch[0].seq..end, Outcome::Delivered).expect("they were read");
        records += batch.len();
    }
    panic!("the reader does not come to the head");
}

/// Accepted, delivered and dropped records of the exporter, which must add up.
fn check_account(spool: &Spool) -> [u128; 3] {
    let stats = spool.stats();
    let totals = &stats.exporters[EXPORTER];
    let dropped: u128 = totals.dropped.values().map(|count| u128::from(*count)).sum();
    let [accepted, delivered, pending, dead] =
        [totals.accepted, totals.delivered, totals.pending, totals.dead_lettered].map(u128::from);
    assert_eq!(accepted, delivered + pending + dead + dropped, "{totals:?}");
    [accepted, delivered, dropped]
}
