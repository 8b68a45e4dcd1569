//! Building jsonb values from parts, in an arena.

use bumpalo::Bump;

use super::{Json, compare_keys};
use crate::repr::numeric::{Numeric, encoding};
use crate::repr::row::{encode_int, encode_text_body, tag};

impl<'a> Json<'a> {
    pub const NULL: Json<'static> = Json(&[tag::JSON_NULL]);
    pub const TRUE: Json<'static> = Json(&[tag::JSON_TRUE]);
    pub const FALSE: Json<'static> = Json(&[tag::JSON_FALSE]);

    pub fn bool(value: bool) -> Json<'static> {
        if value { Json::TRUE } else { Json::FALSE }
    }

    pub fn string(value: &str, arena: &'a Bump) -> Json<'a> {
        let mut out = vec![tag::JSON_STRING];
        encode_text_body(value, &mut out);
        Json(arena.alloc_slice_copy(&out))
    }

    /// A number; what is not finite becomes a string, as in PostgreSQL, because JSON has no such numbers.
    pub fn number(value: Numeric<'_>, arena: &'a Bump) -> Json<'a> {
        if !value.is_finite() {
            return Json::string(&value.to_string(), arena);
        }
        let mut out = Vec::new();
        encoding::encode(value, encoding::JSON, &mut out);
        Json(arena.alloc_slice_copy(&out))
    }

    pub fn array<'e>(elements: impl IntoIterator<Item = Json<'e>>, arena: &'a Bump) -> Json<'a> {
        let mut body = Vec::new();
        let mut count = 0;
        for element in elements {
            element.encode_nested(&mut body);
            count += 1;
        }
        Json::container(tag::JSON_ARRAY, count, &body, arena)
    }

    /// An object; of equal keys the last wins.
    pub fn object<'e>(pairs: impl IntoIterator<Item = (&'e str, Json<'e>)>, arena: &'a Bump) -> Json<'a> {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        sort_pairs(&mut pairs, |pair| pair.0);
        let mut body = Vec::new();
        for (key, value) in &pairs {
            encode_text_body(key, &mut body);
            value.encode_nested(&mut body);
        }
        Json::container(tag::JSON_OBJECT, pairs.len(), &body, arena)
    }

    fn container(tag: u8, count: usize, body: &[u8], arena: &'a Bump) -> Json<'a> {
        let mut out = vec![tag];
        encode_int(count as i64, &mut out);
        out.extend_from_slice(body);
        Json(arena.alloc_slice_copy(&out))
    }

    /// Appends the encoding as it is inside another value, where the empty array is an ordinary one.
    pub(super) fn encode_nested(self, out: &mut Vec<u8>) {
        if self.is_empty_array() {
            out.extend_from_slice(&[tag::JSON_ARRAY, tag::INT_ZERO]);
        } else {
            out.extend_from_slice(self.0);
        }
    }
}

/// Puts pairs in the stored order, keeping the last of those with one key.
pub(super) fn sort_pairs<T>(pairs: &mut Vec<T>, key: impl Fn(&T) -> &str) {
    pairs.reverse();
    pairs.sort_by(|a, b| compare_keys(key(a), key(b)));
    pairs.dedup_by(|later, kept| key(later) == key(kept));
}
