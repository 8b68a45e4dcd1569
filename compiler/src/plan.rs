//! What a statement asks for, ready to be carried out.
//!
//! `compile` makes a [`Compiled`] of a statement, a catalog snapshot and a [`Context`]; the session carries it out with the
//! engine. A plan holds no name that must still be looked up and no clause that must still be understood. It is
//! compiled once for all values of its parameters: [`Plan::bind_parameters`] puts them in at execution.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ast;
use crate::catalog::{Change, Definition, SequenceState, SequenceValues};
use crate::error::{Error, SqlState};
use crate::lir;
use crate::mir::{self, CollectionId};
use crate::repr::datetime::TimeZone;
use crate::repr::text::{DateStyle, IntervalStyle, TextSettings};
use crate::repr::{ColumnType, Row, Type};
use crate::scalar::{Mfp, ScalarExpr, SortKey};

mod effects;

pub use effects::{Effects, SequenceCall};

/// The session parameter that bounds recursions.
const RECURSION_LIMIT: &str = "recursion_limit";

/// What the meaning of a statement depends on besides its text and the catalog.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub search_path: Vec<String>,
    pub settings: TextSettings,
    /// Every session parameter by its lower-case name, for `current_setting`.
    pub parameters: BTreeMap<String, String>,
    pub user: String,
    pub database: String,
    /// The transaction's time, in microseconds since 2000-01-01 00:00 UTC: what `now()` is. None where there is no transaction.
    pub now: Option<i64>,
    /// The latest logical time that reads may use, in microseconds since the Unix epoch: what `tw_now()` is. None where there is none.
    pub logical_now: Option<u64>,
    /// The session's number: what `pg_backend_pid()` is.
    pub process: i32,
    /// What random numbers are drawn from: another for each statement.
    pub seed: u64,
    /// What sequences hold, and what the session was given of them. None where there is no session.
    pub sequences: Option<Arc<dyn SequenceValues>>,
    /// The types that the client declared for `$1`, `$2`, …; the others are inferred.
    pub parameter_types: Vec<Option<Type>>,
}

impl Context {
    /// What the text of a definition was written under.
    pub fn stored(definition: &Definition) -> Result<Context, Error> {
        let parameters = [
            ("timezone", &definition.time_zone),
            ("datestyle", &definition.date_style),
            ("intervalstyle", &definition.interval_style),
        ];
        let mut parameters: BTreeMap<String, String> =
            parameters.map(|(name, value)| (name.to_owned(), value.clone())).into();
        parameters.insert(RECURSION_LIMIT.to_owned(), definition.recursion_limit.to_string());
        Ok(Context { settings: definition_settings(definition)?, parameters, ..Context::default() })
    }

    /// After how many rounds a recursion whose rows still change is an error.
    pub fn recursion_limit(&self) -> u64 {
        let set = self.parameters.get(RECURSION_LIMIT).and_then(|limit| limit.parse().ok());
        set.filter(|limit| *limit > 0).unwrap_or(mir::ROUNDS_DEFAULT)
    }
}

fn definition_settings(definition: &Definition) -> Result<TextSettings, Error> {
    let Definition { time_zone, date_style, interval_style, .. } = definition;
    let unknown = |what: &str, value: &str| {
        let message = format!("the {what} \"{value}\" of a stored query is not known");
        Error::new(SqlState::DATA_CORRUPTED, message)
    };
    Ok(TextSettings {
        timezone: TimeZone::setting(time_zone).ok_or_else(|| unknown("time zone", time_zone))?,
        date_style: DateStyle::default().set(date_style).map_err(|_| unknown("date style", date_style))?,
        interval_style: IntervalStyle::named(interval_style)
            .ok_or_else(|| unknown("interval style", interval_style))?,
        ..TextSettings::default()
    })
}

