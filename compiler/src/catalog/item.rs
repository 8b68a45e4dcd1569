//! What the catalog holds: tables, streams, views, materialized views, indexes, sequences, and the builtin relations.
//!
//! An item is serialized as what the user said, in canonical text; what `compile` derives from the text is [`Bound`], which is
//! never serialized and is derived again at start. So a newer binary may plan an old item better, and means the same by it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Sequence;
use crate::ast;
use crate::lir;
use crate::mir::{self, CollectionId};
use crate::repr::{ColumnType, RelationType, Row};
use crate::scalar::{ScalarExpr, quote_ident};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Also its oid.
    pub id: CollectionId,
    pub schema: String,
    pub name: String,
    pub kind: Kind,
    /// What its definition names, directly. Never through each other in a circle.
    pub depends_on: BTreeSet<CollectionId>,
    #[serde(skip)]
    pub bound: Bound,
}

/// What is derived from an item's text.
#[derive(Clone, Debug, std::default::Default)]
pub struct Bound {
    /// The tree of its stored query.
    pub query: Option<Arc<ast::Query>>,
    /// What a view, a materialized view or a derived stream means, so that it is inlined and explained without parsing.
    pub rel: Option<Arc<mir::Rel>>,
    /// What the engine runs for it.
    pub dataflow: Option<Arc<lir::Dataflow>>,
    /// The arrangement that its dataflow publishes.
    pub arrangement: Option<Arrangement>,
    /// For each column, whether it can hold error cells.
    pub fallible: Vec<bool>,
    /// For each CHECK constraint, what it asks of a row.
    pub checks: Vec<ScalarExpr>,
    /// The columns that its definition names, each by its relation and its place there.
    pub reads: BTreeSet<(CollectionId, usize)>,
    /// How often something else came to run for it since the server started: part of the identity of what reads it, so that nobody who
    /// reads it now finds what was built over the former.
    pub generation: u32,
}

/// A published arrangement: what others find it by, and how rows lie in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrangement {
    pub identity: lir::Identity,
    pub layout: lir::Layout,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Kind {
    Table(Table),
    Stream(Stream),
    View(View),
    MaterializedView(MaterializedView),
    Index(Index),
    Sequence(Sequence),
    /// Computed from the catalog itself on the session's thread; never in the log.
    System(System),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    /// Not nullable: NOT NULL, or in the primary key.
    pub typ: ColumnType,
    pub default: Option<Default>,
    /// It is gone for everybody but the rows that were stored with it: its place stays, so that theirs and the places after it mean the
    /// same as before.
    #[serde(default)]
    pub dropped: bool,
    /// What it holds in the rows that were stored before it was added, as a row of one column. None in what was created with it.
    #[serde(default)]
    pub missing: Option<Row>,
    /// GENERATED … AS IDENTITY. Then it has no default.
    #[serde(default)]
    pub identity: Option<Identity>,
}

/// How an identity column gets its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Values are given by the sequence alone, unless a statement overrides that.
    pub always: bool,
    pub sequence: CollectionId,
}

/// A column's DEFAULT. Its expression reads no column; it may be stable or volatile, and is evaluated for each statement or row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Default {
    /// Canonical text.
    pub sql: String,
    /// The text's tree: each statement binds it anew, so that it may be stable or volatile.
    #[serde(skip)]
    pub expr: Option<Arc<ast::Expr>>,
    /// The sequences that the text names, by their ids.
    #[serde(default)]
    pub sequences: BTreeSet<CollectionId>,
}

impl PartialEq for Default {
    fn eq(&self, other: &Default) -> bool {
        self.sql == other.sql
    }
}

/// A PRIMARY KEY or UNIQUE constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub oid: u64,
    pub name: String,
    pub columns: Vec<usize>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    pub columns: Vec<Column>,
    /// The table's own arrangement is by this key, else by all columns.
    pub primary_key: Option<Key>,
    /// Each has an index of the same name, by which it is checked.
    pub uniques: Vec<Key>,
    #[serde(default)]
    pub checks: Vec<CheckConstraint>,
}

/// A condition that is false of no row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckConstraint {
    pub oid: u64,
    pub name: String,
    /// Its text, in which the table's columns have the names that they have.
    pub condition: Definition,
    /// The columns that it names.
    pub columns: Vec<usize>,
    /// The text's tree.
    #[serde(skip)]
    pub expr: Option<Arc<ast::Expr>>,
}

impl CheckConstraint {
    pub fn expr(&self) -> &ast::Expr {
        self.expr.as_deref().expect("invariant: an item of a snapshot is compiled")
    }
}

/// An append-only relation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stream {
    pub columns: Vec<Column>,
    /// `CREATE STREAM … AS`: its rows come from a dataflow that appends to its shard, and from nowhere else.
    pub derived: Option<Definition>,
    /// The column that says when the row's event was: its `rowtime`.
    #[serde(default)]
    pub timestamp: Option<usize>,
}

/// A query, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Canonical text of the query: names qualified, `*` expanded.
    pub sql: String,
    /// The settings that the text's meaning depends on, as they were at creation.
    pub time_zone: String,
    pub date_style: String,
    pub interval_style: String,
    #[serde(default = "recursion_limit")]
    pub recursion_limit: u64,
}

