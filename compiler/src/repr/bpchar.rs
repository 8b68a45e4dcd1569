//! `char(n)`: text whose blanks at the end are printed and mean nothing.

use std::fmt::{self, Write};

use bumpalo::Bump;
use memchr::memchr;

use super::row::{encode_int, encode_text_body, read_int};

/// A blank-padded text, as its encoding has it: the text without the blanks at its end, 00, and how many blanks follow. Equal are
/// those of one text, whatever their blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bpchar<'a>(&'a [u8]);

const INVARIANT: &str = "invariant: a packed char(n) is a text and a number";

impl<'a> Bpchar<'a> {
    /// An encoding after its tag; nothing if it is none.
    pub(super) fn read(body: &'a [u8]) -> Option<Bpchar<'a>> {
        let end = memchr(0, body)?;
        std::str::from_utf8(&body[..end]).ok()?;
        u32::try_from(read_int(&body[end + 1..])?.0).ok()?;
        Some(Bpchar(body))
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.0
    }

    fn pack_in(text: &str, blanks: usize, arena: &'a Bump) -> Bpchar<'a> {
        let mut body = Vec::with_capacity(text.len() + 4);
        encode_text_body(text, &mut body);
        encode_int(blanks as i64, &mut body);
        Bpchar(arena.alloc_slice_copy(&body))
    }

    /// A text with the blanks that it ends in.
    pub fn new_in(padded: &str, arena: &'a Bump) -> Bpchar<'a> {
        let text = padded.trim_end_matches(' ');
        Bpchar::pack_in(text, padded.len() - text.len(), arena)
    }

    fn split(self) -> (&'a str, u32) {
        let end = memchr(0, self.0).expect(INVARIANT);
        let (blanks, _) = read_int(&self.0[end + 1..]).expect(INVARIANT);
        (std::str::from_utf8(&self.0[..end]).expect(INVARIANT), blanks as u32)
    }

    /// The text without the blanks at its end.
    pub fn text(self) -> &'a str {
        self.split().0
    }

    /// How many blanks follow the text.
    pub fn blanks(self) -> u32 {
        self.split().1
    }

    /// The text padded to a length in characters; nothing if it has more that are no blanks.
    pub fn padded_to(self, length: u32, arena: &'a Bump) -> Option<Bpchar<'a>> {
        let (text, blanks) = self.split();
        let wanted = (length as usize).checked_sub(text.chars().count())?;
        Some(if wanted == blanks as usize { self } else { Bpchar::pack_in(text, wanted, arena) })
    }

    /// The text cut and padded to a length in characters.
    pub fn cut_to(self, length: u32, arena: &'a Bump) -> Bpchar<'a> {
        let text = self.text();
        let end = text.char_indices().nth(length as usize).map_or(text.len(), |(end, _)| end);
        let kept = text[..end].trim_end_matches(' ');
        Bpchar::pack_in(kept, length as usize - kept.chars().count(), arena)
    }
}

/// As it prints, blanks included.
impl fmt::Display for Bpchar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, blanks) = self.split();
        f.write_str(text)?;
        (0..blanks).try_for_each(|_| f.write_char(' '))
    }
}