/// A plan and what is known of it.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub plan: Plan,
    /// The types of `$1`, `$2`, …
    pub parameters: Vec<Type>,
    pub notices: Vec<Notice>,
    /// Every item that a name resolved to.
    pub depends_on: BTreeSet<CollectionId>,
    /// A value of the context is part of the plan (`now()`, `current_user`): it must be compiled again for another transaction.
    pub uses_context: bool,
    /// The snapshot it was compiled against.
    pub catalog_version: u64,
}

/// A NOTICE, or a WARNING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub warning: bool,
    pub code: SqlState,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Said the first time in a session, and not again.
    pub once: bool,
}

impl Notice {
    pub fn new(code: SqlState, message: impl Into<String>) -> Notice {
        Notice { warning: false, code, message: message.into(), detail: None, hint: None, once: false }
    }

    pub fn once(mut self) -> Notice {
        self.once = true;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Notice {
        self.hint = Some(hint.into());
        self
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Notice {
        self.detail = Some(detail.into());
        self
    }
}

/// A name and a type: a column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    pub name: String,
    pub typ: Type,
}

#[derive(Clone, Debug)]
pub enum Plan {
    Query(Query),
    Subscribe(Subscribe),
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    Truncate {
        tables: Vec<CollectionId>,
        /// RESTART IDENTITY: the sequences that go with the tables, as they are to be.
        sequences: Vec<(CollectionId, SequenceState)>,
    },
    CopyFrom(CopyFrom),
    CopyTo(CopyTo),
    /// All DDL.
    Change(CatalogChange),
    /// One column, `QUERY PLAN`, one row a line.
    Explain {
        lines: Vec<String>,
    },
    /// The value of a parameter, or of all.
    Show {
        parameter: Option<String>,
    },
    Set {
        local: bool,
        parameter: String,
        value: ast::SetValue,
    },
    SetTransaction {
        session: bool,
        modes: ast::TransactionModes,
    },
    /// None: all.
    Reset {
        parameter: Option<String>,
    },
    Begin(ast::TransactionModes),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint {
        name: String,
    },
    Release {
        savepoint: String,
    },
    RollbackTo {
        savepoint: String,
    },
    /// The session compiles the statement under these hints when it is first executed or described.
    Prepare {
        name: String,
        types: Vec<Option<Type>>,
        statement: Box<ast::Statement>,
    },
    /// The arguments become the prepared statement's parameters by `compile_arguments`, which knows their types.
    Execute {
        name: String,
        args: Vec<ast::Expr>,
    },
    Deallocate {
        name: Option<String>,
    },
    Declare(Declare),
    Fetch(ast::Fetch),
    Close {
        name: Option<String>,
    },
    Discard(ast::Discard),
    Effect(EffectCall),
    /// Nothing is left to do but to send the tag: `CREATE … IF NOT EXISTS` of what exists.
    Nothing {
        tag: &'static str,
    },
}

/// SELECT, VALUES, TABLE, WITH.
#[derive(Clone, Debug)]
pub struct Query {
    pub columns: Vec<OutputColumn>,
    /// Where the rows come from. Their columns are those that [`Finishing`] reads.
    pub source: Source,
    pub finishing: Finishing,
    /// What is done for each finished row. None: the rows are as they are.
    pub effects: Option<Box<Effects>>,
    /// Every item that a name resolved to.
    pub depends_on: BTreeSet<CollectionId>,
}

/// What is done to the rows after they are read: sort, skip, cut, project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finishing {
    /// Over the source's columns. Empty: any order.
    pub order: Vec<SortKey>,
    /// Of literals and parameters; int8; NULL means no limit.
    pub limit: Option<ScalarExpr>,
    /// As `limit`; NULL means 0.
    pub offset: Option<ScalarExpr>,
    /// The source's columns that are sent, in this order.
    pub project: Vec<usize>,
}