/// That of definitions which were stored before there was one.
fn recursion_limit() -> u64 {
    mir::ROUNDS_DEFAULT
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct View {
    pub columns: Vec<Column>,
    pub definition: Definition,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MaterializedView {
    pub columns: Vec<Column>,
    pub definition: Definition,
    /// `CREATE TABLE … AS` over a stream: it is told as a table, which nobody can write to.
    #[serde(default)]
    pub table: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Index {
    pub on: CollectionId,
    /// Columns of the relation.
    pub key: Vec<usize>,
    /// It serves a UNIQUE constraint of its table and goes with it.
    pub constraint: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct System {
    pub columns: Vec<Column>,
    /// Whether clients are told that it is a view.
    pub view: bool,
    /// What it means, where it is defined over others; the rest are computed.
    #[serde(skip)]
    pub query: Option<Arc<ast::Query>>,
}

impl Table {
    /// The primary key and the UNIQUE constraints.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.primary_key.iter().chain(&self.uniques)
    }

    /// What the last columns, those that were added, hold in rows that were stored without them.
    pub fn missing(&self) -> Row {
        let added = self.columns.iter().filter_map(|column| column.missing.as_ref());
        Row::from_bytes(added.flat_map(|cell| cell.bytes()).copied().collect())
    }
}

impl Column {
    pub fn new(name: impl Into<String>, typ: ColumnType) -> Column {
        let name = name.into();
        Column { name, typ, default: None, dropped: false, missing: None, identity: None }
    }

    /// The sequences that its values come from unless they are given.
    pub fn sequences(&self) -> impl Iterator<Item = CollectionId> + '_ {
        let named = self.default.iter().flat_map(|default| default.sequences.iter().copied());
        self.identity.iter().map(|identity| identity.sequence).chain(named)
    }
}

impl Item {
    /// The columns, of everything but an index.
    pub fn columns(&self) -> &[Column] {
        match &self.kind {
            Kind::Table(Table { columns, .. })
            | Kind::Stream(Stream { columns, .. })
            | Kind::View(View { columns, .. })
            | Kind::MaterializedView(MaterializedView { columns, .. })
            | Kind::System(System { columns, .. }) => columns,
            Kind::Sequence(_) => Sequence::columns(),
            Kind::Index(_) => &[],
        }
    }

    /// The columns that are not dropped, with their places.
    pub fn present_columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns().iter().enumerate().filter(|(_, column)| !column.dropped)
    }

    /// Types and keys. A UNIQUE constraint over a nullable column is no key: NULLs repeat.
    pub fn relation_type(&self) -> RelationType {
        let columns: Vec<ColumnType> = self.columns().iter().map(|c| c.typ.clone()).collect();
        let keys = match &self.kind {
            Kind::Table(table) => table
                .primary_key
                .iter()
                .chain(&table.uniques)
                .filter(|key| key.columns.iter().all(|c| !columns[*c].nullable))
                .map(|key| key.columns.clone())
                .collect(),
            Kind::MaterializedView(_) => match &self.bound.arrangement {
                Some(arrangement) if arrangement.layout.unique => {
                    vec![arrangement.layout.key_columns.clone()]
                }
                _ => Vec::new(),
            },
            Kind::System(system) if system.columns.first().is_some_and(|column| column.name == "oid") => {
                vec![vec![0]]
            }
            _ => Vec::new(),
        };
        RelationType { columns, keys }
    }

    /// Whether it can stand in FROM.
    pub fn is_relation(&self) -> bool {
        !matches!(self.kind, Kind::Index(_))
    }

    /// Whether rows only ever come, never go.
    pub fn is_append_only(&self) -> bool {
        matches!(self.kind, Kind::Stream(_))
    }

    /// Whether it has a shard: rows enter through it, or it is what a sequence has counted to.
    pub fn has_shard(&self) -> bool {
        matches!(self.kind, Kind::Table(_) | Kind::Stream(_) | Kind::Sequence(_))
    }

    pub fn definition(&self) -> Option<&Definition> {
        match &self.kind {
            Kind::View(View { definition, .. })
            | Kind::MaterializedView(MaterializedView { definition, .. }) => Some(definition),
            Kind::Stream(Stream { derived, .. }) => derived.as_ref(),
            Kind::Table(_) | Kind::Index(_) | Kind::Sequence(_) | Kind::System(_) => None,
        }
    }

    /// `table`, `materialized view` …
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Table(_)
            | Kind::System(_)
            | Kind::MaterializedView(MaterializedView { table: true, .. }) => "table",
            Kind::Stream(_) => "stream",
            Kind::View(_) => "view",
            Kind::MaterializedView(_) => "materialized view",
            Kind::Index(_) => "index",
            Kind::Sequence(_) => "sequence",
        }
    }

    /// Kind and name as messages name it: `view v`, or `view s.v` when the path does not lead to its schema.
    pub fn describe(&self, search_path: &[String]) -> String {
        let (kind, name) = (self.kind_name(), quote_ident(&self.name));
        match search_path.contains(&self.schema) {
            true => format!("{kind} {name}"),
            false => format!("{kind} {}.{name}", quote_ident(&self.schema)),
        }
    }

    pub fn primary_key(&self) -> Option<&Key> {
        match &self.kind {
            Kind::Table(table) => table.primary_key.as_ref(),
            _ => None,
        }
    }

    /// Whether this is the oid of its primary key, which clients see as an index too.
    pub fn is_primary_key(&self, oid: u64) -> bool {
        self.primary_key().is_some_and(|key| key.oid == oid)
    }

    /// Every oid that it takes: its own and its constraints'.
    pub fn oids(&self) -> impl Iterator<Item = u64> {
        let keys = match &self.kind {
            Kind::Table(table) => {
                let checks = table.checks.iter().map(|check| check.oid);
                table.keys().map(|key| key.oid).chain(checks).collect()
            }
            _ => Vec::new(),
        };
        std::iter::once(self.id.0).chain(keys)
    }
}
