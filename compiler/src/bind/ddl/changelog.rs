//! The two sides of a relation, as queries over its changelog: a stream FROM CHANGES OF a relation, a table FROM LATEST OF a stream.
//!
//! ```text
//!   CREATE STREAM c FROM CHANGES OF t       SELECT * FROM CHANGES(t)
//!
//!   CREATE TABLE t FROM LATEST OF s KEY (k) SELECT DISTINCT ON (k) s.* FROM CHANGES(s)
//!                                           ORDER BY k, tw_timestamp DESC, ...
//! ```
//!
//! What the latest row is, is part of the text: that of the latest transaction; of one transaction's rows the one whose event was latest;
//! among these the one with the greatest columns. So any number of workers and any restart find the same one.

use super::change;
use super::key::check_key_type;
use super::table::TableAs;
use crate::ast::{self, Direction, ExprKind, Ident, Nulls, SelectItem, SetExpr, Truth};
use crate::bind::Binder;
use crate::bind::bound::{Bound, Step};
use crate::bind::dml::item_column;
use crate::catalog::{Item, Kind};
use crate::error::{Error, SqlState};
use crate::mir::CHANGE_COLUMNS;

/// `LATEST OF`'s only option: a row that is NULL but for its key deletes its key's row.
const DELETE_ON_NULL: &str = "delete_on_null";

/// `SELECT * FROM CHANGES(relation)`.
pub(super) fn changes_of(relation: &ast::Name) -> ast::Query {
    let position = relation.position();
    select(vec![SelectItem::Star(position)], changes(relation), position)
}

/// The columns of a change have names of their own.
pub(super) fn check_names(item: &Item) -> Result<(), Error> {
    let taken = |name: &&str| item.present_columns().any(|(_, column)| column.name == **name);
    match CHANGE_COLUMNS.iter().find(|name| taken(name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("column \"{name}\" specified more than once");
            Err(Error::new(SqlState::DUPLICATE_COLUMN, message).hint(format!(
                "CREATE STREAM … AS SELECT … FROM CHANGES({}) gives the columns other names.",
                item.name
            )))
        }
    }
}

/// `CREATE TABLE schema.name FROM LATEST OF stream KEY (key) WITH (options)`.
pub(super) struct LatestOf<'a> {
    pub schema: String,
    pub name: String,
    pub stream: &'a mut ast::Name,
    pub key: &'a [Ident],
    pub options: &'a [ast::Opt],
}

impl Binder<'_> {
    pub(super) fn bind_latest_of(&mut self, latest: LatestOf<'_>) -> Result<Bound, Error> {
        let LatestOf { schema, name, stream, key, options } = latest;
        let item = self.resolve_relation(stream)?;
        let Kind::Stream(of) = &item.kind else {
            let message = format!("\"{}\" is not a stream", item.name);
            return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message)
                .detail(format!("A {} has no earlier rows besides its present ones.", item.kind_name()))
                .hint(format!("SELECT DISTINCT ON (key) * FROM {} takes one row of each key.", item.name))
                .at(stream.position()));
        };
        check_names(&item).map_err(|error| error.at(stream.position()))?;
        let keys = key.iter().map(|name| item_column(&item, name)).collect::<Result<Vec<_>, _>>()?;
        for (column, name) in keys.iter().zip(key) {
            check_key_type(&item.columns()[*column].typ.typ).map_err(|error| error.at(name.position))?;
        }
        let others: Vec<usize> =
            item.present_columns().map(|(at, _)| at).filter(|at| !keys.contains(at)).collect();
        let mut query = latest_rows(&item, stream, &keys, of.timestamp, &others);
        if deletes_on_null(options)? {
            if others.is_empty() {
                let message = "a row of nothing but its key is never NULL";
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                    .hint("Leave DELETE_ON_NULL out.")
                    .at(stream.position()));
            }
            query = without_null_rows(query, &item, &others, stream.position());
        }
        let table = TableAs { schema, name, names: &[], query: &mut query, with_data: true };
        let table = self.bind_kept_table(table)?;
        let place = |column: &usize| item.present_columns().position(|(at, _)| at == *column);
        let index = self.index_of_key(&table, keys.iter().filter_map(place).collect());
        Ok(change("CREATE TABLE", [table, index].map(|item| Step::Create(Box::new(item))).into()))
    }
}