#[derive(Clone, Debug)]
pub enum Source {
    /// Rows that are known without reading anything, and that nothing makes many. Parameters may stand in `rel`, which reads no
    /// collection: it is interpreted.
    Constant { rel: mir::Rel },
    /// Read from one published arrangement on the session's own thread.
    FastPath(FastPath),
    /// A transient dataflow whose body is a stream.
    Dataflow(lir::Dataflow),
    /// Only builtin relations: interpreted on the session's thread over what they hold.
    Interpret { rel: mir::Rel, contents: mir::Contents },
}

/// A read of one published arrangement.
#[derive(Clone, Debug)]
pub struct FastPath {
    /// The relation whose rows these are: a table, a materialized view.
    pub relation: CollectionId,
    /// The item whose dataflow publishes the arrangement: the relation itself, or an index of it.
    pub arrangement: CollectionId,
    pub identity: lir::Identity,
    pub layout: lir::Layout,
    pub access: Access,
    /// Where the query wants its first rows by the arrangement's order: no more records are read than they are of.
    pub sorted: Option<Sorted>,
    /// Over the arrangement's record; yields the source's columns.
    pub mfp: Mfp,
}

/// An order that an arrangement's records have, as far as a query asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sorted {
    /// By so many leading columns of the key.
    pub columns: usize,
    /// From the last record to the first.
    pub backwards: bool,
    /// Among records that are equal in these columns the query wants an order of its own.
    pub ties: bool,
}

/// Which records of an arrangement are read.
#[derive(Clone, Debug)]
pub enum Access {
    Scan,
    /// Those with one of these whole keys; each expression is of literals and parameters and has its key column's type. A key
    /// with a NULL finds nothing.
    Lookup(Vec<Vec<ScalarExpr>>),
    /// Those whose key begins with `prefix` and whose next key column lies between the bounds (`true`: inclusive).
    Range {
        prefix: Vec<ScalarExpr>,
        lower: Option<(ScalarExpr, bool)>,
        upper: Option<(ScalarExpr, bool)>,
    },
}

#[derive(Clone, Debug)]
pub struct Subscribe {
    /// As the shape has them.
    pub columns: Vec<OutputColumn>,
    pub shape: Shape,
    /// Its body is a stream of the relation's rows.
    pub dataflow: lir::Dataflow,
    pub snapshot: bool,
    pub progress: bool,
    /// Microseconds since the Unix epoch; int8, of literals and parameters.
    pub as_of: Option<ScalarExpr>,
    pub up_to: Option<ScalarExpr>,
    pub depends_on: BTreeSet<CollectionId>,
    /// The columns that it names, each by its relation and its place there.
    pub reads: BTreeSet<(CollectionId, usize)>,
    /// It ends after so many rows. Of literals and parameters; int8; NULL means no limit.
    pub limit: Option<ScalarExpr>,
}

/// A relation as one row for each key: what has become of the key's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The columns beside the key come twice: as they were and as they are.
    pub debezium: bool,
    /// Columns of the relation.
    pub key: Vec<usize>,
    pub others: Vec<usize>,
    /// No two rows can have the same key. Otherwise keys are watched, and which is violated is told.
    pub unique: bool,
}

/// What an update looks like as a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// SUBSCRIBE: `tw_timestamp`, (`tw_progressed`,) `tw_diff`, then the relation's columns. The rows of one timestamp are in this order of
    /// their columns; without one, what goes stands before what comes.
    Updates { order: Vec<SortKey> },
    /// ENVELOPE: `tw_timestamp`, (`tw_progressed`,) `tw_state`, the key, then the columns beside it; a row for each key and timestamp.
    Envelope(Envelope),
    /// EMIT CHANGES over what only grows: the relation's columns, once for each copy of a row.
    Rows,
    /// EMIT CHANGES: the relation's columns, then `tw_diff`.
    Changes,
}

#[derive(Clone, Debug)]
pub struct Insert {
    pub table: CollectionId,
    /// The table's rows: all its columns in order, defaults filled in, each of its column's type. What is NULL in a column that is
    /// not nullable is refused by whoever carries it out (23502).
    pub source: Query,
    pub on_conflict: Option<OnConflict>,
    /// Over the stored row.
    pub returning: Option<Returning>,
}

