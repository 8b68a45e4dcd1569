//! Definitions: what CREATE, ALTER, DROP and COMMENT say of relations and schemas.

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSchema {
    pub name: Ident,
    pub if_not_exists: bool,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    pub name: Name,
    pub if_not_exists: bool,
    /// TEMPORARY, UNLOGGED: the word, for the refusal.
    pub persistence: Option<Ident>,
    pub columns: Vec<ColumnDefinition>,
    pub constraints: Vec<TableConstraint>,
    /// `LIKE table` among the columns.
    pub like: Vec<Name>,
    pub options: Vec<Opt>,
    pub body: TableBody,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableBody {
    Declared,
    /// `CREATE TABLE t [(columns)] AS query`; the columns have no types.
    As {
        columns: Vec<Ident>,
        query: Query,
        with_data: bool,
    },
    /// `CREATE TABLE t FROM LATEST OF stream KEY (columns)`.
    LatestOf {
        stream: Name,
        key: Vec<Ident>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateStream {
    pub name: Name,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub columns: Vec<ColumnDefinition>,
    pub constraints: Vec<TableConstraint>,
    pub options: Vec<Opt>,
    pub body: StreamBody,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamBody {
    Declared,
    As(Query),
    /// `CREATE STREAM s FROM CHANGES OF relation`.
    ChangesOf(Name),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDefinition {
    pub name: Ident,
    pub data_type: TypeName,
    pub collation: Option<Name>,
    pub constraints: Vec<ColumnConstraint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnConstraint {
    pub name: Option<Ident>,
    pub kind: ColumnConstraintKind,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnConstraintKind {
    NotNull,
    Null,
    Default(Expr),
    PrimaryKey,
    Unique {
        nulls_not_distinct: bool,
    },
    Check(Expr),
    References(References),
    /// `GENERATED ALWAYS AS (expr) STORED`.
    Generated(Expr),
    /// `GENERATED ALWAYS | BY DEFAULT AS IDENTITY (options)`.
    Identity {
        always: bool,
        options: Vec<SequenceOption>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    pub table: Name,
    pub columns: Vec<Ident>,
    /// MATCH, ON DELETE, ON UPDATE, DEFERRABLE: as it stands, in canonical words.
    pub actions: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableConstraint {
    pub name: Option<Ident>,
    pub kind: TableConstraintKind,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableConstraintKind {
    PrimaryKey(Vec<Ident>),
    Unique { columns: Vec<Ident>, nulls_not_distinct: bool },
    Check(Expr),
    ForeignKey { columns: Vec<Ident>, references: References },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateView {
    pub name: Name,
    pub materialized: bool,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub columns: Vec<Ident>,
    pub options: Vec<Opt>,
    pub query: Query,
    /// `WITH NO DATA` makes this false.
    pub with_data: bool,
    /// `WITH [LOCAL | CASCADED] CHECK OPTION`.
    pub check_option: Option<Ident>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateIndex {
    pub name: Option<Ident>,
    pub if_not_exists: bool,
    pub unique: bool,
    pub concurrently: bool,
    pub on: Name,
    pub method: Option<Ident>,
    pub keys: Vec<IndexKey>,
    pub include: Vec<Ident>,
    pub nulls_not_distinct: bool,
    pub options: Vec<Opt>,
    pub filter: Option<Expr>,
    pub position: u32,
}

/// A column or an expression of an index, or of an ON CONFLICT target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexKey {
    pub expr: Expr,
    pub collation: Option<Name>,
    pub operator_class: Option<Name>,
    pub direction: Direction,
    pub nulls: Option<Nulls>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSequence {
    pub name: Name,
    pub if_not_exists: bool,
    /// As a table's.
    pub persistence: Option<Ident>,
    pub options: Vec<SequenceOption>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceOption {
    pub kind: SequenceOptionKind,
    pub position: u32,
}

/// Numbers are digits with a sign perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SequenceOptionKind {
    As(TypeName),
    Increment(String),
    /// `None`: NO MINVALUE.
    MinValue(Option<String>),
    MaxValue(Option<String>),
    Start(String),
    Restart(Option<String>),
    Cache(String),
    Cycle(bool),
    /// A column; `None`: OWNED BY NONE.
    OwnedBy(Option<Name>),
    /// `SEQUENCE NAME name`, which pg_dump writes of an identity.
    Name(Name),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    pub kind: ObjectKind,
    pub names: Vec<Name>,
    pub if_exists: bool,
    pub cascade: bool,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alter {
    pub kind: ObjectKind,
    pub name: Name,
    pub if_exists: bool,
    /// At least one; several of a table only, and no renaming among them.
    pub actions: Vec<AlterAction>,
    pub position: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlterAction {
    RenameTo(Ident),
    RenameColumn {
        column: Ident,
        to: Ident,
    },
    RenameConstraint {
        constraint: Ident,
        to: Ident,
    },
    SetSchema(Ident),
    AddColumn {
        column: ColumnDefinition,
        if_not_exists: bool,
    },
    DropColumn {
        column: Ident,
        if_exists: bool,
        cascade: bool,
    },
    /// `None`: DROP DEFAULT.
    SetDefault {
        column: Ident,
        default: Option<Expr>,
    },
    SetNotNull {
        column: Ident,
        not_null: bool,
    },
    SetType {
        column: Ident,
        data_type: TypeName,
        using: Option<Expr>,
        position: u32,
    },
    AddConstraint(TableConstraint),
    DropConstraint {
        constraint: Ident,
        if_exists: bool,
        cascade: bool,
    },
    /// ALTER SEQUENCE's options.
    Sequence(Vec<SequenceOption>),
    AddIdentity {
        column: Ident,
        always: bool,
        options: Vec<SequenceOption>,
    },
    /// `SET GENERATED ALWAYS`, `SET INCREMENT 2`, `RESTART` …
    AlterIdentity {
        column: Ident,
        always: Option<bool>,
        options: Vec<SequenceOption>,
    },
    DropIdentity {
        column: Ident,
        if_exists: bool,
    },
    /// An action that PostgreSQL has, refused by name.
    Unsupported {
        what: String,
        position: u32,
    },
}

/// The kinds of objects that statements name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    Schema,
    Table,
    Stream,
    View,
    MaterializedView,
    Index,
    Sequence,
    Type,
    Domain,
    Column,
    Database,
}

impl ObjectKind {
    /// As it is written in SQL.
    pub fn words(self) -> &'static str {
        match self {
            ObjectKind::Schema => "SCHEMA",
            ObjectKind::Table => "TABLE",
            ObjectKind::Stream => "STREAM",
            ObjectKind::View => "VIEW",
            ObjectKind::MaterializedView => "MATERIALIZED VIEW",
            ObjectKind::Index => "INDEX",
            ObjectKind::Sequence => "SEQUENCE",
            ObjectKind::Type => "TYPE",
            ObjectKind::Domain => "DOMAIN",
            ObjectKind::Column => "COLUMN",
            ObjectKind::Database => "DATABASE",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    pub kind: ObjectKind,
    pub name: Name,
    /// `None` removes it.
    pub text: Option<String>,
    pub position: u32,
}
