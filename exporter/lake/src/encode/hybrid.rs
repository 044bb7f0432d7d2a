//! The hybrid of run lengths and bit packing in which Parquet keeps dictionary codes and levels,
//! fed with runs. Format: "Run Length Encoding / Bit-Packing Hybrid" of the Parquet specification.

use super::runs::Runs;

/// Appends an unsigned LEB128 number.
pub fn uleb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An encoder that appends to bytes it was given.
pub struct Hybrid {
    out: Vec<u8>,
    width: u32,
    /// Codes that wait to be bit-packed, eight at a time.
    literals: Vec<u32>,
    /// Shortest run that is written as a run where no literals wait.
    run_min: usize,
}

impl Hybrid {
    /// Codes of `width` bits, appended to `out`.
    pub fn new(out: Vec<u8>, width: u32) -> Self {
        Self { out, width, literals: Vec::new(), run_min: 8 }
    }

    /// For columns that are mostly short runs: whole-byte (length, code) records compress better
    /// than packed bits.
    pub fn with_short_runs(mut self) -> Self {
        self.run_min = 1;
        self
    }

    /// `rows` times the same code.
    #[inline(always)]
    pub fn push(&mut self, code: u32, rows: u32) {
        // Most columns that are long change from row to row.
        if rows == 1 && self.run_min > 1 { self.literals.push(code) } else { self.run(code, rows) }
    }

    #[inline(never)]
    fn run(&mut self, code: u32, rows: u32) {
        let rows = rows as usize;
        let fill = (self.literals.len().wrapping_neg() & 7).min(rows);
        let rest = rows - fill;
        if rest < self.run_min {
            self.literals.resize(self.literals.len() + rows, code);
            return;
        }
        self.literals.resize(self.literals.len() + fill, code);
        self.flush();
        uleb(&mut self.out, (rest as u64) << 1);
        let bytes = self.width.div_ceil(8) as usize;
        self.out.extend_from_slice(&code.to_le_bytes()[..bytes]);
    }

    /// `pattern` over and over: the packed bytes repeat after eight times.
    pub fn push_pattern(&mut self, pattern: &[u32], mut times: usize) {
        if pattern.iter().all(|code| *code == pattern[0]) {
            return self.push(pattern[0], (pattern.len() * times) as u32);
        }
        while times > 0 && (times < 16 || !self.literals.len().is_multiple_of(8)) {
            self.literals.extend_from_slice(pattern);
            times -= 1;
        }
        if times == 0 {
            return;
        }
        self.flush();
        let blocks = times / 8;
        uleb(&mut self.out, ((blocks * pattern.len()) as u64) << 1 | 1);
        for _ in 0..8 {
            self.literals.extend_from_slice(pattern);
        }
        let start = self.out.len();
        self.pack();
        let block = self.out[start..].to_vec();
        for _ in 1..blocks {
            self.out.extend_from_slice(&block);
        }
        for _ in 0..times % 8 {
            self.literals.extend_from_slice(pattern);
        }
    }

    fn flush(&mut self) {
        if self.literals.is_empty() {
            return;
        }
        self.literals.resize(self.literals.len().next_multiple_of(8), 0);
        uleb(&mut self.out, (self.literals.len() as u64 / 8) << 1 | 1);
        self.pack();
    }

    fn pack(&mut self) {
        let literals = self.literals.drain(..);
        match self.width {
            8 => self.out.extend(literals.map(|code| code as u8)),
            16 => self.out.extend(literals.flat_map(|code| (code as u16).to_le_bytes())),
            width => {
                // Eight codes are `width` bytes; at most 31 + 32 bits wait at any time.
                let (mut waiting, mut bits) = (0u64, 0);
                for code in literals {
                    waiting |= u64::from(code) << bits;
                    bits += width;
                    if bits >= 32 {
                        self.out.extend_from_slice(&(waiting as u32).to_le_bytes());
                        waiting >>= 32;
                        bits -= 32;
                    }
                }
                self.out.extend_from_slice(&waiting.to_le_bytes()[..bits.div_ceil(8) as usize]);
            }
        }
    }

    /// The bytes, all codes included.
    pub fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.out
    }
}

/// Appends levels as a page of version 1 has them: length, then the hybrid.
pub fn levels(page: &mut Vec<u8>, width: u32, fill: impl FnOnce(&mut Hybrid)) {
    let mut hybrid = Hybrid::new(Vec::new(), width);
    fill(&mut hybrid);
    let bytes = hybrid.finish();
    page.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    page.extend_from_slice(&bytes);
}

/// Appends the definition levels of a nullable flat column and returns the number of nulls.
pub fn definition_levels(page: &mut Vec<u8>, runs: &Runs) -> usize {
    levels(page, 1, |hybrid| {
        for (code, rows) in runs.iter() {
            hybrid.push(u32::from(code != super::NULL), rows);
        }
    });
    runs.nulls()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads the hybrid as its specification has it.
    fn decode(bytes: &[u8], width: u32, mut left: usize) -> Vec<u32> {
        let (mut at, mut codes) = (0, Vec::new());
        while left > 0 {
            let (mut head, mut shift) = (0u64, 0);
            loop {
                let byte = bytes[at];
                at += 1;
                head |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
            let code = |start: usize| {
                (0..width as usize).fold(0, |code, i| code | bit(start * 8 + i) << i)
            };
            if head & 1 == 0 {
                let rows = (head >> 1) as usize;
                codes.extend(std::iter::repeat_n(code(at), rows));
                at += width.div_ceil(8) as usize;
                left -= rows;
            } else {
                let rows = (head >> 1) as usize * 8;
                for i in 0..rows.min(left) {
                    let start = at * 8 + i * width as usize;
                    codes.push((0..width as usize).fold(0, |code, i| code | bit(start + i) << i));
                }
                at += rows / 8 * width as usize;
                left -= rows.min(left);
            }
        }
        codes
    }

    proptest! {
        #[test]
        fn gives_back_what_it_took(
            parts in prop::collection::vec(
                (prop::collection::vec(0u32..1 << 20, 1..5), 1usize..60),
                0..20,
            ),
            width in 1u32..21,
            short in any::<bool>(),
        ) {
            let mut hybrid = Hybrid::new(Vec::new(), width);
            if short {
                hybrid = hybrid.with_short_runs();
            }
            let mut want = Vec::new();
            for (pattern, times) in parts {
                let pattern: Vec<u32> = pattern.iter().map(|c| c & ((1 << width) - 1)).collect();
                match pattern.as_slice() {
                    [code] => hybrid.push(*code, times as u32),
                    _ => hybrid.push_pattern(&pattern, times),
                }
                (0..times).for_each(|_| want.extend_from_slice(&pattern));
            }
            prop_assert_eq!(decode(&hybrid.finish(), width, want.len()), want);
        }
    }
}
