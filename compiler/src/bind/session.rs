//! Every statement's entry, and the statements of the session: EXPLAIN, SHOW, SET, cursors, transactions.

use std::collections::BTreeSet;

use super::Binder;
use super::bound::{Bound, Cursor, Explained, scalar};
use super::coerce::{Cast, Typed};
use super::scope::Clause;
use super::subscribe::is_push;
use crate::ast::{self, ExplainOf, ObjectKind, Statement};
use crate::catalog::{Kind, MaterializedView};
use crate::error::{Error, SqlState};
use crate::hir::Query;
use crate::mir::CollectionId;
use crate::plan::Plan;
use crate::repr::Type;
use crate::scalar::ScalarExpr;

impl Binder<'_> {
    /// Binds a statement. Its tree becomes canonical on the way.
    pub fn bind_statement(&mut self, statement: &mut Statement) -> Result<Bound, Error> {
        match statement {
            Statement::Query(query) if is_push(query) => Ok(Bound::Subscribe(self.bind_push(query)?)),
            Statement::Query(query) => match self.bind_effect(query)? {
                Some(called) => Ok(called),
                None => {
                    self.outermost = true;
                    Ok(Bound::Query(self.bind_result(query)?))
                }
            },
            Statement::Insert(insert) => self.bind_insert(insert),
            Statement::Update(update) => self.bind_update(update),
            Statement::Delete(delete) => self.bind_delete(delete),
            Statement::Truncate(truncate) => self.bind_truncate(truncate),
            Statement::Copy(copy) => self.bind_copy(copy),
            Statement::CreateSchema(create) => self.bind_create_schema(create),
            Statement::CreateTable(create) => self.bind_create_table(create),
            Statement::CreateStream(create) => self.bind_create_stream(create),
            Statement::CreateView(create) => self.bind_create_view(create),
            Statement::CreateIndex(create) => self.bind_create_index(create),
            Statement::CreateSequence(create) => self.bind_create_sequence(create),
            Statement::Drop(drop) => self.bind_drop(drop),
            Statement::Alter(alter) => self.bind_alter(alter),
            Statement::Comment(comment) => self.bind_comment(comment),
            Statement::Subscribe(subscribe) => Ok(Bound::Subscribe(self.bind_subscribe(subscribe)?)),
            Statement::Explain(explain) => self.bind_explain(explain),
            Statement::Declare(declare) => self.bind_declare(declare),
            Statement::Prepare(prepare) => self.bind_prepare(prepare).map(Bound::Plan),
            other => bind_session(other).map(Bound::Plan),
        }
    }

    /// A query whose rows are sent: no column is left without a type.
    pub(super) fn bind_result(&mut self, query: &mut ast::Query) -> Result<Query, Error> {
        let mut bound = self.bind_query(query)?;
        self.settle_columns(&mut bound)?;
        Ok(bound)
    }

    /// A query of the catalog, as its definition is bound; and the columns of other items that it names.
    pub fn bind_stored(
        mut self,
        query: &mut ast::Query,
    ) -> Result<(Query, BTreeSet<(CollectionId, usize)>), Error> {
        let mut bound = self.bind_result(query)?;
        if self.purpose == super::STREAM {
            self.join_at_arrival(&mut bound.rel)?;
        }
        Ok((bound, self.facts.columns))
    }

    fn bind_explain(&mut self, explain: &mut ast::Explain) -> Result<Bound, Error> {
        for option in &explain.options {
            match option.name.name.as_str() {
                "verbose" | "costs" | "settings" | "summary" => {}
                "format" if option.text()?.eq_ignore_ascii_case("text") => {}
                "analyze" | "buffers" | "wal" | "timing" if !option.boolean()? => {}
                other => {
                    let message = format!("EXPLAIN option \"{other}\" is not supported");
                    return Err(Error::unsupported(message).at(option.name.position));
                }
            }
        }
        let of = match &mut explain.of {
            ExplainOf::Statement(statement) => {
                Explained::Statement(Box::new(self.bind_statement(statement)?))
            }
            ExplainOf::Item { kind, name } => {
                let item = self.resolve_item(name)?;
                let matches = matches!(
                    (kind, &item.kind),
                    (ObjectKind::View, Kind::View(_) | Kind::MaterializedView(_))
                        | (ObjectKind::MaterializedView, Kind::MaterializedView(_))
                        | (ObjectKind::Stream, Kind::Stream(_))
                        | (ObjectKind::Index, Kind::Index(_))
                        | (
                            ObjectKind::Table,
                            Kind::Table(_) | Kind::MaterializedView(MaterializedView { table: true, .. })
                        )
                );
                if !matches {
                    let message = format!("\"{}\" is a {}", item.name, item.kind_name());
                    return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(name.position()));
                }
                self.facts.depends_on.insert(item.id);
                Explained::Item(item.id)
            }
        };
        Ok(Bound::Explain { stage: explain.stage, of })
    }

    fn bind_declare(&mut self, declare: &mut ast::Declare) -> Result<Bound, Error> {
        let body = match &mut declare.body {
            ast::CursorBody::Query(query) if is_push(query) => Cursor::Subscribe(self.bind_push(query)?),
            ast::CursorBody::Query(query) => {
                self.outermost = true;
                Cursor::Query(self.bind_result(query)?)
            }
            ast::CursorBody::Subscribe(subscribe) => Cursor::Subscribe(self.bind_subscribe(subscribe)?),
        };
        Ok(Bound::Declare { declare: Box::new(declare.clone()), body })
    }
}

