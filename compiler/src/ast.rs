//! The syntax tree: what a statement's text says, before any name is looked up.
//!
//! It has PostgreSQL's shape (special syntax such as `EXTRACT(.. FROM ..)` is an ordinary call, `date '..'` is a cast) because
//! its users expect PostgreSQL's errors, and it is small because the binder reads all of it. Names are already folded and
//! truncated as PostgreSQL does; AND and OR are flat lists, so that the length of a condition costs no depth.
//!
//! Invariants. Every node that an error can be about has `position`: characters from 1 into the text that was given to
//! `parse`, at the token that PostgreSQL would point to (an operator's position is the operator's, not its left operand's;
//! [`Expr::start`] is the leftmost). `parse(print(tree))` is the same tree up to positions: the catalog keeps printed text.

mod definition;
pub mod precedence;
pub mod print;

use std::fmt;
use std::ops::Range;

use crate::error::Error;
use crate::repr::types::IntervalRange;

pub use definition::*;

/// A statement and where it stands in the text it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub node: T,
    /// Bytes of the text, from the first token to the last, without the `;`.
    pub range: Range<usize>,
}

/// An identifier, folded to lower case unless it was quoted, at most 63 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    pub name: String,
    pub position: u32,
}

/// A possibly qualified name: `item`, `schema.item`, `database.schema.item`. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub parts: Vec<Ident>,
}

impl Name {
    pub fn last(&self) -> &Ident {
        self.parts.last().expect("invariant: a name has a part")
    }

    /// The parts before the last one.
    pub fn qualifier(&self) -> &[Ident] {
        &self.parts[..self.parts.len() - 1]
    }

    pub fn position(&self) -> u32 {
        self.parts[0].position
    }

    /// `pg_catalog.name`, at this position: what special syntax calls.
    pub fn system(name: &str, position: u32) -> Name {
        let ident = |name: &str| Ident { name: name.to_owned(), position };
        Name { parts: vec![ident("pg_catalog"), ident(name)] }
    }
}

// ---- statements ----

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

/// `SUBSCRIBE [TO] relation | (query) [ENVELOPE ..] [WITH (..)] [AS OF t] [UP TO t]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    pub to: Subject,
    pub envelope: Option<Envelope>,
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

/// `name`, `name value` or `name = value` in a WITH list, COPY's or EXPLAIN's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    /// Folded; a dotted name is joined by dots, a quoted one (`'connector.class'`) is as it stands.
    pub name: Ident,
    pub value: Option<OptValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptValue {
    Word(Ident),
    String(String, u32),
    Number(String, u32),
    Star(u32),
    List(Vec<OptValue>, u32),
}

// ---- queries ----

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub with: Option<With>,
    pub body: SetExpr,
    pub order_by: Vec<OrderBy>,
    pub limit: Option<Limit>,
    pub offset: Option<Expr>,
    pub locks: Vec<Lock>,
    /// `AS OF t`.
    pub as_of: Option<Expr>,
    pub emit: Option<Emit>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct With {
    pub recursive: bool,
    pub ctes: Vec<Cte>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cte {
    pub name: Ident,
    pub columns: Vec<Ident>,
    pub materialized: Option<bool>,
    /// A query, or INSERT, UPDATE, DELETE.
    pub body: Statement,
    pub search: Option<Search>,
    pub cycle: Option<Cycle>,
}

/// `SEARCH BREADTH | DEPTH FIRST BY columns SET column`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    pub breadth: bool,
    pub by: Vec<Ident>,
    pub set: Ident,
    pub position: u32,
}

/// `CYCLE columns SET column [TO value DEFAULT value] USING column`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    pub columns: Vec<Ident>,
    pub set: Ident,
    pub values: Option<(Expr, Expr)>,
    pub using: Ident,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetExpr {
    Select(Box<Select>),
    Values(Values),
    /// `TABLE t`.
    Table(Name),
    /// In parentheses, because it has clauses of its own; plain parentheses leave no trace.
    Query(Box<Query>),
    Set(Box<SetOperation>),
}