#[derive(Clone, Debug)]
pub struct OnConflict {
    /// The columns of the key it is about; None: any key.
    pub key: Option<Vec<usize>>,
    pub action: ConflictAction,
}

#[derive(Clone, Debug)]
pub enum ConflictAction {
    Nothing,
    /// Expressions over the existing row followed by the excluded one.
    Update {
        /// The whole row that takes the existing one's place.
        row: Vec<ScalarExpr>,
        /// Where it is not true, the existing row stays and is not returned.
        filter: Option<ScalarExpr>,
    },
}

#[derive(Clone, Debug)]
pub struct Update {
    pub table: CollectionId,
    /// A row for each that is to be changed: the old row, the new row, then what `returning` reads besides. A row that several
    /// others matched (FROM) comes several times: the first wins, as in PostgreSQL.
    pub selection: Query,
    /// Over the selection's row.
    pub returning: Option<Returning>,
}

#[derive(Clone, Debug)]
pub struct Delete {
    pub table: CollectionId,
    /// The old row, then what `returning` reads besides. A row that several others matched (USING) comes several times.
    pub selection: Query,
    /// Over the selection's row.
    pub returning: Option<Returning>,
}

#[derive(Clone, Debug)]
pub struct Returning {
    pub columns: Vec<OutputColumn>,
    pub exprs: Vec<ScalarExpr>,
}

#[derive(Clone, Debug)]
pub struct CopyFrom {
    pub table: CollectionId,
    /// The table's columns in the order in which a line gives them. By FORMAT json, the names that an object may have.
    pub columns: Vec<usize>,
    /// For every column of the table, its default (a NULL literal where none is declared, or where `fill` gives it).
    pub defaults: Vec<ScalarExpr>,
    pub fill: Option<Box<CopyFill>>,
    pub format: CopyFormat,
}

/// Defaults that are given by sequences.
#[derive(Clone, Debug)]
pub struct CopyFill {
    /// The table's columns that have such a default.
    pub columns: Vec<usize>,
    /// The table's row, over what was read of it and, for each of `columns`, whether the line says nothing of it.
    pub effects: Effects,
}

#[derive(Clone, Debug)]
pub struct CopyTo {
    pub source: CopySource,
    pub format: CopyFormat,
}

