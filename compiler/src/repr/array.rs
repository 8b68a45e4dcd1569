//! Arrays: packed elements in row-major order, then their shape.
//!
//! ```text
//! element ... element 00  dimensions  lengths, if there are several dimensions  lower bounds
//! ```
//! PostgreSQL compares the elements, then their number (the end tag), then the shape, which is part of equality.

use bumpalo::Bump;

use super::Datum;
use super::row::{self, Datums, encode_int, masked_len as datum_len, nested_len, read_int, tag};

/// PostgreSQL's MAXDIM.
pub const MAX_DIMENSIONS: usize = 6;

/// A borrowed array: its encoding after the tag. Two words, so that a datum is three; where the elements end is found
/// by walking them.
#[derive(Clone, Copy)]
pub struct Array<'a>(&'a [u8]);

/// One dimension: its length and the subscript of its first element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dimension {
    pub length: u32,
    pub lower: i32,
}

impl<'a> Array<'a> {
    /// An array over its encoding after the tag.
    pub(super) fn new(bytes: &'a [u8]) -> Array<'a> {
        Array(bytes)
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The packed elements, row-major, and the shape.
    fn split(self) -> (&'a [u8], &'a [u8]) {
        let end = nested_len(self.0, 0, 0).expect("invariant: a packed array is whole");
        (&self.0[..end - 1], &self.0[end..])
    }

    /// The packed elements, row-major.
    pub fn element_bytes(self) -> &'a [u8] {
        self.split().0
    }

    pub fn elements(self) -> Datums<'a> {
        Datums::new(self.element_bytes())
    }

    /// The number of elements, over all dimensions.
    pub fn len(self) -> usize {
        row::arity(self.element_bytes())
    }

    pub fn is_empty(self) -> bool {
        self.0[0] == tag::END
    }

    pub fn dimension_count(self) -> usize {
        self.split().1[0] as usize
    }

    pub fn dimensions(self) -> Vec<Dimension> {
        let (elements, shape) = self.split();
        read_shape(elements, shape).expect("invariant: a packed array has a whole shape")
    }

    pub(super) fn validate(self, depth: usize) -> Option<()> {
        let (elements, shape) = self.split();
        let count = row::validate_at(elements, depth)?;
        let dimensions = read_shape(elements, shape)?;
        let product = dimensions.iter().try_fold(1u64, |all, d| all.checked_mul(d.length as u64))?;
        let expected = if dimensions.is_empty() { 0 } else { product };
        (expected == count as u64 && dimensions.len() <= MAX_DIMENSIONS).then_some(())
    }

    /// The element at PostgreSQL subscripts, one per dimension; nothing when out of bounds.
    pub fn get(self, subscripts: &[i64]) -> Option<Datum<'a>> {
        let dimensions = self.dimensions();
        if dimensions.len() != subscripts.len() || dimensions.is_empty() {
            return None;
        }
        let mut at = 0;
        for (dimension, &subscript) in dimensions.iter().zip(subscripts) {
            let offset = subscript.checked_sub(dimension.lower as i64)?;
            if offset < 0 || offset >= dimension.length as i64 {
                return None;
            }
            at = at * dimension.length as usize + offset as usize;
        }
        let mut elements = self.elements();
        for _ in 0..at {
            elements.skip_one()?;
        }
        elements.next()
    }

    /// Builds an array of any shape in the arena. The product of the dimensions' lengths must be the number of elements.
    pub fn pack_in<'d>(
        elements: impl IntoIterator<Item = Datum<'d>>,
        dimensions: &[Dimension],
        arena: &'a Bump,
    ) -> Array<'a> {
        let mut bytes = Vec::new();
        for element in elements {
            row::encode(element, &mut bytes);
        }
        Array::from_packed(bytes, dimensions, arena)
    }

    /// Builds a one-dimensional array with lower bound 1 in the arena; no elements make the empty array.
    pub fn pack_flat_in<'d>(elements: impl IntoIterator<Item = Datum<'d>>, arena: &'a Bump) -> Array<'a> {
        Array::pack_from_in(1, elements, arena)
    }

    /// As [`Array::pack_flat_in`], with lower bound 0: an `int2vector` or `oidvector`.
    pub fn pack_vector_in<'d>(elements: impl IntoIterator<Item = Datum<'d>>, arena: &'a Bump) -> Array<'a> {
        Array::pack_from_in(0, elements, arena)
    }

    fn pack_from_in<'d>(
        lower: i32,
        elements: impl IntoIterator<Item = Datum<'d>>,
        arena: &'a Bump,
    ) -> Array<'a> {
        let mut bytes = Vec::new();
        let mut length = 0;
        for element in elements {
            row::encode(element, &mut bytes);
            length += 1;
        }
        let dimensions = [Dimension { length, lower }];
        Array::from_packed(bytes, &dimensions[..(length > 0) as usize], arena)
    }

    /// Ends packed elements with the shape of the array.
    fn from_packed(mut bytes: Vec<u8>, dimensions: &[Dimension], arena: &'a Bump) -> Array<'a> {
        bytes.push(tag::END);
        encode_shape(dimensions, &mut bytes);
        Array(arena.alloc_slice_copy(&bytes))
    }
}

impl std::fmt::Debug for Array<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.elements()).finish()
    }
}

fn read_shape(elements: &[u8], shape: &[u8]) -> Option<Vec<Dimension>> {
    let (&count, mut rest) = shape.split_first()?;
    let mut dimensions = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let length = if count == 1 { row::arity(elements) as i64 } else { take_int(&mut rest)? };
        dimensions.push(Dimension { length: u32::try_from(length).ok()?, lower: 0 });
    }
    for dimension in &mut dimensions {
        dimension.lower = i32::try_from(take_int(&mut rest)?).ok()?;
    }
    rest.is_empty().then_some(dimensions)
}

fn encode_shape(dimensions: &[Dimension], out: &mut Vec<u8>) {
    out.push(dimensions.len() as u8);
    if dimensions.len() > 1 {
        dimensions.iter().for_each(|dimension| encode_int(dimension.length as i64, out));
    }
    dimensions.iter().for_each(|dimension| encode_int(dimension.lower as i64, out));
}

fn take_int(rest: &mut &[u8]) -> Option<i64> {
    let (value, after) = read_int(rest)?;
    *rest = after;
    Some(value)
}

/// The length of an array's encoding after its tag.
pub(super) fn masked_len(body: &[u8], mask: u8, depth: usize) -> Option<usize> {
    let mut at = nested_len(body, mask, depth)?;
    let count = (body.get(at)? ^ mask) as usize;
    at += 1;
    for _ in 0..if count > 1 { 2 * count } else { count } {
        at += datum_len(body.get(at..)?, mask, depth)?;
    }
    Some(at)
}