/// Statements in which nothing is looked up.
fn bind_session(statement: &Statement) -> Result<Plan, Error> {
    let name = |name: &Option<ast::Ident>| name.as_ref().map(|name| name.name.clone());
    Ok(match statement {
        Statement::Show(ast::Show::All) => Plan::Show { parameter: None },
        Statement::Show(ast::Show::Parameter(parameter)) => {
            Plan::Show { parameter: Some(parameter.name.clone()) }
        }
        Statement::Set(set) => {
            Plan::Set { local: set.local, parameter: set.parameter.name.clone(), value: set.value.clone() }
        }
        Statement::SetTransaction(set) => {
            Plan::SetTransaction { session: set.session, modes: set.modes.clone() }
        }
        Statement::Reset(parameter) => Plan::Reset { parameter: name(parameter) },
        Statement::Begin(modes) => Plan::Begin(modes.clone()),
        Statement::Commit { chain } => Plan::Commit { chain: *chain },
        Statement::Rollback { chain } => Plan::Rollback { chain: *chain },
        Statement::Savepoint(name) => Plan::Savepoint { name: name.name.clone() },
        Statement::Release(name) => Plan::Release { savepoint: name.name.clone() },
        Statement::RollbackTo(name) => Plan::RollbackTo { savepoint: name.name.clone() },
        Statement::Execute(execute) => {
            Plan::Execute { name: execute.name.name.clone(), args: execute.args.clone() }
        }
        Statement::Deallocate(prepared) => Plan::Deallocate { name: name(prepared) },
        Statement::Fetch(fetch) => Plan::Fetch(fetch.clone()),
        Statement::Close(cursor) => Plan::Close { name: name(cursor) },
        Statement::Discard(what) => Plan::Discard(*what),
        Statement::Unsupported { what, position } => {
            return Err(Error::unsupported(format!("{what} is not supported")).at(*position));
        }
        _ => unreachable!("invariant: the caller binds every other statement"),
    })
}

impl Binder<'_> {
    /// PREPARE: the types that it declares; the statement is compiled when the session first needs it.
    fn bind_prepare(&mut self, prepare: &ast::Prepare) -> Result<Plan, Error> {
        let types =
            prepare.types.iter().map(|typ| self.bind_type(typ).map(Some)).collect::<Result<Vec<_>, _>>()?;
        let statement = Box::new(prepare.statement.clone());
        Ok(Plan::Prepare { name: prepare.name.name.clone(), types, statement })
    }

    /// EXECUTE's arguments, each of its parameter's type.
    pub fn bind_arguments(&mut self, args: &[ast::Expr], types: &[Type]) -> Result<Vec<ScalarExpr>, Error> {
        if args.len() != types.len() {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                "wrong number of parameters for prepared statement",
            )
            .detail(format!("Expected {} parameters but got {}.", types.len(), args.len())));
        }
        let mut bound = Vec::with_capacity(args.len());
        for (arg, typ) in args.iter().zip(types) {
            let position = arg.start();
            let value = self.bind_without_columns(&mut arg.clone(), Clause::Values)?;
            let value = self.coerce(Typed { expr: value, position }, typ, Cast::Assignment)?;
            let value = scalar(&value).ok_or_else(|| {
                Error::unsupported("subqueries in EXECUTE's arguments are not supported").at(position)
            })?;
            bound.push(value);
        }
        Ok(bound)
    }
}
