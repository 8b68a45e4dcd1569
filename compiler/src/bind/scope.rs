//! Names in sight: the columns of the row that an expression stands in, and of the rows around it.
//!
//! A [`Scope`]'s columns are those of the relation that FROM made, one for one. A [`Frame`] is a scope on the stack, with what the
//! clause being bound may do; frames further down are outer rows, so that a frame's distance from the top is the level of
//! a column reference.

use std::collections::BTreeSet;

use super::grouping::GroupingCall;
use super::window::Windows;
use crate::ast;
use crate::catalog::{Item, nearest};
use crate::error::{Error, SqlState};
use crate::hir::{self, Expr};
use crate::mir::CollectionId;
use crate::repr::ColumnType;

#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub relations: Vec<ScopeRelation>,
    pub columns: Vec<ScopeColumn>,
    /// What `*` stands for, in order.
    pub star: Vec<usize>,
}

/// An entry of FROM, as qualified names call it.
#[derive(Clone, Debug)]
pub struct ScopeRelation {
    /// Set when the entry is a catalog item without an alias: `schema.item.column` then means it too.
    pub schema: Option<String>,
    pub name: String,
    /// What the entry would be called without its alias.
    pub hidden: Option<String>,
    /// A function whose rows are single values: its name means the value, whatever its column is called.
    pub is_scalar: bool,
    /// Columns of the scope that together determine the entry's row.
    pub keys: Vec<Vec<usize>>,
    /// The columns that the name of JOIN USING stands for: they belong to other entries too.
    pub merged: Option<Vec<usize>>,
    /// A recursive query within its own recursive term.
    pub is_itself: bool,
}

impl ScopeRelation {
    pub fn named(name: impl Into<String>) -> ScopeRelation {
        let name = name.into();
        ScopeRelation {
            schema: None,
            name,
            hidden: None,
            is_scalar: false,
            keys: Vec::new(),
            merged: None,
            is_itself: false,
        }
    }
}

#[derive(Clone, Debug)]
pub struct ScopeColumn {
    /// The entry it belongs to; none for what FULL JOIN USING merges.
    pub relation: Option<usize>,
    pub name: String,
    /// What canonical text calls it, where another column of its entry has the name too.
    pub spelled: Option<String>,
    pub typ: ColumnType,
    /// The catalog's column that it is, where it is one.
    pub origin: Option<(CollectionId, usize)>,
    /// Whether the bare name can mean it: not the second of the columns that USING merges.
    pub bare: bool,
    /// Only its name means it, no `*`.
    pub hidden: bool,
}

impl ScopeColumn {
    /// A column of no entry.
    pub fn named(name: impl Into<String>, typ: ColumnType) -> ScopeColumn {
        ScopeColumn {
            relation: None,
            name: name.into(),
            spelled: None,
            typ,
            origin: None,
            bare: true,
            hidden: false,
        }
    }

    /// What canonical text calls the column.
    pub fn canonical(&self) -> &str {
        self.spelled.as_ref().unwrap_or(&self.name)
    }
}

/// Where an expression stands: what it may hold, and how messages call the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clause {
    From,
    On,
    Where,
    GroupBy,
    Having,
    Items,
    OrderBy,
    DistinctOn,
    Limit,
    Offset,
    Values,
    Set,
    Returning,
    Default,
    Check,
    AsOf,
    FrameRows,
    FrameRange,
    FrameGroups,
}

impl Clause {
    pub fn name(self) -> &'static str {
        match self {
            Clause::From => "functions in FROM",
            Clause::On => "JOIN conditions",
            Clause::Where => "WHERE",
            Clause::GroupBy => "GROUP BY",
            Clause::Having => "HAVING",
            Clause::Items => "SELECT",
            Clause::OrderBy => "ORDER BY",
            Clause::DistinctOn => "DISTINCT ON",
            Clause::Limit => "LIMIT",
            Clause::Offset => "OFFSET",
            Clause::Values => "VALUES",
            Clause::Set => "UPDATE",
            Clause::Returning => "RETURNING",
            Clause::Default => "DEFAULT expressions",
            Clause::Check => "check constraints",
            Clause::AsOf => "AS OF",
            Clause::FrameRows => "window ROWS",
            Clause::FrameRange => "window RANGE",
            Clause::FrameGroups => "window GROUPS",
        }
    }

    pub fn takes_aggregates(self) -> bool {
        matches!(self, Clause::Items | Clause::Having | Clause::OrderBy | Clause::DistinctOn)
    }

    pub fn takes_windows(self) -> bool {
        matches!(self, Clause::Items | Clause::OrderBy | Clause::DistinctOn)
    }

    /// Whether a set-returning function may stand there.
    pub fn takes_sets(self) -> bool {
        self == Clause::Items
    }
}

/// Columns from here on stand, until the query is grouped, for its aggregates in order.
pub const AGGREGATES: usize = 1 << 40;
/// Columns from here on stand, until the query is grouped, for its GROUPING calls in order.
pub const GROUPINGS: usize = (1 << 40) + (1 << 39);
/// Columns from here on stand, until the query's windows are computed, for its window calls in order.
pub const WINDOWS: usize = 1 << 41;
/// Columns from here on stand, until the query is projected, for the results of set-returning functions in order.
pub const SETS: usize = 1 << 42;

