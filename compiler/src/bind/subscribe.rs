//! SUBSCRIBE, and the query that ends in EMIT CHANGES: the changes of a relation as rows.
//!
//! Both are one statement in two shapes. SUBSCRIBE's rows say when and how often; a push query's are the query's own, and of a result
//! whose rows can go they say behind their columns whether they come or go.

use super::bound::{Subscribe, scalar, whole};
use super::coerce::{Cast, Typed};
use super::scope::Clause;
use super::{Binder, Purpose};
use crate::ast::{self, Emit, Subject};
use crate::catalog::Kind;
use crate::error::{Error, SqlState};
use crate::hir::{Query, Rel};
use crate::plan::Shape;
use crate::repr::Type;
use crate::scalar::ScalarExpr;

/// Whether the query asks for its changes instead of its rows.
pub(super) fn is_push(query: &ast::Query) -> bool {
    query.emit == Some(Emit::Changes)
}

impl Binder<'_> {
    pub(super) fn bind_subscribe(&mut self, subscribe: &mut ast::Subscribe) -> Result<Subscribe, Error> {
        if let Some(envelope) = &subscribe.envelope {
            let message = format!("ENVELOPE {} is not supported", envelope.kind.name.to_uppercase());
            return Err(Error::unsupported(message).at(envelope.kind.position));
        }
        let query = match &mut subscribe.to {
            Subject::Relation(name) => self.subscribed(|binder| binder.bind_subject(name))?,
            Subject::Query(query) => self.subscribed(|binder| binder.bind_result(query))?,
        };
        let reads = self.facts.columns.clone();
        let (mut snapshot, mut progress) = (true, false);
        for option in &subscribe.options {
            match option.name.name.as_str() {
                "snapshot" => snapshot = option.boolean()?,
                "progress" => progress = option.boolean()?,
                other => {
                    let message = format!("option \"{other}\" not recognized");
                    return Err(Error::new(SqlState::SYNTAX_ERROR, message)
                        .hint("SUBSCRIBE takes SNAPSHOT and PROGRESS.")
                        .at(option.name.position));
                }
            }
        }
        let as_of = self.bind_time(subscribe.as_of.as_mut())?;
        let up_to = self.bind_time(subscribe.up_to.as_mut())?;
        let shape = Shape::Updates;
        Ok(Subscribe { query, reads, snapshot, progress, as_of, up_to, shape, limit: None })
    }

    /// `SELECT … EMIT CHANGES [LIMIT n]`: a subscription in the shape of the query's own rows.
    pub(super) fn bind_push(&mut self, query: &mut ast::Query) -> Result<Subscribe, Error> {
        query.emit = None;
        if let Some(order) = query.order_by.first() {
            return Err(Error::unsupported("ORDER BY with EMIT CHANGES is not supported")
                .hint("Leave it out: changes come in the order in which they happen.")
                .at(order.expr.start()));
        }
        if let Some(offset) = &query.offset {
            return Err(Error::unsupported("OFFSET with EMIT CHANGES is not supported")
                .hint("SUBSCRIBE … AS OF begins at a later time.")
                .at(offset.start()));
        }
        let limit = match query.limit.take() {
            Some(limit) => self.bind_changes_limit(limit)?,
            None => None,
        };
        let query = self.subscribed(|binder| binder.bind_result(query))?;
        let reads = self.facts.columns.clone();
        Ok(Subscribe {
            query,
            reads,
            snapshot: true,
            progress: false,
            as_of: None,
            up_to: None,
            shape: Shape::Rows,
            limit,
        })
    }

    fn bind_changes_limit(&mut self, mut limit: ast::Limit) -> Result<Option<ScalarExpr>, Error> {
        if limit.with_ties {
            return Err(Error::unsupported("WITH TIES with EMIT CHANGES is not supported")
                .hint("LIMIT n ends it after n rows.")
                .at(limit.position));
        }
        let position = limit.count.start();
        let count = self.bind_without_columns(&mut limit.count, Clause::Limit)?;
        let count = self.coerce(Typed { expr: count, position }, &Type::Int8, Cast::Assignment)?;
        match scalar(&count) {
            Some(count) => Ok(Some(count)),
            None => Err(Error::unsupported("a subquery in LIMIT or OFFSET is not supported").at(position)),
        }
    }

    /// A query that is kept up to date for one session; its rows in any order.
    fn subscribed(&mut self, bind: impl FnOnce(&mut Self) -> Result<Query, Error>) -> Result<Query, Error> {
        let before = std::mem::replace(&mut self.purpose, Purpose::Maintained("subscription"));
        let query = bind(self);
        self.purpose = before;
        let query = query?;
        let names = query.names.clone();
        Ok(whole(query.into_rel(), names))
    }

    fn bind_subject(&mut self, name: &mut ast::Name) -> Result<Query, Error> {
        let item = self.resolve_relation(name)?;
        let typ = item.relation_type();
        let rel = match (&item.kind, &item.bound.rel) {
            (Kind::View(_), Some(rel)) => Rel::View { id: item.id, rel: rel.clone(), typ },
            _ => Rel::Get { id: item.id, typ },
        };
        let (outputs, names): (Vec<usize>, Vec<String>) =
            item.present_columns().map(|(at, column)| (at, column.name.clone())).unzip();
        self.facts.columns.extend(outputs.iter().map(|at| (item.id, *at)));
        Ok(whole(Rel::Project { input: Box::new(rel), outputs }, names))
    }

    /// A timestamp: microseconds since the Unix epoch, as `tw_timestamp` shows it.
    fn bind_time(&mut self, expr: Option<&mut ast::Expr>) -> Result<Option<ScalarExpr>, Error> {
        let Some(expr) = expr else { return Ok(None) };
        let position = expr.start();
        let bound = self.bind_without_columns(expr, Clause::AsOf)?;
        let bound = match bound.typ() {
            // numeric and text literals of sixteen digits are what tw_timestamp prints.
            Type::Unknown | Type::Int2 | Type::Int4 | Type::Int8 | Type::Numeric(_) => {
                self.coerce(Typed { expr: bound, position }, &Type::Int8, Cast::Assignment)?
            }
            typ => {
                let message = format!("a timestamp of AS OF and UP TO must be type bigint, not type {typ}");
                return Err(Error::new(SqlState::DATATYPE_MISMATCH, message)
                    .hint("Use a value of tw_timestamp: microseconds since the Unix epoch.")
                    .at(position));
            }
        };
        match scalar(&bound) {
            Some(scalar) => Ok(Some(scalar)),
            None => Err(Error::unsupported("a subquery in AS OF or UP TO is not supported").at(position)),
        }
    }
}
