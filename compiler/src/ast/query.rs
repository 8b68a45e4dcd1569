//! Queries: what WITH, SELECT, FROM, set operations and the clauses behind them say.

use super::*;

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
        /// `CHANGES(name)`: its changelog instead of its rows.
        changes: bool,
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

impl Query {
    /// What a recursive view of this name, columns and query is: `WITH RECURSIVE name (columns) AS (query) SELECT columns FROM name`.
    pub fn recursive(name: &Ident, columns: &[Ident], query: Query) -> Query {
        let position = query.position;
        let item = |column: &Ident| {
            let named = Name { parts: vec![column.clone()] };
            SelectItem::Expr { expr: Expr::new(ExprKind::Column(named), column.position), alias: None }
        };
        let first = Source::Relation {
            name: Name { parts: vec![name.clone()] },
            meant: None,
            changes: false,
            only: false,
            alias: None,
            system_time: None,
            sample: None,
        };
        let select = Select {
            distinct: Distinct::All,
            items: columns.iter().map(item).collect(),
            from: vec![FromItem { first, joins: Vec::new() }],
            filter: None,
            group_by: None,
            having: None,
            windows: Vec::new(),
            time_window: None,
            position,
        };
        let cte = Cte {
            name: name.clone(),
            columns: columns.to_vec(),
            materialized: None,
            body: Statement::Query(Box::new(query)),
            search: None,
            cycle: None,
        };
        Query {
            with: Some(With { recursive: true, ctes: vec![cte], position }),
            body: SetExpr::Select(Box::new(select)),
            order_by: Vec::new(),
            limit: None,
            offset: None,
            locks: Vec::new(),
            as_of: None,
            emit: None,
            position,
        }
    }

    /// The name of the first column, as far as the text tells: a scalar subquery's column is called by it.
    pub(super) fn first_column_name(&self) -> Option<&str> {
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
