//! Strings of a dictionary page, left in the page's bytes.

use bytes::Bytes;

use super::PageError;

/// Strings by code.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    bytes: Bytes,
    /// Where each string begins and ends.
    spans: Vec<(u32, u32)>,
}

impl Texts {
    /// From a page of PLAIN byte arrays: four bytes of length, then the bytes, which must be UTF-8.
    pub fn plain(bytes: Bytes, count: usize) -> Result<Self, PageError> {
        let early = || PageError::damaged("a page of strings ends early");
        if bytes.len() > u32::MAX as usize || count > bytes.len() / 4 {
            return Err(early());
        }
        let (mut spans, mut at) = (Vec::with_capacity(count), 0);
        for _ in 0..count {
            let len = bytes.get(at..at + 4).ok_or_else(early)?;
            let len = u32::from_le_bytes(len.try_into().map_err(|_| early())?) as usize;
            let text = bytes.get(at + 4..at + 4 + len).ok_or_else(early)?;
            if std::str::from_utf8(text).is_err() {
                return Err(PageError::damaged("a string is not UTF-8"));
            }
            spans.push((at as u32 + 4, (at + 4 + len) as u32));
            at += 4 + len;
        }
        Ok(Self { bytes, spans })
    }

    /// The string of a code; empty where there is none, as for null.
    #[inline]
    pub fn get(&self, code: u32) -> &str {
        let span = self.spans.get(code as usize);
        let bytes = span.and_then(|(from, to)| self.bytes.get(*from as usize..*to as usize));
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.spans.len() as u32).map(|code| self.get(code))
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.spans.len() * size_of::<(u32, u32)>()
    }
}

impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let (mut bytes, mut spans) = (vec![], vec![]);
        for text in texts {
            let from = bytes.len() as u32;
            bytes.extend_from_slice(text.as_bytes());
            spans.push((from, bytes.len() as u32));
        }
        Self { bytes: bytes.into(), spans }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_pages_are_checked() {
        let page = Bytes::from_static(b"\x01\0\0\0a\0\0\0\0\x02\0\0\0bc");
        let texts = Texts::plain(page.clone(), 3).unwrap();
        assert_eq!(texts.iter().collect::<Vec<_>>(), ["a", "", "bc"]);
        assert_eq!(texts.get(9), "");
        for (page, count) in [
            (page.clone(), 4),
            (page.slice(..page.len() - 1), 3),
            (page, usize::MAX),
            (Bytes::from_static(b"\xff\xff\xff\xffa"), 1),
            (Bytes::from_static(b"\x01\0\0\0\xff"), 1),
        ] {
            assert!(Texts::plain(page, count).is_err(), "{count}");
        }
    }
}