#[derive(Clone, Debug)]
pub enum CopySource {
    Query(Query),
    Subscribe(Subscribe),
    /// INSERT, UPDATE or DELETE with RETURNING.
    Statement(Box<Plan>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    Text(TextFormat),
    Csv(CsvFormat),
    /// One object a line.
    Json,
    Binary,
}

/// Whether the first line names the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    #[default]
    None,
    Names,
    /// It must name those that are copied into, in their order.
    Match,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFormat {
    pub delimiter: u8,
    pub null: String,
    pub header: Header,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFormat {
    pub delimiter: u8,
    pub null: String,
    pub header: Header,
    pub quote: u8,
    pub escape: u8,
    /// Numbers of copied columns, here and below.
    pub force_quote: Vec<usize>,
    pub force_null: Vec<usize>,
    pub force_not_null: Vec<usize>,
}

#[derive(Clone, Debug)]
pub struct CatalogChange {
    pub tag: &'static str,
    pub changes: Vec<Change>,
    /// `CREATE TABLE … AS`: the rows that the table begins with, in the same transaction.
    pub fill: Option<Box<Insert>>,
    /// Tables that nobody may write to until the change is made.
    pub locks: BTreeSet<CollectionId>,
    pub checks: Vec<Check>,
    /// What sequences are to count from.
    pub sequences: Vec<(CollectionId, SequenceState)>,
}

/// A query that must give no row before a change is made.
#[derive(Clone, Debug)]
pub struct Check {
    pub query: Query,
    pub violated: Error,
}

#[derive(Clone, Debug)]
pub struct Declare {
    pub name: String,
    pub binary: bool,
    pub hold: bool,
    /// SCROLL, NO SCROLL, or neither.
    pub scroll: Option<bool>,
    pub body: Cursor,
}

#[derive(Clone, Debug)]
pub enum Cursor {
    Query(Query),
    Subscribe(Subscribe),
}

/// A function that is called for what it does to the session. A NULL argument makes it do nothing and give NULL.
#[derive(Clone, Debug)]
pub struct EffectCall {
    pub effect: Effect,
    pub args: Vec<ScalarExpr>,
    pub column: OutputColumn,
}

/// What is done. Locks are advisory: keys that mean what their users agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Of one bigint or two integers. `transaction`: until the transaction ends, else until the session gives it back.
    Lock {
        wait: bool,
        shared: bool,
        transaction: bool,
    },
    Unlock {
        shared: bool,
    },
    UnlockAll,
    /// So many seconds.
    Sleep,
    /// A parameter, its value, whether for the transaction only.
    SetConfig,
    /// Of a session by its process number.
    CancelBackend,
    TerminateBackend,
}

impl Plan {
    /// The columns of the rows that it returns, if it returns rows. SHOW's and FETCH's depend on the session.
    pub fn columns(&self) -> Option<Vec<OutputColumn>> {
        match self {
            Plan::Query(query) => Some(query.columns.clone()),
            Plan::Subscribe(subscribe) => Some(subscribe.columns.clone()),
            Plan::Insert(Insert { returning, .. })
            | Plan::Update(Update { returning, .. })
            | Plan::Delete(Delete { returning, .. }) => returning.as_ref().map(|r| r.columns.clone()),
            Plan::Effect(call) => Some(vec![call.column.clone()]),
            Plan::Explain { .. } => Some(vec![OutputColumn { name: "QUERY PLAN".into(), typ: Type::Text }]),
            _ => None,
        }
    }

    /// The plan with `values`, one datum per parameter, in the parameters' places.
    pub fn bind_parameters(&self, values: &Row, types: &[Type]) -> Plan {
        let literals = literals(values, types);
        let mut plan = self.clone();
        plan.for_each_scalar_mut(&mut |expr| expr.substitute_parameters(&literals));
        plan
    }

    /// Every scalar expression in which a parameter can stand.
    fn for_each_scalar_mut(&mut self, f: &mut impl FnMut(&mut ScalarExpr)) {
        match self {
            Plan::Query(query) => query.for_each_scalar_mut(f),
            Plan::Subscribe(subscribe) => subscribe.for_each_scalar_mut(f),
            Plan::Insert(insert) => insert.for_each_scalar_mut(f),
            Plan::Update(Update { selection, returning, .. })
            | Plan::Delete(Delete { selection, returning, .. }) => {
                selection.for_each_scalar_mut(f);
                returning.iter_mut().for_each(|r| r.exprs.iter_mut().for_each(&mut *f));
            }
            Plan::CopyFrom(copy) => copy.defaults.iter_mut().for_each(f),
            Plan::Effect(call) => call.args.iter_mut().for_each(f),
            Plan::CopyTo(CopyTo { source: CopySource::Query(query), .. }) => query.for_each_scalar_mut(f),
            Plan::CopyTo(CopyTo { source: CopySource::Subscribe(subscribe), .. }) => {
                subscribe.for_each_scalar_mut(f)
            }
            Plan::CopyTo(CopyTo { source: CopySource::Statement(plan), .. }) => plan.for_each_scalar_mut(f),
            Plan::Change(change) => change.fill.iter_mut().for_each(|fill| fill.for_each_scalar_mut(f)),
            Plan::Declare(Declare { body: Cursor::Query(query), .. }) => query.for_each_scalar_mut(f),
            Plan::Declare(Declare { body: Cursor::Subscribe(subscribe), .. }) => {
                subscribe.for_each_scalar_mut(f)
            }
            _ => {}
        }
    }
}

fn literals(values: &Row, types: &[Type]) -> Vec<ScalarExpr> {
    let datums = values.unpack();
    assert_eq!(datums.len(), types.len(), "invariant: the session binds a value to each parameter");
    datums.into_iter().zip(types).map(|(datum, typ)| ScalarExpr::literal(datum, typ.clone())).collect()
}

impl Query {
    pub fn for_each_scalar_mut(&mut self, f: &mut impl FnMut(&mut ScalarExpr)) {
        self.source.for_each_scalar_mut(f);
        self.finishing.limit.iter_mut().for_each(&mut *f);
        self.finishing.offset.iter_mut().for_each(&mut *f);
        self.effects.iter_mut().for_each(|effects| effects.for_each_scalar_mut(f));
    }

