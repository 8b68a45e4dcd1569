//! Values of enumerations: labels that know their place in the order.

use bumpalo::Bump;

use super::row::encode_text_body;

/// A label, as its encoding has it: its place in the order in 4 bytes, its text, 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label<'a>(&'a [u8]);

const INVARIANT: &str = "invariant: a packed label is a number and a text";

impl<'a> Label<'a> {
    /// An encoding after its tag; nothing if it is none.
    pub(super) fn read(body: &'a [u8]) -> Option<Label<'a>> {
        let (_, text) = body.split_first_chunk::<4>()?;
        std::str::from_utf8(text.strip_suffix(&[0])?).ok()?;
        Some(Label(body))
    }

    pub(super) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub fn new_in(position: u32, text: &str, arena: &'a Bump) -> Label<'a> {
        let mut body = position.to_be_bytes().to_vec();
        encode_text_body(text, &mut body);
        Label(arena.alloc_slice_copy(&body))
    }

    pub fn position(self) -> u32 {
        u32::from_be_bytes(*self.0.first_chunk().expect(INVARIANT))
    }

    pub fn text(self) -> &'a str {
        std::str::from_utf8(&self.0[4..self.0.len() - 1]).expect(INVARIANT)
    }
}
