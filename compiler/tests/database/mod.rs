//! A database in a few lines: the compiler, the interpreter, and a map of what each table holds.
//!
//! It runs every query as bound (decorrelated, not optimized) and as optimized, and panics where they differ, so that each
//! golden answer is a test of both.

use std::collections::BTreeMap;

use compiler::ast::Statement;
use compiler::bind::{Binder, Bound, Purpose};
use compiler::catalog::{Catalog, Change};
use compiler::interpret::evaluate;
use compiler::mir::{CollectionId, Contents};
use compiler::plan::{Context, Finishing, Plan, Query};
use compiler::repr::text::{self, TextSettings};
use compiler::repr::{Arena, Datum, Row, Type, canonical};
use compiler::{Error, compile, empty_catalog, parse};

pub struct Database {
    pub catalog: Catalog,
    contents: BTreeMap<CollectionId, Vec<(Row, i64)>>,
}

/// 2026-01-01 00:00 UTC, from 2000-01-01.
const NOW: i64 = 820_540_800_000_000;

pub fn context() -> Context {
    let parameters = [("timezone", "UTC"), ("search_path", "public"), ("datestyle", "ISO, MDY")];
    Context {
        search_path: vec!["public".into()],
        settings: TextSettings { now: Some(NOW), ..TextSettings::default() },
        parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        user: "tester".into(),
        database: "test".into(),
        now: Some(NOW),
        ..Context::default()
    }
}

impl Database {
    pub fn new() -> Database {
        Database { catalog: empty_catalog(), contents: BTreeMap::new() }
    }

    /// The outcome of a text of statements, as lines: rows, tags, notices, the error.
    pub fn run(&mut self, sql: &str) -> Vec<String> {
        let statements = match parse::parse(sql) {
            Ok(statements) => statements,
            Err(error) => return error_lines(&error),
        };
        let mut lines = Vec::new();
        for statement in statements {
            match self.execute(&statement.node, &mut lines) {
                Ok(()) => {}
                Err(error) => {
                    lines.extend(error_lines(&error));
                    break;
                }
            }
        }
        lines
    }

    fn execute(&mut self, statement: &Statement, lines: &mut Vec<String>) -> Result<(), Error> {
        let compiled = compile(statement, &self.catalog, &context())?;
        for notice in &compiled.notices {
            lines.push(format!("NOTICE: {}", notice.message));
            lines.extend(notice.detail.iter().map(|detail| format!("DETAIL: {detail}")));
            lines.extend(notice.hint.iter().map(|hint| format!("HINT: {hint}")));
        }
        if !compiled.parameters.is_empty() {
            let types: Vec<String> = compiled.parameters.iter().map(Type::to_string).collect();
            lines.push(format!("parameters: {}", types.join(", ")));
            return Ok(());
        }
        match compiled.plan {
            Plan::Query(query) => {
                let rows = self.rows(statement, &query)?;
                lines.extend(rows.iter().map(|row| row_text(row, &query)));
                if lines.is_empty() {
                    lines.push("(no rows)".into());
                }
            }
            Plan::Insert(insert) => {
                let rows = self.rows(statement, &insert.source)?;
                lines.push(format!("INSERT {}", rows.len()));
                // Constraints are the engine's to keep; here a statement that would break one leaves the table alone.
                let columns = self.catalog.item(insert.table).expect("it was bound").columns();
                let null = |row: &Row| {
                    row.unpack()
                        .iter()
                        .zip(columns)
                        .any(|(datum, column)| datum.is_null() && !column.typ.nullable)
                };
                if insert.on_conflict.is_some() || rows.iter().any(null) {
                    return Ok(());
                }
                self.contents.entry(insert.table).or_default().extend(rows.into_iter().map(|row| (row, 1)));
            }
            Plan::Update(update) => {
                let arity = self.catalog.item(update.table).expect("it was bound").columns().len();
                let rows = self.rows(statement, &update.selection)?;
                lines.push(format!("UPDATE {}", rows.len()));
                let table = self.contents.entry(update.table).or_default();
                for row in rows {
                    let datums = row.unpack();
                    table.push((Row::pack(datums[..arity].iter().copied()), -1));
                    table.push((Row::pack(datums[arity..2 * arity].iter().copied()), 1));
                }
            }
            Plan::Delete(delete) => {
                let rows = self.rows(statement, &delete.selection)?;
                lines.push(format!("DELETE {}", rows.len()));
                self.contents.entry(delete.table).or_default().extend(rows.into_iter().map(|row| (row, -1)));
            }
            Plan::Change(change) => {
                let filled = match &change.fill {
                    Some(fill) => Some((fill.table, self.rows(statement, &fill.source)?)),
                    None => None,
                };
                self.catalog = self.catalog.apply_all(&change.changes)?;
                lines.push(change.tag.to_owned());
                for change in &change.changes {
                    if let Change::CreateItem(item) = change
                        && let Some(definition) = item.definition()
                    {
                        lines.push(format!("text: {}", definition.sql));
                    }
                }
                if let Some((table, rows)) = filled {
                    self.contents.entry(table).or_default().extend(rows.into_iter().map(|row| (row, 1)));
                }
            }
            Plan::Explain { lines: plan } => lines.extend(plan),
            Plan::Nothing { tag } => lines.push(tag.to_owned()),
            other => {
                let text = format!("{other:?}");
                lines.push(text.split(['(', '{']).next().unwrap_or_default().trim().to_owned());
            }
        }
        Ok(())
    }