/// Where in a window call an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InWindow {
    Arguments,
    Definition,
}

#[derive(Debug)]
pub struct Frame {
    pub scope: Scope,
    pub clause: Clause,
    /// False for the left side of a join while a right side that is not LATERAL is bound.
    pub visible: bool,
    pub aggregates: Vec<hir::Aggregate>,
    pub groupings: Vec<GroupingCall>,
    pub windows: Windows,
    /// Set-returning calls of the select list.
    pub sets: Vec<TableCall>,
    /// Inside an aggregate's arguments.
    pub in_aggregate: bool,
    /// Inside a window call.
    pub in_window: Option<InWindow>,
    /// Whether it is evaluated once for each row of a statement, so that sequence functions may be called.
    pub takes_effects: bool,
    /// Which columns were named where, outside aggregates: for the error about one that is not grouped.
    pub references: Vec<(usize, u32)>,
}

/// A call of a table function, bound.
#[derive(Clone, Debug)]
pub struct TableCall {
    pub func: crate::scalar::TableFunc,
    pub args: Vec<Expr>,
    pub names: Vec<String>,
    pub types: Vec<ColumnType>,
}

impl Frame {
    pub fn new(scope: Scope, clause: Clause) -> Frame {
        Frame {
            scope,
            clause,
            visible: true,
            aggregates: Vec::new(),
            groupings: Vec::new(),
            windows: Windows::default(),
            sets: Vec::new(),
            in_aggregate: false,
            in_window: None,
            takes_effects: false,
            references: Vec::new(),
        }
    }
}

/// What a name was found to be in one scope.
pub enum Found {
    Column(usize),
    Ambiguous,
    /// The qualifier is an entry, but it has no such column.
    NoColumn,
    Nothing,
}

impl Scope {
    /// Adds a column to a scope of one entry that `*` does not name.
    pub fn hide_column(&mut self, name: &str, typ: ColumnType) {
        self.columns.push(ScopeColumn { relation: Some(0), hidden: true, ..ScopeColumn::named(name, typ) });
    }

    /// Adds columns to a scope of one entry.
    pub fn add_columns<'n>(&mut self, columns: impl Iterator<Item = (&'n str, ColumnType)>) {
        for (name, typ) in columns {
            self.star.push(self.columns.len());
            self.columns.push(ScopeColumn { relation: Some(0), ..ScopeColumn::named(name, typ) });
        }
    }

    /// The scope of one entry with these columns.
    pub fn of_relation(relation: ScopeRelation, columns: Vec<(String, ColumnType)>) -> Scope {
        let columns: Vec<ScopeColumn> = columns
            .into_iter()
            .map(|(name, typ)| ScopeColumn { relation: Some(0), ..ScopeColumn::named(name, typ) })
            .collect();
        Scope { relations: vec![relation], star: (0..columns.len()).collect(), columns }
    }

    /// The scope of a catalog item under `relation`'s name: the columns that have a name in their place, under it. Nothing can name the
    /// others, which lie in the relation all the same.
    pub fn of_item(relation: ScopeRelation, item: &Item, names: &[Option<&str>]) -> Scope {
        let columns = item.columns().iter().map(|column| (column.name.clone(), column.typ.clone()));
        let mut scope = Scope::of_relation(relation, columns.collect());
        for (at, column) in scope.columns.iter_mut().enumerate() {
            column.origin = Some((item.id, at));
            match names.get(at).copied().flatten() {
                Some(name) => name.clone_into(&mut column.name),
                None => (column.relation, column.bare, column.hidden) = (None, false, true),
            }
        }
        scope.star.retain(|at| scope.columns[*at].relation.is_some());
        scope
    }

    /// Gives columns of a scope of one entry whose names repeat names of their own, as [`ScopeColumn::spelled`]. Whether any did.
    pub fn spell_repeated(&mut self) -> bool {
        let names: Vec<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        let mut taken: BTreeSet<String> = names.iter().cloned().collect();
        for (at, name) in names.iter().enumerate() {
            if names.iter().filter(|other| *other == name).count() > 1 {
                let mut numbered = (1..).map(|number| format!("{name}_{number}"));
                let spelled = numbered.find(|name| !taken.contains(name));
                taken.extend(spelled.clone());
                self.columns[at].spelled = spelled;
            }
        }
        self.columns.iter().any(|column| column.spelled.is_some())
    }

    /// The scope of a join's row: this one's columns, then the other's.
    pub fn join(mut self, right: Scope) -> Scope {
        let (columns, relations) = (self.columns.len(), self.relations.len());
        self.star.extend(right.star.into_iter().map(|column| column + columns));
        self.relations.extend(right.relations.into_iter().map(|mut relation| {
            let own = relation.keys.iter_mut().chain(&mut relation.merged).flatten();
            own.for_each(|column| *column += columns);
            relation
        }));
        self.columns.extend(right.columns.into_iter().map(|mut column| {
            column.relation = column.relation.map(|relation| relation + relations);
            column
        }));
        self
    }

    pub fn set_nullable(&mut self) {
        self.columns.iter_mut().for_each(|column| column.typ.nullable = true);
    }

    /// The columns of one entry, in order.
    pub fn columns_of(&self, relation: usize) -> Vec<usize> {
        match &self.relations[relation].merged {
            Some(columns) => columns.clone(),
            None => {
                let own = |column: &usize| self.columns[*column].relation == Some(relation);
                (0..self.columns.len()).filter(own).collect()
            }
        }
    }

    /// The entry that a qualifier means.
    pub fn find_relation(&self, qualifier: &[ast::Ident]) -> Option<usize> {
        let name = &qualifier.last()?.name;
        let schema = qualifier.len().checked_sub(2).map(|at| &qualifier[at].name);
        self.relations.iter().position(|relation| {
            relation.name == *name && schema.is_none_or(|schema| relation.schema.as_ref() == Some(schema))
        })
    }

    pub fn find(&self, name: &ast::Name) -> Found {
        let column = &name.last().name;
        let matches = |at: &usize| self.columns[*at].name == *column;
        let candidates: Vec<usize> = match name.qualifier() {
            [] => (0..self.columns.len()).filter(|at| self.columns[*at].bare).filter(matches).collect(),
            qualifier => match self.find_relation(qualifier) {
                None => return Found::Nothing,
                Some(relation) => {
                    let own = self.columns_of(relation);
                    let found: Vec<usize> = own.iter().copied().filter(matches).collect();
                    let spelled = |at: &usize| self.columns[*at].spelled.as_ref() == Some(column);
                    match found.is_empty().then(|| own.into_iter().find(spelled)) {
                        None => found,
                        Some(Some(spelled)) => return Found::Column(spelled),
                        Some(None) => return Found::NoColumn,
                    }
                }
            },
        };
        match candidates.as_slice() {
            [] => Found::Nothing,
            [column] => Found::Column(*column),
            _ => Found::Ambiguous,
        }
    }

    /// The value that the name of a function's entry means.
    pub fn find_value(&self, name: &str) -> Option<usize> {
        let entry = self.relations.iter().position(|relation| relation.is_scalar && relation.name == name)?;
        self.columns_of(entry).first().copied()
    }

    /// The one entry whose name begins with this letter, where a qualifier is a letter that nothing is called.
    pub fn find_initial(&self, qualifier: &[ast::Ident]) -> Option<usize> {
        let [letter] = qualifier else { return None };
        let begins = |relation: &&ScopeRelation| {
            letter.name.chars().count() == 1 && relation.name.starts_with(&letter.name)
        };
        let mut found = self.relations.iter().enumerate().filter(|(_, relation)| begins(relation));
        let (at, _) = found.next()?;
        found.next().is_none().then_some(at)
    }
}

