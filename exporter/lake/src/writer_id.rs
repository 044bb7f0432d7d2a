//! The id of a writer: part of every file name, so that writers of one lake never meet. It has the
//! form of a ULID (26 characters of Crockford's base 32, time first), so ids sort by their age.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use pipeline::storage::{Storage, put};

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LEN: usize = 26;

/// The id of a writer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WriterId(String);

impl WriterId {
    /// Name of the file that keeps the id.
    pub(crate) const FILE: &str = "writer.id";

    /// A new id, for one import or a new spool.
    pub fn random() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // The keys of a hash map's state are the randomness that the standard library has.
        let chance = || u128::from(RandomState::new().hash_one(now));
        let random = (chance() << 64 | chance()) & ((1 << 80) - 1);
        let number = (now.as_millis() & ((1 << 48) - 1)) << 80 | random;
        let digit = |place: usize| DIGITS[(number >> (place * 5)) as usize & 31] as char;
        Self((0..LEN).rev().map(digit).collect())
    }

    /// Reads an id; `None` if it does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == LEN && text.bytes().all(|byte| DIGITS.contains(&byte));
        fits.then(|| Self(text.to_string()))
    }

    /// The id of a spool's directory: read, or made and kept for good. Names of files follow from
    /// the numbers of its records, so each spool has an id of its own, and a new one a new id.
    ///
    /// # Errors
    /// What the disk gives; `InvalidData` if the file holds something else than an id, because a
    /// new one would write again what is already in the lake.
    pub fn of_spool(disk: &dyn Storage, dir: &Path) -> io::Result<Self> {
        if let Some(id) = Self::kept(disk, dir)? {
            return Ok(id);
        }
        let id = Self::random();
        let temp = format!(".{}.{id}.tmp", Self::FILE);
        put(disk, dir, &temp, Self::FILE, id.0.as_bytes())?;
        Ok(id)
    }

    /// The id that a directory keeps, if it does.
    pub(crate) fn kept(disk: &dyn Storage, dir: &Path) -> io::Result<Option<Self>> {
        match disk.read(&dir.join(Self::FILE), 64) {
            Ok(bytes) => {
                let text = std::str::from_utf8(&bytes).unwrap_or_default();
                Self::parse(text.trim_end()).map(Some).ok_or_else(|| {
                    let message = format!("{} holds no writer id", Self::FILE);
                    io::Error::new(io::ErrorKind::InvalidData, message)
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use pipeline::testing::SimDisk;

    use super::*;

    #[test]
    fn kept_for_good() {
        let (disk, dir) = (SimDisk::new(1), Path::new("/"));
        let id = WriterId::of_spool(&disk, dir).unwrap();
        disk.power_cut();
        assert_eq!(WriterId::of_spool(&disk, dir).unwrap(), id);
        disk.rot(&dir.join(WriterId::FILE), |bytes| bytes[0] = b'!');
        let broken = WriterId::of_spool(&disk, dir).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn unlike_each_other_and_sorted_by_time() {
        let ids: Vec<WriterId> = (0..100).map(|_| WriterId::random()).collect();
        let distinct: std::collections::BTreeSet<&WriterId> = ids.iter().collect();
        assert_eq!(distinct.len(), 100);
        assert!(ids[0].as_str()[..9] <= ids[99].as_str()[..9]);
        assert_eq!(WriterId::parse(ids[0].as_str()), Some(ids[0].clone()));
        for bad in ["", "0123", "../../../../etc/passwd/aaa", "01hzzzzzzzzzzzzzzzzzzzzzzz"] {
            assert_eq!(WriterId::parse(bad), None);
        }
    }
}