    /// The rows of a statement's query, by its bound and by its optimized relation.
    fn rows(&self, statement: &Statement, query: &Query) -> Result<Vec<Row>, Error> {
        let contents = self.all_contents()?;
        let mut statement = statement.clone();
        let context = context();
        let mut binder = Binder::new(&self.catalog, &context, Purpose::Once);
        let bound = match binder.bind_statement(&mut statement)? {
            Bound::Query(bound) => bound,
            Bound::Insert(insert) => insert.source,
            Bound::Update(update) => update.selection,
            Bound::Delete(delete) => delete.selection,
            Bound::Change(ddl) => ddl.fill.expect("only a filling change is asked for").source,
            other => panic!("no query in {other:?}"),
        };
        let finishing = Finishing {
            order: bound.order.clone(),
            limit: bound.limit.as_ref().and_then(|limit| limit.to_local_scalar()),
            offset: bound.offset.as_ref().and_then(|offset| offset.to_local_scalar()),
            project: bound.project.clone(),
        };
        let plain = compiler::decorrelate::decorrelate(&bound.rel)?;
        let optimized = compiler::optimize::optimize(plain.clone());
        let plain = evaluate(&plain, &contents).map(|rows| finish(rows, &finishing));
        let optimized = evaluate(&optimized, &contents).map(|rows| finish(rows, &finishing));
        match (plain, optimized) {
            (Ok(plain), Ok(optimized)) => {
                let key = |rows: &[Row]| {
                    let mut rows: Vec<String> = rows.iter().map(|row| row_text(row, query)).collect();
                    rows.sort();
                    rows
                };
                assert_eq!(key(&plain), key(&optimized), "optimizing changed the answer");
                Ok(optimized)
            }
            (_, Err(error)) | (Err(error), _) => Err(error.into()),
        }
    }

    /// Tables, and views over them.
    fn all_contents(&self) -> Result<Contents, Error> {
        let mut contents: Contents = self.contents.clone();
        for item in self.catalog.items() {
            if let Some(rel) = &item.bound.rel {
                contents.insert(item.id, evaluate(rel, &contents)?);
            }
            contents.entry(item.id).or_default();
        }
        Ok(contents)
    }
}

/// Sorts, skips, cuts and projects; what is not ordered is sorted by its bytes.
fn finish(rows: Vec<(Row, i64)>, finishing: &Finishing) -> Vec<Row> {
    let arena = Arena::default();
    let mut rows: Vec<(Vec<u8>, Row)> = rows
        .into_iter()
        .flat_map(|(row, diff)| {
            assert!(diff >= 0, "a query's row has a negative multiplicity");
            let mut key = Vec::new();
            let datums = row.unpack();
            for sort in &finishing.order {
                let value = sort.expr.eval(&datums, &arena).unwrap_or(Datum::Null);
                canonical::encode_sort_key(value, sort.desc, sort.nulls_first, &mut key);
            }
            std::iter::repeat_n((key, row.clone()), diff as usize).collect::<Vec<_>>()
        })
        .collect();
    rows.sort();
    let count = |expr: &Option<compiler::scalar::ScalarExpr>| {
        expr.as_ref().and_then(|expr| match expr.eval(&[], &arena) {
            Ok(Datum::Int(count)) => Some(count as usize),
            _ => None,
        })
    };
    let limit = count(&finishing.limit).unwrap_or(usize::MAX);
    let rows = rows.into_iter().skip(count(&finishing.offset).unwrap_or(0)).take(limit);
    rows.map(|(_, row)| {
        let datums = row.unpack();
        Row::pack(finishing.project.iter().map(|column| datums[*column]))
    })
    .collect()
}

fn row_text(row: &Row, query: &Query) -> String {
    let datums = row.unpack();
    let cells = datums.iter().zip(&query.columns).map(|(datum, column)| match datum {
        Datum::Null => "NULL".to_owned(),
        Datum::Error(error) => format!("error: {}", (*error).to_owned().message),
        datum => {
            let mut out = String::new();
            text::format(*datum, &column.typ, &TextSettings::default(), &mut out);
            out
        }
    });
    cells.collect::<Vec<_>>().join(" | ")
}

fn error_lines(error: &Error) -> Vec<String> {
    let position = error.position.map_or(String::new(), |position| format!(" at {position}"));
    let mut lines = vec![format!("ERROR {}{position}: {}", error.code.code(), error.message)];
    lines.extend(error.detail.iter().map(|detail| format!("DETAIL: {}", detail.replace('\n', " / "))));
    lines.extend(error.hint.iter().map(|hint| format!("HINT: {hint}")));
    lines
}
