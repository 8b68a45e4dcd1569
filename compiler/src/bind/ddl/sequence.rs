//! Sequences: their options, and those that come with a column (serial, GENERATED … AS IDENTITY).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::key::free_name;
use crate::ast::{self, SequenceOption, SequenceOptionKind};
use crate::bind::Binder;
use crate::bind::bound::{Bound, Ddl, Step};
use crate::catalog::{self, Catalog, Column, Identity, Item, Kind, Owner, Sequence, SequenceState};
use crate::error::{Error, SqlState};
use crate::mir::CollectionId;
use crate::repr::Type;

/// Sequences that are created with a relation's columns, with the ids that they take.
pub(in crate::bind) struct OwnSequences {
    relation: CollectionId,
    schema: String,
    name: String,
    /// The next id that is free.
    pub next: u64,
    items: Vec<Item>,
}

impl OwnSequences {
    /// For a relation of this id and name; ids are taken from `next` on.
    pub fn new(relation: CollectionId, schema: &str, name: &str, next: u64) -> OwnSequences {
        OwnSequences { relation, schema: schema.to_owned(), name: name.to_owned(), next, items: Vec::new() }
    }

    /// The relation's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn add(
        &mut self,
        catalog: &Catalog,
        (at, column): (usize, &str),
        sequence: Sequence,
        name: Option<String>,
        identity: bool,
    ) -> CollectionId {
        let id = CollectionId(self.next);
        self.next += 1;
        let name = name.unwrap_or_else(|| {
            let taken: Vec<String> = self.items.iter().map(|item| item.name.clone()).collect();
            free_name(catalog, &self.schema, &self.name, [column], "seq", &taken)
        });
        let owner = Some(Owner { relation: self.relation, column: at, identity });
        self.items.push(Item {
            id,
            schema: self.schema.clone(),
            name,
            kind: Kind::Sequence(Sequence { owner, ..sequence }),
            depends_on: BTreeSet::new(),
            bound: Default::default(),
        });
        id
    }

    /// The steps that create them, and what they count from.
    pub fn into_steps(self) -> (Vec<Step>, Vec<(CollectionId, SequenceState)>) {
        let state = |item: &Item| match &item.kind {
            Kind::Sequence(sequence) => (item.id, sequence.initial()),
            _ => unreachable!("invariant: only sequences are added"),
        };
        let states = self.items.iter().map(state).collect();
        (self.items.into_iter().map(|item| Step::Create(Box::new(item))).collect(), states)
    }
}