/// `42703` with the nearest name in sight.
pub fn undefined_column<'a>(name: &ast::Name, scopes: impl Iterator<Item = &'a Scope>) -> Error {
    let column = &name.last().name;
    let qualifier: Vec<&str> = name.qualifier().iter().map(|part| part.name.as_str()).collect();
    let message = match qualifier.is_empty() {
        true => format!("column \"{column}\" does not exist"),
        false => format!("column {}.{column} does not exist", qualifier.join(".")),
    };
    let mut near: Vec<String> = Vec::new();
    for scope in scopes {
        let relation = match name.qualifier() {
            [] => None,
            qualifier => scope.find_relation(qualifier),
        };
        let candidates = scope.columns.iter().filter(|c| relation.is_none() || c.relation == relation);
        near.extend(nearest(column, candidates.map(|c| c.name.as_str())).map(str::to_owned));
    }
    let error = Error::new(SqlState::UNDEFINED_COLUMN, message).at(name.position());
    match near.first() {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error,
    }
}

pub fn ambiguous_column(name: &ast::Name) -> Error {
    let message = format!("column reference \"{}\" is ambiguous", name.last().name);
    Error::new(SqlState::AMBIGUOUS_COLUMN, message).at(name.position())
}

/// `42P01` for a qualifier that nothing in FROM is called.
pub fn missing_from_entry<'a>(name: &ast::Name, scopes: impl Iterator<Item = &'a Scope> + Clone) -> Error {
    let relation = &name.qualifier().last().expect("invariant: asked for qualified names only").name;
    let undefined = |message| Error::new(SqlState::UNDEFINED_TABLE, message).at(name.position());
    let mut entries = scopes.clone().flat_map(|scope| &scope.relations);
    if let Some(entry) = entries.find(|entry| entry.hidden.as_ref() == Some(relation)) {
        let alias = &entry.name;
        return undefined(format!("invalid reference to FROM-clause entry for table \"{relation}\""))
            .hint(format!("Perhaps you meant to reference the table alias \"{alias}\"."));
    }
    let error = undefined(format!("missing FROM-clause entry for table \"{relation}\""));
    let names = |scope: &'a Scope| nearest(relation, scope.relations.iter().map(|r| r.name.as_str()));
    let mut scopes = scopes;
    match scopes.find_map(names) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error,
    }
}