/// A chain of one operator, combined from the left: `a EXCEPT b EXCEPT c` is `(a EXCEPT b) EXCEPT c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetOperation {
    pub op: SetOperator,
    pub all: bool,
    /// At least two.
    pub operands: Vec<SetExpr>,
    /// Of the first operator.
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// At least one row; rows may differ in length until the binder looks.
    pub rows: Vec<Vec<Expr>>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    pub distinct: Distinct,
    pub items: Vec<SelectItem>,
    pub from: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub group_by: Option<GroupBy>,
    pub having: Option<Expr>,
    /// `WINDOW name AS (..)`.
    pub windows: Vec<NamedWindow>,
    /// `WINDOW TUMBLING (SIZE ..)`, before or after GROUP BY.
    pub time_window: Option<TimeWindow>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distinct {
    All,
    Distinct,
    On(Vec<Expr>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectItem {
    Expr {
        expr: Expr,
        alias: Option<Ident>,
    },
    Star(u32),
    /// `t.*`, `schema.t.*`.
    QualifiedStar(Name),
    /// `(expr).*`.
    FieldStar(Expr),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupBy {
    /// `GROUP BY DISTINCT`.
    pub distinct: bool,
    pub items: Vec<GroupItem>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupItem {
    /// A row `(a, b)` stands for its columns.
    Expr(Expr),
    /// `()`.
    Empty(u32),
    Rollup(Vec<Expr>, u32),
    Cube(Vec<Expr>, u32),
    Sets(Vec<GroupItem>, u32),
}

/// One item of FROM: a chain of joins, combined from the left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromItem {
    pub first: Source,
    pub joins: Vec<Join>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    pub kind: JoinKind,
    pub right: Source,
    pub constraint: JoinConstraint,
    /// `WITHIN (..) GRACE PERIOD ..`.
    pub within: Option<Within>,
    /// `ASOF JOIN`.
    pub asof: bool,
    /// Of JOIN's first word.
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinConstraint {
    /// Of CROSS JOIN only.
    None,
    On(Expr),
    Using {
        columns: Vec<Ident>,
        alias: Option<Ident>,
    },
    Natural,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Relation {
        name: Name,
        /// What the name was found to mean: canonical text keeps it.
        meant: Option<Meant>,
        only: bool,
        alias: Option<Alias>,
        /// `FOR SYSTEM_TIME AS OF expr`.
        system_time: Option<Expr>,
        sample: Option<Sample>,
    },
    Subquery {
        query: Box<Query>,
        lateral: bool,
        alias: Option<Alias>,
        position: u32,
    },
    Function(Box<TableFunction>),
    /// Parentheses around joins.
    Joins {
        from: Box<FromItem>,
        alias: Option<Alias>,
        position: u32,
    },
}

/// What a relation's name meant when its text was made canonical, so that the text means the same whatever is renamed since. In
/// text, braces after the name: `public.t {16384: id, -, name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// The item's id.
    pub id: u64,
    /// What its columns were called, in their places: so the text around calls them. None in the place of one that was dropped before.
    pub columns: Vec<Option<Ident>>,
}

/// `name [(columns)]`; a table function's may give types to its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    pub name: Ident,
    pub columns: Vec<Ident>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFunction {
    /// Several for ROWS FROM. Each is a call, or what a call-like keyword (CURRENT_DATE, CAST ..) makes.
    pub calls: Vec<TableCall>,
    pub rows_from: bool,
    pub ordinality: bool,
    pub lateral: bool,
    pub alias: Option<Alias>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCall {
    pub call: Expr,
    /// `AS (a int, b text)`.
    pub columns: Vec<ColumnDefinition>,
}

/// `TABLESAMPLE method (args) [REPEATABLE (seed)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub method: Name,
    pub args: Vec<Expr>,
    pub seed: Option<Expr>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    pub expr: Expr,
    pub direction: Direction,
    pub nulls: Option<Nulls>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    Default,
    Ascending,
    Descending,
    /// `USING <`.
    Using(Operator),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    First,
    Last,
}

/// `LIMIT n` and `FETCH FIRST n ROWS`; LIMIT ALL leaves no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub count: Expr,
    pub with_ties: bool,
    pub position: u32,
}

/// `FOR UPDATE | NO KEY UPDATE | SHARE | KEY SHARE [OF tables] [NOWAIT | SKIP LOCKED]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    pub strength: LockStrength,
    pub of: Vec<Name>,
    pub wait: LockWait,
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockStrength {
    Update,
    NoKeyUpdate,
    Share,
    KeyShare,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    Wait,
    NoWait,
    SkipLocked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    Changes,
    Final,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWindow {
    pub name: Ident,
    pub window: Window,
}

/// The inside of `OVER (..)` and of `WINDOW w AS (..)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The window this one refines.
    pub base: Option<Ident>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<OrderBy>,
    pub frame: Option<Frame>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub unit: FrameUnit,
    pub start: Bound,
    /// Without BETWEEN: the current row.
    pub end: Option<Bound>,
    pub exclude: Option<Exclude>,
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameUnit {
    Rows,
    Range,
    Groups,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclude {
    CurrentRow,
    Group,
    Ties,
    NoOthers,
}

/// `WINDOW TUMBLING (SIZE 1 MINUTES, GRACE PERIOD 1 DAY)`, also HOPPING, SESSION and CUMULATING.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    pub kind: TimeWindowKind,
    pub args: Vec<TimeWindowArg>,
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeWindowKind {
    Tumbling,
    Hopping,
    Session,
    Cumulating,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeWindowArg {
    /// `size`, `advance by`, `grace period`, `retention`; empty for a session's gap.
    pub name: String,
    pub value: Span,
    pub position: u32,
}

/// `1 MINUTES`: a count and a unit, as ksqlDB writes durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub count: u64,
    /// Folded: `minute` or `minutes` as it stands.
    pub unit: Ident,
}

/// `WITHIN 1 HOUR` or `WITHIN (1 HOUR, 2 HOURS)`, and `GRACE PERIOD 1 DAY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Within {
    pub before: Span,
    pub after: Option<Span>,
    pub grace: Option<Span>,
    pub position: u32,
}

// ---- expressions ----

/// An expression. Its height is bounded by the parser (54001 beyond), except that AND and OR are lists of any length. Still a
/// chain of a thousand operators is a thousand levels: who walks expressions by recursion grows the stack, as is done here.
#[derive(Eq)]
pub struct Expr {
    pub kind: ExprKind,
    /// The operator of an operation, `::` or CAST of a cast, the first token of anything else.
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    Literal(Literal),
    /// `$1`.
    Parameter(u32),
    /// `a`, `t.a`, `schema.t.a`.
    Column(Name),
    /// `t.*` where a value may stand: an argument, an item of a row.
    QualifiedStar(Name),
    /// DEFAULT, in a row of an INSERT's VALUES or on the right side of SET.
    Default,
    Unary {
        op: Operator,
        operand: Box<Expr>,
    },
    Binary {
        op: Operator,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// At least two operands, none of which is an And.
    And(Vec<Expr>),
    /// At least two operands, none of which is an Or.
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Is {
        operand: Box<Expr>,
        test: Truth,
        negated: bool,
    },
    IsDistinctFrom {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Between {
        operand: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        symmetric: bool,
        negated: bool,
    },
    InList {
        operand: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InSubquery {
        operand: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    /// `~` and its kin are binary operators, not this.
    Like {
        kind: LikeKind,
        operand: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        negated: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<Branch>,
        otherwise: Option<Box<Expr>>,
    },
    /// `CAST(a AS t)`, `a::t` and `t 'literal'`.
    Cast {
        operand: Box<Expr>,
        to: TypeName,
    },
    Call(Box<Call>),
    Exists(Box<Query>),
    /// `(e).*` where a value may stand.
    FieldStar(Box<Expr>),
    /// A subquery as a value.
    Subquery(Box<Query>),
    /// `ARRAY(SELECT ..)`.
    ArraySubquery(Box<Query>),
    /// `a = ANY (..)`, `a < ALL (..)`.
    Quantified {
        left: Box<Expr>,
        op: Operator,
        quantifier: Quantifier,
        right: QuantifiedOver,
    },
    /// `ARRAY[..]`; inner brackets of `ARRAY[[1], [2]]` are this too.
    Array(Vec<Expr>),
    /// `ROW(..)` and `(a, b)`.
    Row(Vec<Expr>),
    /// `a[1]`, `a[1:2]`, `(e).f`: one step at least.
    Path {
        operand: Box<Expr>,
        steps: Vec<Step>,
    },
    Collate {
        operand: Box<Expr>,
        collation: Name,
    },
}

/// Runs one level of a recursion over expressions, with more stack if little is left.
pub fn with_stack<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(64 << 10, 1 << 20, level)
}

impl Clone for Expr {
    fn clone(&self) -> Expr {
        with_stack(|| Expr { kind: self.kind.clone(), position: self.position })
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        with_stack(|| self.position == other.position && self.kind == other.kind)
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_stack(|| {
            f.debug_struct("Expr").field("kind", &self.kind).field("position", &self.position).finish()
        })
    }
}

impl Expr {
    pub fn new(kind: ExprKind, position: u32) -> Expr {
        Expr { kind, position }
    }

    /// The position of the leftmost token, where PostgreSQL points when it means the whole expression.
    pub fn start(&self) -> u32 {
        let mut expr = self;
        let mut start = self.position;
        loop {
            expr = match &expr.kind {
                ExprKind::Binary { left, .. }
                | ExprKind::IsDistinctFrom { left, .. }
                | ExprKind::Quantified { left, .. } => left,
                ExprKind::And(list) | ExprKind::Or(list) => &list[0],
                ExprKind::Is { operand, .. }
                | ExprKind::Between { operand, .. }
                | ExprKind::InList { operand, .. }
                | ExprKind::InSubquery { operand, .. }
                | ExprKind::Like { operand, .. }
                | ExprKind::Cast { operand, .. }
                | ExprKind::Path { operand, .. }
                | ExprKind::Collate { operand, .. } => operand,
                _ => return start,
            };
            start = start.min(expr.position);
        }
    }

    /// What a column of this expression is called when nothing names it; `None` is PostgreSQL's `?column?`.
    pub fn column_name(&self) -> Option<&str> {
        self.figured_name().map(|(name, _)| name)
    }

    /// The name, and whether it is a strong one: a weak one gives way to a cast's type or a CASE's ELSE.
    fn figured_name(&self) -> Option<(&str, bool)> {
        match &self.kind {
            ExprKind::Column(name) => Some((&name.last().name, true)),
            ExprKind::Path { operand, steps } => {
                let field = steps.iter().rev().find_map(|step| match step {
                    Step::Field(name) => Some((name.name.as_str(), true)),
                    Step::Index(_) | Step::Slice(..) => None,
                });
                field.or_else(|| operand.figured_name())
            }
            ExprKind::Call(call) => Some((&call.name.last().name, true)),
            ExprKind::Cast { operand, to } => match operand.figured_name() {
                Some((name, true)) => Some((name, true)),
                _ => Some((&to.name.last().name, false)),
            },
            ExprKind::Collate { operand, .. } => operand.figured_name(),
            ExprKind::Case { otherwise, .. } => match otherwise.as_ref().and_then(|e| e.figured_name()) {
                Some((name, true)) => Some((name, true)),
                _ => Some(("case", false)),
            },
            ExprKind::Exists(_) => Some(("exists", true)),
            ExprKind::ArraySubquery(_) | ExprKind::Array(_) => Some(("array", true)),
            ExprKind::Row(_) => Some(("row", true)),
            ExprKind::Subquery(query) => Some((query.first_column_name().unwrap_or("?column?"), true)),
            _ => None,
        }
    }
}

impl Query {
    /// The name of the first column, as far as the text tells: a scalar subquery's column is called by it.
    fn first_column_name(&self) -> Option<&str> {
        let mut body = &self.body;
        loop {
            body = match body {
                SetExpr::Select(select) => {
                    return match select.items.first()? {
                        SelectItem::Expr { alias: Some(alias), .. } => Some(&alias.name),
                        SelectItem::Expr { expr, alias: None } => expr.column_name(),
                        SelectItem::Star(_) | SelectItem::QualifiedStar(_) | SelectItem::FieldStar(_) => None,
                    };
                }
                SetExpr::Values(_) => return Some("column1"),
                SetExpr::Table(_) => return None,
                SetExpr::Query(query) => &query.body,
                SetExpr::Set(set) => &set.operands[0],
            };
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    Null,
    Bool(bool),
    /// Digits as written; a minus sign before them is part of them (`-1`, never `- 1` of an operand).
    Number(String),
    String(String),
    /// `B'101'` and `X'1F'`, the digits with the letter before them.
    Bits(String),
}

/// An operator by its spelling, `!=` already written `<>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// `OPERATOR(schema.+)`.
    pub schema: Option<Ident>,
    pub symbol: String,
    pub position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    Null,
    True,
    False,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeKind {
    Like,
    ILike,
    SimilarTo,
}

/// `WHEN condition THEN result`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    pub when: Expr,
    pub then: Expr,
}

/// A function call. Special syntax is a call of the `pg_catalog` function that PostgreSQL calls for it, with `special` set so
/// that it prints as it was written: `EXTRACT(year FROM x)` is `pg_catalog.extract('year', x)`. COALESCE, NULLIF, GREATEST and
/// LEAST, which are no functions in PostgreSQL, have one-part names and `special` set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub name: Name,
    pub special: bool,
    /// `count(*)`.
    pub star: bool,
    pub args: Vec<Arg>,
    /// VARIADIC stands before the last argument.
    pub variadic: bool,
    pub distinct: bool,
    pub order_by: Vec<OrderBy>,
    pub within_group: Vec<OrderBy>,
    pub filter: Option<Expr>,
    pub over: Option<Over>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg {
    /// `name => value`.
    pub name: Option<Ident>,
    pub value: Expr,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    Named(Ident),
    Window(Window),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    Any,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantifiedOver {
    Query(Box<Query>),
    Array(Box<Expr>),
}

/// A step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Index(Expr),
    Slice(Option<Expr>, Option<Expr>),
    Field(Ident),
}

/// A type as written. SQL's spellings have PostgreSQL's internal names: `integer` is `int4`, `timestamp with time zone` is
/// `timestamptz`, `character(3)` is `bpchar` with 3; so has `"char"` its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName {
    pub name: Name,
    /// `numeric(10, 2)`, `varchar(5)`, `timestamp(3)`.
    pub modifiers: Vec<Expr>,
    /// `interval day to second`.
    pub fields: Option<IntervalRange>,
    /// The number of `[]`; bounds are read and forgotten, as in PostgreSQL.
    pub dimensions: u8,
    pub setof: bool,
    pub position: u32,
}

impl TypeName {
    /// A type without modifiers.
    pub fn plain(name: Name) -> TypeName {
        let position = name.position();
        TypeName { name, modifiers: Vec::new(), fields: None, dimensions: 0, setof: false, position }
    }

    /// A type by PostgreSQL's internal name.
    pub fn builtin(name: &str, position: u32) -> TypeName {
        TypeName::plain(Name { parts: vec![Ident { name: name.to_owned(), position }] })
    }
}

impl Opt {
    /// The value as a boolean, by PostgreSQL's rule for options: a bare name is true.
    pub fn boolean(&self) -> Result<bool, Error> {
        let word = match &self.value {
            None => return Ok(true),
            Some(OptValue::Word(word)) => &word.name,
            Some(OptValue::String(text, _)) => text,
            Some(OptValue::Number(text, _)) => text,
            Some(OptValue::Star(_) | OptValue::List(..)) => "",
        };
        match word.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" => Ok(true),
            "false" | "off" | "0" => Ok(false),
            _ => Err(Error::new(
                crate::error::SqlState::SYNTAX_ERROR,
                format!("{} requires a Boolean value", self.name.name),
            )
            .at(self.name.position)),
        }
    }

    /// The value as text: a word, a string or a number.
    pub fn text(&self) -> Result<&str, Error> {
        match &self.value {
            Some(OptValue::Word(word)) => Ok(&word.name),
            Some(OptValue::String(text, _) | OptValue::Number(text, _)) => Ok(text),
            Some(OptValue::Star(_) | OptValue::List(..)) | None => Err(Error::new(
                crate::error::SqlState::SYNTAX_ERROR,
                format!("{} requires a parameter", self.name.name),
            )
            .at(self.name.position)),
        }
    }
}