impl Binder<'_> {
    pub(in crate::bind) fn bind_create_sequence(
        &mut self,
        create: &mut ast::CreateSequence,
    ) -> Result<Bound, Error> {
        const TAG: &str = "CREATE SEQUENCE";
        if let Some(persistence) = &create.persistence {
            let message = format!("{} sequences are not supported", persistence.name.to_uppercase());
            return Err(Error::unsupported(message)
                .hint("A sequence is durable; DROP SEQUENCE ends it.")
                .at(persistence.position));
        }
        let (schema, name) = match self.new_name(&create.name)? {
            Ok(name) => name,
            Err(message) => {
                return self.exists(create.if_not_exists, SqlState::DUPLICATE_TABLE, message, TAG);
            }
        };
        let options = Options::of(self, &create.options)?;
        let mut sequence = options.applied(None)?;
        if let Some(owner) = options.owned_by {
            sequence.owner = self.bind_owner(owner, &schema)?;
        }
        let state = options.restarted(&sequence).unwrap_or(sequence.initial());
        check_state(&sequence, state)?;
        let mut item = self.new_item(schema, name, Kind::Sequence(sequence));
        item.depends_on = BTreeSet::new();
        let sequences = vec![(item.id, state)];
        Ok(Bound::Change(Ddl { sequences, ..Ddl::new(TAG, vec![Step::Create(Box::new(item))]) }))
    }

    /// ALTER SEQUENCE's options, and those that ALTER COLUMN passes on to an identity's sequence.
    pub(in crate::bind) fn alter_sequence(
        &mut self,
        item: &Item,
        options: &[SequenceOption],
    ) -> Result<(Step, Option<(CollectionId, SequenceState)>), Error> {
        let Kind::Sequence(before) = &item.kind else {
            return Err(crate::bind::sequence::not_a_sequence(&item.name));
        };
        let options = Options::of(self, options)?;
        let mut sequence = options.applied(Some(before))?;
        if let Some(owner) = options.owned_by {
            if let Some(owner) = before.owner.filter(|owner| owner.identity) {
                let relation = self.catalog.item(owner.relation).map_or("", |relation| &relation.name);
                return Err(Error::unsupported("cannot change ownership of identity sequence")
                    .detail(format!("Sequence \"{}\" is linked to table \"{relation}\".", item.name)));
            }
            sequence.owner = self.bind_owner(owner, &item.schema)?;
        }
        let restarted = options.restarted(&sequence);
        self.facts.uses_context = true;
        let present = self.context.sequences.as_deref().and_then(|values| values.state(item.id));
        let present = present.map_or(sequence.initial(), |(state, _)| state);
        check_state(&sequence, restarted.unwrap_or(present))?;
        let altered = Item { kind: Kind::Sequence(sequence), ..item.clone() };
        Ok((Step::Alter(Box::new(altered)), restarted.map(|state| (item.id, state))))
    }

    fn bind_owner(&mut self, name: Option<&ast::Name>, schema: &str) -> Result<Option<Owner>, Error> {
        let Some(name) = name else { return Ok(None) };
        let [qualifier @ .., column] = &name.parts[..] else {
            unreachable!("invariant: a name has a part");
        };
        if qualifier.is_empty() {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "invalid OWNED BY option")
                .hint("Specify OWNED BY table.column or OWNED BY NONE."));
        }
        let relation = ast::Name { parts: qualifier.to_vec() };
        let item = self.resolve_item(&relation)?;
        if !matches!(item.kind, Kind::Table(_) | Kind::Stream(_)) {
            let message = format!("sequence cannot be owned by relation \"{}\"", item.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message));
        }
        if item.schema != schema {
            let message = "sequence must be in same schema as table it is linked to";
            return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        }
        let found = item.present_columns().find(|(_, known)| known.name == column.name);
        let Some((at, _)) = found else {
            let message = format!("column \"{}\" of relation \"{}\" does not exist", column.name, item.name);
            return Err(Error::new(SqlState::UNDEFINED_COLUMN, message));
        };
        Ok(Some(Owner { relation: item.id, column: at, identity: false }))
    }

    /// `id serial`: not NULL, and by default what its own sequence gives.
    pub(in crate::bind) fn make_serial(&mut self, column: &mut Column, at: usize, own: &mut OwnSequences) {
        let sequence = Sequence::ascending(column.typ.typ.clone());
        let id = own.add(self.catalog, (at, &column.name), sequence, None, false);
        let call = ast::Call {
            name: ast::Name { parts: vec![ast::Ident { name: "nextval".to_owned(), position: 0 }] },
            special: false,
            star: false,
            args: vec![ast::Arg { name: None, value: crate::bind::sequence::regclass(id, 0) }],
            variadic: false,
            distinct: false,
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        };
        let expr = ast::Expr::new(ast::ExprKind::Call(Box::new(call)), 0);
        column.typ.nullable = false;
        column.default = Some(catalog::Default {
            sql: ast::print::expr(&expr),
            expr: Some(Arc::new(expr)),
            sequences: BTreeSet::from([id]),
        });
    }

    /// `GENERATED … AS IDENTITY` of a column.
    pub(in crate::bind) fn make_identity(
        &mut self,
        column: &mut Column,
        at: usize,
        (always, options): (bool, &[SequenceOption]),
        own: &mut OwnSequences,
    ) -> Result<(), Error> {
        check_identity_type(column)?;
        let typ = column.typ.typ.clone();
        let options = Options { typ: Some(typ), ..Options::of(self, options)? };
        let sequence = options.applied(None)?;
        let name = options.name.map(|name| name.last().name.clone());
        if let Some(name) = &name
            && self.catalog.named(&own.schema, name).is_some()
        {
            let message = format!("relation \"{name}\" already exists");
            return Err(Error::new(SqlState::DUPLICATE_TABLE, message));
        }
        let sequence = own.add(self.catalog, (at, &column.name), sequence, name, true);
        column.identity = Some(Identity { always, sequence });
        Ok(())
    }
}

/// `22023` for an identity of a type that cannot be counted by.
pub(in crate::bind) fn check_identity_type(column: &Column) -> Result<(), Error> {
    match column.typ.typ {
        Type::Int2 | Type::Int4 | Type::Int8 => Ok(()),
        _ => Err(invalid("identity column type must be smallint, integer, or bigint".to_owned())),
    }
}

/// The integer type of a serial column.
pub(super) fn serial(typ: &ast::TypeName) -> Option<Type> {
    match typ.name.last().name.as_str() {
        "smallserial" | "serial2" => Some(Type::Int2),
        "serial" | "serial4" => Some(Type::Int4),
        "bigserial" | "serial8" => Some(Type::Int8),
        _ => None,
    }
}

/// Options as they are given, each once.
#[derive(Default)]
struct Options<'o> {
    typ: Option<Type>,
    increment: Option<i64>,
    min: Option<Option<i64>>,
    max: Option<Option<i64>>,
    start: Option<i64>,
    restart: Option<Option<i64>>,
    cache: Option<i64>,
    cycle: Option<bool>,
    owned_by: Option<Option<&'o ast::Name>>,
    name: Option<&'o ast::Name>,
}

