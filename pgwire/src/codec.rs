//! Frames: a type byte, a length, a body. The only file that knows how messages lie on the wire.
//!
//! [`FrameReader`] cuts what has arrived into frames; "not enough bytes yet" is a value. It trusts no length: nothing is
//! reserved for bytes that have not come, a body above the limit of its kind is read past without being kept, and a
//! length that cannot be (below 4, or above what PostgreSQL itself takes) means that framing is lost. CopyData is handed
//! on in whatever pieces arrive, so that its size does not matter.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The longest body of a Query, Parse, Bind or FunctionCall that is kept.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The longest length word that PostgreSQL takes for a message of any kind; beyond it framing is lost.
const LENGTH_MAX: usize = 0x3fff_fffe;

/// The longest length word of a message that carries a name at most.
const SMALL_LENGTH_MAX: usize = 10_000;

/// One frame, or the news of one.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message, or a piece of a CopyData's body.
    Message { tag: u8, body: Bytes },
    /// A message whose body is longer than [`MESSAGE_BYTES_MAX`]; its bytes are dropped as they come.
    Oversized { tag: u8, length: usize },
}

/// Why the bytes that follow cannot be cut into messages.
#[derive(Debug, PartialEq, Eq)]
pub enum FramingLost {
    UnknownType(u8),
    BadLength { tag: u8, length: u32 },
}

impl std::fmt::Display for FramingLost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FramingLost::UnknownType(tag) => write!(f, "invalid frontend message type {tag}"),
            FramingLost::BadLength { .. } => write!(f, "invalid message length"),
        }
    }
}

/// Cuts a byte stream into frames.
#[derive(Default)]
pub struct FrameReader {
    /// Bytes of the present body that are still to come and not to be collected.
    rest: Rest,
}

#[derive(Default)]
enum Rest {
    #[default]
    None,
    CopyData(usize),
    Dropped(usize),
}

impl FrameReader {
    /// The next frame of `buf`, whose bytes are taken out of it; `None` if more bytes are needed.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, FramingLost> {
        loop {
            match self.rest {
                Rest::None => match self.header(buf)? {
                    Cut::Frame(frame) => return Ok(Some(frame)),
                    Cut::NeedMore => return Ok(None),
                    Cut::Body => {}
                },
                Rest::CopyData(0) | Rest::Dropped(0) => self.rest = Rest::None,
                Rest::CopyData(_) | Rest::Dropped(_) if buf.is_empty() => return Ok(None),
                Rest::CopyData(rest) => {
                    let body = buf.split_to(rest.min(buf.len())).freeze();
                    self.rest = Rest::CopyData(rest - body.len());
                    return Ok(Some(Frame::Message { tag: b'd', body }));
                }
                Rest::Dropped(rest) => {
                    let n = rest.min(buf.len());
                    buf.advance(n);
                    self.rest = Rest::Dropped(rest - n);
                }
            }
        }
    }

    fn header(&mut self, buf: &mut BytesMut) -> Result<Cut, FramingLost> {
        let Some(&tag) = buf.first() else { return Ok(Cut::NeedMore) };
        let length_max = length_max(tag).ok_or(FramingLost::UnknownType(tag))?;
        if buf.len() < 5 {
            return Ok(Cut::NeedMore);
        }
        let word = u32::from_be_bytes([buf[1], buf[2], buf[3], buf[4]]);
        let length = word as usize;
        if !(4..=length_max).contains(&length) {
            return Err(FramingLost::BadLength { tag, length: word });
        }
        let body_bytes = length - 4;
        if tag == b'd' {
            buf.advance(5);
            self.rest = Rest::CopyData(body_bytes);
            return Ok(Cut::Body);
        }
        if body_bytes > MESSAGE_BYTES_MAX {
            buf.advance(5);
            self.rest = Rest::Dropped(body_bytes);
            return Ok(Cut::Frame(Frame::Oversized { tag, length }));
        }
        if buf.len() < 1 + length {
            return Ok(Cut::NeedMore);
        }
        buf.advance(5);
        Ok(Cut::Frame(Frame::Message { tag, body: buf.split_to(body_bytes).freeze() }))
    }
}

