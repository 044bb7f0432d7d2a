//! Damaged and foreign files: what google/pprof refuses is refused.

use std::path::{Path, PathBuf};

use pipeline::{codec::pprof, reason::Reason};

use super::read;
use crate::support::{oracle::Oracle, profiles};

/// What google/pprof takes and we do not, by reason and the start of the detail.
const STRICTER: [(Reason, &str); 7] = [
    // It leaves such locations without a mapping.
    (Reason::BadReference, "mapping id "),
    // It takes a profile without types if that has no samples; nothing can be asked of one.
    (Reason::Malformed, "no sample types"),
    // It does not look at the unit of a label that has a text.
    (Reason::BadReference, "string "),
    // It drops the bits that are too many.
    (Reason::Malformed, "a varint of more than 64 bits"),
    // No protobuf has a field of this number.
    (Reason::Malformed, "field number 0"),
    (Reason::CountLimit, "more than "),
    (Reason::SizeLimit, "more than "),
];

/// Numbers that look random and are the same in every run: a linear congruence.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % n
    }
}

/// One mutation of each kind of each profile.
fn mutants(bytes: &[u8], random: &mut Random) -> Vec<Vec<u8>> {
    let mut below = |n: usize| random.below(n);
    let [at, other, bit] = [below(bytes.len()), below(bytes.len()), below(8)];
    let mut all = vec![bytes.to_vec(); 6];
    all[0][at] ^= 1 << bit;
    all[1][at] = below(256) as u8;
    all[2].truncate(at);
    all[3].remove(at);
    all[4].insert(at, below(256) as u8);
    all[5].swap(at, other);
    all
}

fn write_mutants(folder: &Path, files: &[PathBuf]) -> Vec<PathBuf> {
    let mut random = Random(7);
    let mut written = vec![];
    for file in files {
        let raw = pprof::encode_raw(&read(file).unwrap());
        for mutant in mutants(&raw, &mut random) {
            let path = folder.join(written.len().to_string());
            std::fs::write(&path, mutant).unwrap();
            written.push(path);
        }
    }
    written
}

#[test]
fn what_google_pprof_refuses_is_refused() {
    let (Some(oracle), Some(files)) = (Oracle::new(), profiles::random()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mutants = write_mutants(folder.path(), files);
    let sums = oracle.sums(&mutants);
    let (mut both_take, mut both_refuse, mut same, mut wrong) = (0, 0, vec![], vec![]);
    for (file, sums) in mutants.iter().zip(&sums) {
        match (read(file), &sums.error) {
            (Ok(profile), None) => {
                assert!(!sums.legacy, "{} is in a legacy format", file.display());
                both_take += 1;
                let again = file.with_extension("again");
                std::fs::write(&again, pprof::encode(&profile)).unwrap();
                if !has_replaced_text(&profile) {
                    same.push((file.clone(), again));
                }
            }
            (Err(_), Some(_)) => both_refuse += 1,
            (Ok(_), Some(error)) => wrong.push(format!("{}: taken, but {error}", file.display())),
            // It takes damaged bytes for text in a legacy format, which nobody else does.
            (Err(_), None) if sums.legacy => {}
            (Err(refused), None) => {
                let known = STRICTER.iter().any(|(reason, start)| {
                    refused.reason == *reason && refused.detail.starts_with(start)
                });
                if !known {
                    wrong.push(format!("{}: {refused}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(both_take > 500 && both_refuse > 500, "{both_take} taken, {both_refuse} refused");
    oracle.assert_equal(&[], &same);
}

/// Whether bytes that were no UTF-8 may have been replaced, which google/pprof does not do.
fn has_replaced_text(profile: &pipeline::profile::Profile) -> bool {
    profile.strings().iter().any(|text| text.contains('\u{fffd}'))
}

#[test]
fn legacy_formats_are_refused_by_name() {
    let (Some(oracle), Some(files)) = (Oracle::new(), profiles::google()) else { return };
    let sums = oracle.sums(&files);
    let mut legacy = 0;
    for (file, sums) in files.iter().zip(&sums) {
        let refused = read(file).map(|_| ()).map_err(|refused| refused.reason);
        let want = if sums.legacy { Err(Reason::NotPprof) } else { Ok(()) };
        assert_eq!(refused, want, "{}", file.display());
        legacy += usize::from(sums.legacy);
    }
    assert!(legacy >= 10 && legacy < files.len(), "{legacy} legacy files of {}", files.len());
}