fn deletes_on_null(options: &[ast::Opt]) -> Result<bool, Error> {
    let mut deletes = false;
    for option in options {
        if option.name.name != DELETE_ON_NULL {
            let message = format!("option \"{}\" is not supported", option.name.name);
            return Err(Error::unsupported(message)
                .hint("LATEST OF takes DELETE_ON_NULL: a row that is NULL but for its key deletes.")
                .at(option.name.position));
        }
        deletes = option.boolean()?;
    }
    Ok(deletes)
}

/// Of each key the row that came last.
fn latest_rows(
    item: &Item,
    stream: &ast::Name,
    keys: &[usize],
    event_time: Option<usize>,
    others: &[usize],
) -> ast::Query {
    let position = stream.position();
    let named = |at: &usize| column(&item.columns()[*at].name, position);
    let last = |expr| ast::OrderBy { expr, direction: Direction::Descending, nulls: Some(Nulls::Last) };
    let by_key =
        keys.iter().map(|at| ast::OrderBy { expr: named(at), direction: Direction::Default, nulls: None });
    // A row that is not committed yet has no time: it is later than all others.
    let by_arrival = ast::OrderBy {
        expr: column(CHANGE_COLUMNS[0], position),
        direction: Direction::Descending,
        nulls: Some(Nulls::First),
    };
    let by_event = event_time.iter().filter(|at| !keys.contains(at)).map(|at| last(named(at)));
    let comparable = |at: &&usize| check_key_type(&item.columns()[**at].typ.typ).is_ok();
    let by_rest =
        others.iter().filter(|at| Some(**at) != event_time).filter(comparable).map(|at| last(named(at)));
    let items = item.present_columns().map(|(at, _)| SelectItem::Expr { expr: named(&at), alias: None });
    let mut query = select(items.collect(), changes(stream), position);
    if let SetExpr::Select(select) = &mut query.body {
        select.distinct = ast::Distinct::On(keys.iter().map(named).collect());
    }
    query.order_by = by_key.chain([by_arrival]).chain(by_event).chain(by_rest).collect();
    query
}

/// The rows that hold something besides their key.
fn without_null_rows(query: ast::Query, item: &Item, others: &[usize], position: u32) -> ast::Query {
    let is_there = |at: &usize| {
        let operand = Box::new(column(&item.columns()[*at].name, position));
        ast::Expr::new(ExprKind::Is { operand, test: Truth::Null, negated: true }, position)
    };
    let mut conditions: Vec<ast::Expr> = others.iter().map(is_there).collect();
    let condition = match conditions.len() {
        1 => conditions.remove(0),
        _ => ast::Expr::new(ExprKind::Or(conditions), position),
    };
    let alias = ast::Alias { name: Ident { name: "latest".to_owned(), position }, columns: Vec::new() };
    let source =
        ast::Source::Subquery { query: Box::new(query), lateral: false, alias: Some(alias), position };
    let mut outer = select(vec![SelectItem::Star(position)], source, position);
    if let SetExpr::Select(select) = &mut outer.body {
        select.filter = Some(condition);
    }
    outer
}

fn changes(relation: &ast::Name) -> ast::Source {
    ast::Source::Relation {
        name: relation.clone(),
        meant: None,
        only: false,
        changes: true,
        alias: None,
        system_time: None,
        sample: None,
    }
}

fn column(name: &str, position: u32) -> ast::Expr {
    let name = ast::Name { parts: vec![Ident { name: name.to_owned(), position }] };
    ast::Expr::new(ExprKind::Column(name), position)
}

fn select(items: Vec<SelectItem>, from: ast::Source, position: u32) -> ast::Query {
    let select = ast::Select {
        distinct: ast::Distinct::All,
        items,
        from: vec![ast::FromItem { first: from, joins: Vec::new() }],
        filter: None,
        group_by: None,
        having: None,
        windows: Vec::new(),
        time_window: None,
        position,
    };
    ast::Query {
        with: None,
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