impl<'o> Options<'o> {
    fn of(binder: &mut Binder<'_>, given: &'o [SequenceOption]) -> Result<Options<'o>, Error> {
        let mut options = Options::default();
        for SequenceOption { kind, position } in given {
            let again = match kind {
                SequenceOptionKind::As(name) => {
                    let typ = binder.bind_type(name)?;
                    if !matches!(typ, Type::Int2 | Type::Int4 | Type::Int8) {
                        let message = "sequence type must be smallint, integer, or bigint";
                        return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
                    }
                    options.typ.replace(typ).is_some()
                }
                SequenceOptionKind::Increment(by) => options.increment.replace(number(by)?).is_some(),
                SequenceOptionKind::MinValue(value) => options.min.replace(optional(value)?).is_some(),
                SequenceOptionKind::MaxValue(value) => options.max.replace(optional(value)?).is_some(),
                SequenceOptionKind::Start(with) => options.start.replace(number(with)?).is_some(),
                SequenceOptionKind::Restart(with) => options.restart.replace(optional(with)?).is_some(),
                SequenceOptionKind::Cache(values) => options.cache.replace(number(values)?).is_some(),
                SequenceOptionKind::Cycle(cycle) => options.cycle.replace(*cycle).is_some(),
                SequenceOptionKind::OwnedBy(owner) => options.owned_by.replace(owner.as_ref()).is_some(),
                SequenceOptionKind::Name(name) => options.name.replace(name).is_some(),
            };
            if again {
                let message = "conflicting or redundant options";
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(*position));
            }
        }
        Ok(options)
    }

    /// The sequence with these options, in PostgreSQL's order of checks; what is not said stays as it was, or is as usual.
    fn applied(&self, before: Option<&Sequence>) -> Result<Sequence, Error> {
        let mut sequence = before.cloned().unwrap_or_else(|| Sequence::ascending(Type::Int8));
        let typ = self.typ.clone().unwrap_or_else(|| sequence.typ.clone());
        // A limit that was the former type's becomes the present one's.
        let (former_least, former_greatest) = catalog::sequence_limits(&sequence.typ);
        let reset_max = typ != sequence.typ && sequence.max == former_greatest;
        let reset_min = typ != sequence.typ && sequence.min == former_least;
        let (least, greatest) = catalog::sequence_limits(&typ);
        sequence.typ = typ;
        sequence.increment = self.increment.unwrap_or(sequence.increment);
        if sequence.increment == 0 {
            return Err(invalid("INCREMENT must not be zero".to_owned()));
        }
        sequence.cycle = self.cycle.unwrap_or(sequence.cycle);
        let ascending = sequence.increment > 0;
        let fresh = before.is_none();
        sequence.max = match self.max {
            Some(Some(max)) => max,
            None if !fresh && !reset_max => sequence.max,
            _ if ascending => greatest,
            _ => -1,
        };
        sequence.min = match self.min {
            Some(Some(min)) => min,
            None if !fresh && !reset_min => sequence.min,
            _ if ascending => 1,
            _ => least,
        };
        let Sequence { min, max, .. } = sequence;
        for (word, value) in [("MAXVALUE", max), ("MINVALUE", min)] {
            if value < least || value > greatest {
                let typ = &sequence.typ;
                return Err(invalid(format!(
                    "{word} ({value}) is out of range for sequence data type {typ}"
                )));
            }
        }
        if min >= max {
            return Err(invalid(format!("MINVALUE ({min}) must be less than MAXVALUE ({max})")));
        }
        sequence.start = match self.start {
            Some(start) => start,
            None if !fresh => sequence.start,
            None if ascending => min,
            None => max,
        };
        check_bounds("START", sequence.start, &sequence)?;
        sequence.cache = self.cache.unwrap_or(sequence.cache);
        if sequence.cache <= 0 {
            return Err(invalid(format!("CACHE ({}) must be greater than zero", sequence.cache)));
        }
        Ok(sequence)
    }

    /// RESTART: what the sequence is to count from.
    fn restarted(&self, sequence: &Sequence) -> Option<SequenceState> {
        let state = |with: Option<i64>| SequenceState { last: with.unwrap_or(sequence.start), called: false };
        self.restart.map(state)
    }
}

fn check_state(sequence: &Sequence, state: SequenceState) -> Result<(), Error> {
    check_bounds("RESTART", state.last, sequence)
}

fn check_bounds(word: &str, value: i64, sequence: &Sequence) -> Result<(), Error> {
    let Sequence { min, max, .. } = sequence;
    match value {
        value if value < *min => {
            Err(invalid(format!("{word} value ({value}) cannot be less than MINVALUE ({min})")))
        }
        value if value > *max => {
            Err(invalid(format!("{word} value ({value}) cannot be greater than MAXVALUE ({max})")))
        }
        _ => Ok(()),
    }
}

fn invalid(message: String) -> Error {
    Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn optional(digits: &Option<String>) -> Result<Option<i64>, Error> {
    digits.as_deref().map(number).transpose()
}

fn number(digits: &str) -> Result<i64, Error> {
    digits.parse().map_err(|_| match digits.contains(['.', 'e', 'E']) {
        true => {
            let message = format!("invalid input syntax for type bigint: \"{digits}\"");
            Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
        }
        false => {
            let message = format!("value \"{digits}\" is out of range for type bigint");
            Error::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, message)
        }
    })
}
