//! SUBSCRIBE, and the query that ends in EMIT CHANGES: the changes of a relation as rows.
//!
//! Both are one statement in two shapes. SUBSCRIBE's rows say when and how often; a push query's are the query's own, and of a result
//! whose rows can go they say behind their columns whether they come or go.

use super::aggregate::sort_direction;
use super::bound::{Subscribe, scalar, whole};
use super::coerce::{Cast, Typed};
use super::scope::{Clause, Scope, ScopeRelation};
use super::{Binder, Purpose};
use crate::ast::{self, Emit, Subject};
use crate::catalog::{Kind, nearest};
use crate::error::{Error, SqlState};
use crate::hir::{Query, Rel};
use crate::plan::{Envelope, Shape, subscribed_columns};
use crate::repr::{ColumnType, Type};
use crate::scalar::{ScalarExpr, SortKey};

/// Whether the query asks for its changes instead of its rows.
pub(super) fn is_push(query: &ast::Query) -> bool {
    query.emit == Some(Emit::Changes)
}

impl Binder<'_> {
    pub(super) fn bind_subscribe(&mut self, subscribe: &mut ast::Subscribe) -> Result<Subscribe, Error> {
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
        let shape = match &subscribe.envelope {
            Some(envelope) => Shape::Envelope(bind_envelope(envelope, &query.names)?),
            None => Shape::Updates { order: self.bind_order_within(&mut subscribe.order, &query, progress)? },
        };
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

    /// The order of one timestamp's rows, over the columns that are sent.
    fn bind_order_within(
        &mut self,
        order: &mut [ast::OrderBy],
        query: &Query,
        progress: bool,
    ) -> Result<Vec<SortKey>, Error> {
        let types = query.rel.types();
        let own = query.names.iter().cloned().zip(types.into_iter().map(|typ| typ.typ));
        let columns = subscribed_columns(progress, "tw_diff", Type::Int8).into_iter().chain(own);
        let columns = columns.map(|(name, typ)| (name, ColumnType::new(typ, true))).collect();
        let scope = Scope::of_relation(ScopeRelation::named("subscribe"), columns);
        let (keys, _) = self.with_frame(scope, Clause::OrderBy, |binder| {
            order.iter_mut().map(|key| binder.bind_key_within(key)).collect()
        })?;
        Ok(keys)
    }

    /// A column: rows of one time are sorted as they pass, where nothing is computed of them.
    fn bind_key_within(&mut self, key: &mut ast::OrderBy) -> Result<SortKey, Error> {
        let position = key.expr.start();
        let (desc, nulls_first) = sort_direction(key)?;
        let expr = self.bind_expr(&mut key.expr)?;
        self.check_order(&expr.typ(), position)?;
        match scalar(&expr) {
            Some(expr @ ScalarExpr::Column(_)) => Ok(SortKey { expr, desc, nulls_first }),
            _ => Err(Error::unsupported("WITHIN TIMESTAMP ORDER BY takes columns only")
                .hint("SUBSCRIBE (SELECT *, … AS k FROM …) WITHIN TIMESTAMP ORDER BY k orders by what is computed.")
                .at(position)),
        }
    }
}

/// The key's columns and the others.
fn bind_envelope(envelope: &ast::Envelope, names: &[String]) -> Result<Envelope, Error> {
    let debezium = match envelope.kind.name.as_str() {
        "upsert" => false,
        "debezium" => true,
        other => {
            let message = format!("ENVELOPE {} is not supported", other.to_uppercase());
            return Err(Error::unsupported(message)
                .hint("SUBSCRIBE takes ENVELOPE UPSERT (KEY (…)) and ENVELOPE DEBEZIUM (KEY (…)).")
                .at(envelope.kind.position));
        }
    };
    let mut key: Vec<usize> = Vec::with_capacity(envelope.key.len());
    for name in &envelope.key {
        let Some(column) = names.iter().position(|column| *column == name.name) else {
            let message = format!("column \"{}\" named in KEY does not exist", name.name);
            let error = Error::new(SqlState::UNDEFINED_COLUMN, message).at(name.position);
            return Err(match nearest(&name.name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean \"{near}\"?")),
                None => error,
            });
        };
        if key.contains(&column) {
            let message = format!("column \"{}\" appears twice in KEY", name.name);
            return Err(Error::new(SqlState::DUPLICATE_COLUMN, message).at(name.position));
        }
        key.push(column);
    }
    let others = (0..names.len()).filter(|column| !key.contains(column)).collect();
    Ok(Envelope { debezium, key, others, unique: false })
}
