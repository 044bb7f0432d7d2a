//! Profiles to requests that are not too large for who receives them.

use std::ops::Range;

use super::Encoder;
use crate::profile::Profile;

/// A place in a list of profiles: so many of them are sent, and so many rows of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Profiles that are sent as a whole.
    pub profiles: usize,
    /// Rows of the next one.
    pub rows: usize,
}

/// A request with what it holds.
#[derive(Debug)]
pub struct Request {
    /// The message.
    pub bytes: Vec<u8>,
    /// Where the next request starts.
    pub end: Position,
}

/// The next request, from `start` on: of at most `bytes_max` bytes, unless a single sample is
/// larger. `None` where all is sent.
pub fn next_request(profiles: &[&Profile], start: Position, bytes_max: usize) -> Option<Request> {
    let mut parts: Vec<(usize, Range<usize>)> = profiles
        .iter()
        .enumerate()
        .skip(start.profiles)
        .map(|(at, profile)| {
            let first = if at == start.profiles { start.rows.min(profile.len()) } else { 0 };
            (at, first..profile.len())
        })
        .collect();
    if parts.is_empty() {
        return None;
    }
    loop {
        let mut encoder = Encoder::default();
        let (mut taken, mut memory) = (0, 0);
        for (at, rows) in &parts {
            // What comes next takes about as much as what came before, which is mostly more than
            // it does, as tables grow more slowly.
            let next = profiles[*at].bytes();
            let predicted =
                (encoder.len() as f64) * (1.0 + next as f64 / f64::max(memory as f64, 1.0));
            if taken > 0 && predicted > bytes_max as f64 {
                break;
            }
            encoder.add(profiles[*at], rows.clone());
            (taken, memory) = (taken + 1, memory + next);
        }
        parts.truncate(taken);
        let bytes = encoder.finish();
        let (last, rows) = parts.last()?.clone();
        let fits = bytes.len() <= bytes_max || (parts.len() == 1 && rows.len() <= 1);
        if fits {
            let whole = rows.end == profiles[last].len();
            let end = match whole {
                true => Position { profiles: last + 1, rows: 0 },
                false => Position { profiles: last, rows: rows.end },
            };
            return Some(Request { bytes, end });
        }
        // What is kept is a little less than the share that fits, as tables grow more slowly.
        let share = bytes_max as f64 / bytes.len() as f64 * 0.9;
        match parts.len() {
            1 => {
                let rows = &mut parts[0].1;
                let keep = (rows.len() as f64 * share) as usize;
                rows.end = rows.start + keep.clamp(1, rows.len() - 1);
            }
            several => {
                let keep = (several as f64 * share) as usize;
                parts.truncate(keep.clamp(1, several - 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::{otlp::Decoder, samples},
        limits::Limits,
    };

    #[test]
    fn every_sample_is_sent_once_and_no_request_is_too_large() {
        let numbers: Vec<u32> = (1..900_u32).map(|n| n.wrapping_mul(2_654_435_761)).collect();
        let all: Vec<Profile> = (0..9).map(|n| samples::profile(&numbers[n * 90..], 2)).collect();
        let all: Vec<&Profile> = all.iter().collect();
        let total = |profiles: &[&Profile]| -> i128 {
            profiles.iter().flat_map(|p| &p.samples().values).map(|v| i128::from(*v)).sum()
        };
        for (bytes_max, requests_min) in [(usize::MAX, 1), (4000, 3), (1500, 9)] {
            let (mut at, mut requests, mut sent) = (Position::default(), 0, 0);
            while let Some(request) = next_request(&all, at, bytes_max) {
                assert!(request.end > at);
                assert!(request.bytes.len() <= bytes_max, "{}", request.bytes.len());
                let decoded = Decoder::default().decode(&request.bytes, &Limits::default());
                let profiles = decoded.unwrap().profiles;
                sent += total(&profiles.iter().collect::<Vec<_>>());
                (at, requests) = (request.end, requests + 1);
            }
            assert_eq!((at, sent), (Position { profiles: 9, rows: 0 }, total(&all)));
            assert!(requests >= requests_min && (requests == 1) == (requests_min == 1));
        }
        // A sample that is too large goes alone.
        let alone = next_request(&all, Position::default(), 1).unwrap();
        assert_eq!(alone.end.profiles + alone.end.rows, 1);
    }
}