enum Cut {
    Frame(Frame),
    /// The header is taken; `rest` says what to do with the body.
    Body,
    NeedMore,
}

/// The greatest length word of a message of this type; `None` for a type that no client sends.
fn length_max(tag: u8) -> Option<usize> {
    match tag {
        b'Q' | b'P' | b'B' | b'F' | b'd' => Some(LENGTH_MAX),
        b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' => Some(SMALL_LENGTH_MAX),
        b'p' => Some(65_535),
        _ => None,
    }
}

/// Appends one frame whose body `write` appends.
pub fn put_frame(buf: &mut BytesMut, tag: u8, write: impl FnOnce(&mut BytesMut)) {
    let start = begin_frame(buf, tag);
    write(buf);
    end_frame(buf, start);
}

/// Appends a frame's type byte and a length to be known later; what it returns is for [`end_frame`].
pub fn begin_frame(buf: &mut BytesMut, tag: u8) -> usize {
    buf.put_u8(tag);
    buf.put_u32(0);
    buf.len() - 4
}

/// Writes the length of the frame begun at `start`.
pub fn end_frame(buf: &mut BytesMut, start: usize) {
    let length = u32::try_from(buf.len() - start).expect("invariant: values and rows are capped below 1 GiB");
    buf[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(pieces: &[&[u8]]) -> Result<Vec<Frame>, FramingLost> {
        let (mut reader, mut buf, mut out) = (FrameReader::default(), BytesMut::new(), Vec::new());
        for piece in pieces {
            buf.extend_from_slice(piece);
            while let Some(frame) = reader.next(&mut buf)? {
                out.push(frame);
            }
        }
        Ok(out)
    }

    fn message(tag: u8, body: &'static [u8]) -> Frame {
        Frame::Message { tag, body: Bytes::from_static(body) }
    }

    #[test]
    fn cuts_at_any_byte() {
        let bytes = b"Q\0\0\0\x06a\0S\0\0\0\x04";
        let expected = vec![message(b'Q', b"a\0"), message(b'S', b"")];
        for cut in 0..bytes.len() {
            assert_eq!(frames(&[&bytes[..cut], &bytes[cut..]]).unwrap(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn copy_data_comes_in_pieces() {
        let got = frames(&[b"d\0\0\0\x09ab", b"cde", b"c\0\0\0\x04"]).unwrap();
        assert_eq!(got, vec![message(b'd', b"ab"), message(b'd', b"cde"), message(b'c', b"")]);
        assert_eq!(frames(&[b"d\0\0\0\x04c\0\0\0\x04"]).unwrap(), vec![message(b'c', b"")]);
    }

    #[test]
    fn an_oversized_body_is_dropped_and_framing_kept() {
        let length = (MESSAGE_BYTES_MAX + 5) as u32;
        let mut header = vec![b'Q'];
        header.extend_from_slice(&length.to_be_bytes());
        let body = vec![0u8; MESSAGE_BYTES_MAX + 1];
        let got = frames(&[&header, &body, b"S\0\0\0\x04"]).unwrap();
        assert_eq!(got, vec![Frame::Oversized { tag: b'Q', length: length as usize }, message(b'S', b"")]);
    }

    #[test]
    fn impossible_lengths_lose_framing() {
        for word in [0u32, 3, 0x3fff_ffff, 0x7fff_ffff, u32::MAX] {
            let mut bytes = vec![b'Q'];
            bytes.extend_from_slice(&word.to_be_bytes());
            assert_eq!(frames(&[&bytes]), Err(FramingLost::BadLength { tag: b'Q', length: word }));
        }
        assert_eq!(frames(&[b"S\0\0\x27\x11"]), Err(FramingLost::BadLength { tag: b'S', length: 10_001 }));
        assert_eq!(frames(&[b"\0"]), Err(FramingLost::UnknownType(0)));
        assert_eq!(frames(&[b"z"]), Err(FramingLost::UnknownType(b'z')));
    }
}