    /// As [`Plan::bind_parameters`].
    pub fn bind_parameters(&self, values: &Row, types: &[Type]) -> Query {
        let literals = literals(values, types);
        let mut query = self.clone();
        query.for_each_scalar_mut(&mut |expr| expr.substitute_parameters(&literals));
        query
    }
}

impl Source {
    fn for_each_scalar_mut(&mut self, f: &mut impl FnMut(&mut ScalarExpr)) {
        match self {
            Source::Constant { rel } | Source::Interpret { rel, .. } => each_scalar_of(rel, f),
            Source::Dataflow(dataflow) => dataflow.for_each_scalar_mut(f),
            Source::FastPath(path) => {
                path.mfp.maps.iter_mut().chain(&mut path.mfp.predicates).for_each(&mut *f);
                match &mut path.access {
                    Access::Scan => {}
                    Access::Lookup(keys) => keys.iter_mut().flatten().for_each(f),
                    Access::Range { prefix, lower, upper } => {
                        prefix.iter_mut().for_each(&mut *f);
                        lower.iter_mut().chain(upper).for_each(|(bound, _)| f(bound));
                    }
                }
            }
        }
    }
}

fn each_scalar_of(rel: &mut mir::Rel, f: &mut impl FnMut(&mut ScalarExpr)) {
    mir::deep(|| {
        rel.for_each_scalar_mut(&mut *f);
        rel.for_each_child_mut(|child| each_scalar_of(child, f));
    });
}

/// The columns that SUBSCRIBE puts before a relation's: when, whether it is progress, and what.
pub fn subscribed_columns(progress: bool, what: &str, typ: Type) -> Vec<(String, Type)> {
    let progressed = progress.then(|| ("tw_progressed".to_owned(), Type::Bool));
    let first = std::iter::once(("tw_timestamp".to_owned(), Type::Int8)).chain(progressed);
    first.chain([(what.to_owned(), typ)]).collect()
}

impl Shape {
    /// Whether a query asked for it.
    pub fn is_query(&self) -> bool {
        matches!(self, Shape::Rows | Shape::Changes)
    }
}

impl Subscribe {
    fn for_each_scalar_mut(&mut self, f: &mut impl FnMut(&mut ScalarExpr)) {
        self.dataflow.for_each_scalar_mut(f);
        self.as_of.iter_mut().chain(&mut self.up_to).chain(&mut self.limit).for_each(f);
    }
}

impl Insert {
    fn for_each_scalar_mut(&mut self, f: &mut impl FnMut(&mut ScalarExpr)) {
        self.source.for_each_scalar_mut(f);
        if let Some(OnConflict { action: ConflictAction::Update { row, filter }, .. }) = &mut self.on_conflict
        {
            row.iter_mut().chain(filter).for_each(&mut *f);
        }
        self.returning.iter_mut().for_each(|r| r.exprs.iter_mut().for_each(&mut *f));
    }
}

/// The types of a relation's rows, as [`Query::columns`] has them, each able to be NULL.
pub fn column_types(columns: &[OutputColumn]) -> Vec<ColumnType> {
    columns.iter().map(|column| ColumnType::new(column.typ.clone(), true)).collect()
}
