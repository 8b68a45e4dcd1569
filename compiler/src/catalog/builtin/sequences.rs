//! Sequences: by what they count, what they have counted to, and the relation that each is.

use super::{Session, Sheet, oid};
use crate::catalog::{Catalog, Item, Kind, Sequence, SequenceState};
use crate::repr::Datum;

/// By what each sequence counts.
pub fn sequences(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    let columns =
        ["seqrelid", "seqtypid", "seqstart", "seqincrement", "seqmax", "seqmin", "seqcache", "seqcycle"];
    sheet.fill(columns, |sheet| {
        for (item, sequence) in all(catalog) {
            sheet.row([
                oid(item.id.0),
                Datum::Int(sequence.typ.oid().into()),
                Datum::Int(sequence.start),
                Datum::Int(sequence.increment),
                Datum::Int(sequence.max),
                Datum::Int(sequence.min),
                Datum::Int(sequence.cache),
                Datum::Bool(sequence.cycle),
            ]);
        }
    });
}

/// What each sequence has counted to.
pub fn states(catalog: &Catalog, session: &Session<'_>, sheet: &mut Sheet<'_>) {
    sheet.fill(["seqrelid", "last_value", "is_called"], |sheet| {
        for (item, sequence) in all(catalog) {
            let (state, _) = state(item, sequence, session);
            sheet.row([oid(item.id.0), Datum::Int(state.last), Datum::Bool(state.called)]);
        }
    });
}

/// The columns that sequences go with. A sequence is in the schema of its column's relation.
pub fn owned(catalog: &Catalog, sheet: &mut Sheet<'_>) {
    sheet.fill(["relid", "nspname", "relname", "attname", "seqname"], |sheet| {
        for (item, sequence) in all(catalog) {
            let Some((owner, relation)) = sequence.owner.and_then(|o| Some((o, catalog.item(o.relation)?)))
            else {
                continue;
            };
            sheet.row([
                oid(relation.id.0),
                Datum::Text(&relation.schema),
                Datum::Text(&relation.name),
                Datum::Text(&relation.columns()[owner.column].name),
                Datum::Text(&item.name),
            ]);
        }
    });
}

/// A sequence as a relation of one row.
pub fn relation(item: &Item, sequence: &Sequence, session: &Session<'_>, sheet: &mut Sheet<'_>) {
    let (state, left) = state(item, sequence, session);
    sheet.fill(["last_value", "log_cnt", "is_called"], |sheet| {
        sheet.row([Datum::Int(state.last), Datum::Int(left), Datum::Bool(state.called)]);
    });
}

fn all(catalog: &Catalog) -> impl Iterator<Item = (&Item, &Sequence)> {
    catalog.items().filter_map(|item| match &item.kind {
        Kind::Sequence(sequence) => Some((&**item, sequence)),
        _ => None,
    })
}

fn state(item: &Item, sequence: &Sequence, session: &Session<'_>) -> (SequenceState, i64) {
    let known = session.sequences.and_then(|values| values.state(item.id));
    known.unwrap_or((sequence.initial(), 0))
}
