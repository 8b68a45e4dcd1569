//! Statements: rows that are written, and what a session asks besides. Definitions have a file of their own.

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Truncate(Truncate),
    Copy(Box<Copy>),

    CreateSchema(CreateSchema),
    CreateTable(Box<CreateTable>),
    CreateStream(Box<CreateStream>),
    /// Plain and materialized.
    CreateView(Box<CreateView>),
    CreateIndex(Box<CreateIndex>),
    CreateSequence(Box<CreateSequence>),
    Drop(Drop),
    /// ALTER of a table, a view, a schema ..
    Alter(Box<Alter>),
    Comment(Comment),

    Subscribe(Box<Subscribe>),
    Explain(Box<Explain>),

    Show(Show),
    Set(Set),
    SetTransaction(SetTransaction),
    /// `RESET name`; `None` is `RESET ALL`.
    Reset(Option<Ident>),
    Begin(TransactionModes),
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(Ident),
    Release(Ident),
    RollbackTo(Ident),

    Prepare(Box<Prepare>),
    Execute(Execute),
    /// `None` is `DEALLOCATE ALL`.
    Deallocate(Option<Ident>),
    Declare(Box<Declare>),
    Fetch(Fetch),
    /// `None` is `CLOSE ALL`.
    Close(Option<Ident>),
    Discard(Discard),

    /// A statement that exists in PostgreSQL or in a later version, and is refused by name. Its text was checked no further.
    Unsupported {
        what: String,
        position: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    pub with: Option<With>,
    pub table: Name,
    pub alias: Option<Ident>,
    /// Empty: all columns in order.
    pub columns: Vec<Target>,
    pub overriding: Option<Overriding>,
    pub source: InsertSource,
    pub on_conflict: Option<OnConflict>,
    pub returning: Vec<SelectItem>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InsertSource {
    DefaultValues,
    /// Only here may a row of VALUES hold [`ExprKind::Default`].
    Query(Query),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overriding {
    System,
    User,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnConflict {
    pub target: Option<ConflictTarget>,
    pub action: ConflictAction,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConflictTarget {
    Keys { keys: Vec<IndexKey>, filter: Option<Expr> },
    Constraint(Ident),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConflictAction {
    Nothing,
    Update { assignments: Vec<Assignment>, filter: Option<Expr> },
}

/// What INSERT and UPDATE assign to: a column, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub column: Ident,
    pub path: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignment {
    Column {
        target: Target,
        value: Expr,
    },
    /// `(a, b) = (x, y)` or `(a, b) = (SELECT ..)`; the value is a row or a subquery.
    Columns {
        targets: Vec<Target>,
        value: Expr,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub with: Option<With>,
    pub table: Name,
    pub only: bool,
    pub alias: Option<Ident>,
    pub assignments: Vec<Assignment>,
    pub from: Vec<FromItem>,
    pub filter: Option<Condition>,
    pub returning: Vec<SelectItem>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    pub with: Option<With>,
    pub table: Name,
    pub only: bool,
    pub alias: Option<Ident>,
    pub using: Vec<FromItem>,
    pub filter: Option<Condition>,
    pub returning: Vec<SelectItem>,
    pub position: u32,
}

/// The WHERE of UPDATE and DELETE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Expr(Expr),
    CurrentOf(Ident),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncate {
    pub tables: Vec<Name>,
    pub restart_identity: bool,
    pub cascade: bool,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub source: CopySource,
    pub direction: CopyDirection,
    /// Both spellings, `WITH (FORMAT csv, HEADER)` and `CSV HEADER`, arrive as options.
    pub options: Vec<Opt>,
    pub filter: Option<Expr>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopySource {
    Relation {
        name: Name,
        columns: Vec<Ident>,
    },
    Query(Query),
    Subscribe(Subscribe),
    /// `COPY (INSERT .. RETURNING ..)`.
    Statement(Statement),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyDirection {
    FromStdin,
    ToStdout,
    FromFile(String),
    ToFile(String),
    FromProgram(String),
    ToProgram(String),
}

/// `SUBSCRIBE [TO] relation | (query) [ENVELOPE .. | WITHIN TIMESTAMP ORDER BY ..] [WITH (..)] [AS OF t] [UP TO t]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    pub to: Subject,
    pub envelope: Option<Envelope>,
    /// WITHIN TIMESTAMP ORDER BY.
    pub order: Vec<OrderBy>,
    pub options: Vec<Opt>,
    pub as_of: Option<Expr>,
    pub up_to: Option<Expr>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Relation(Name),
    Query(Query),
}

/// `ENVELOPE UPSERT (KEY (columns))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub kind: Ident,
    pub key: Vec<Ident>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explain {
    /// `None`: plain EXPLAIN, which shows what will run.
    pub stage: Option<Stage>,
    /// ANALYZE, VERBOSE, and all of `EXPLAIN (..)`.
    pub options: Vec<Opt>,
    pub of: ExplainOf,
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Raw,
    Decorrelated,
    Optimized,
    Physical,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplainOf {
    Statement(Statement),
    /// `EXPLAIN .. VIEW v`, also of a materialized view, stream or index: the plan as it was made at creation.
    Item {
        kind: ObjectKind,
        name: Name,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Show {
    All,
    /// A parameter, or a word such as `tables`; dotted names are joined by dots.
    Parameter(Ident),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// SET LOCAL.
    pub local: bool,
    /// Special forms have their parameter's name: `SET TIME ZONE` is `timezone`, `SET NAMES` `client_encoding`.
    pub parameter: Ident,
    pub value: SetValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetValue {
    Default,
    /// Words, strings and numbers, each as its text.
    Values(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetTransaction {
    /// SESSION CHARACTERISTICS rather than this transaction.
    pub session: bool,
    pub modes: TransactionModes,
    pub position: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransactionModes {
    pub isolation: Option<Isolation>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepare {
    pub name: Ident,
    pub types: Vec<TypeName>,
    pub statement: Statement,
    /// Where [`Prepare::statement`] stands in the text, in bytes.
    pub range: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execute {
    pub name: Ident,
    pub args: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declare {
    pub name: Ident,
    pub binary: bool,
    pub insensitive: bool,
    pub scroll: Option<bool>,
    pub hold: bool,
    pub body: CursorBody,
    /// Where the body stands in the text, in bytes.
    pub range: Range<usize>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorBody {
    Query(Query),
    Subscribe(Subscribe),
}

/// FETCH and MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    pub moves: bool,
    pub direction: FetchDirection,
    pub cursor: Ident,
    /// `WITH (timeout = '1s')`.
    pub options: Vec<Opt>,
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchDirection {
    /// `None` is ALL. NEXT, FORWARD and a plain number are this too; a negative count goes backward.
    Forward(Option<i64>),
    Backward(Option<i64>),
    First,
    Last,
    Absolute(i64),
    Relative(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    All,
    Plans,
    Sequences,
    Temporary,
}
