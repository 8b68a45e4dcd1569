//! WITH RECURSIVE: in which order its queries are bound, and those that read themselves.
//!
//! PostgreSQL evaluates the recursive term over the rows that the round before has added; a recursion here is the least collection
//! that its definition leaves as it is. The two agree where each row of the term comes from one row of the reference, which is what
//! [`RowWise`] checks: PostgreSQL's own rules, which [`check_mentions`] asks of the text, leave little else.

use std::collections::BTreeSet;

use super::coerce::Cast;
use super::query::{combine, position_of, refuse_search, renamed};
use super::{Binder, Cte, CteDefinition};
use crate::ast::mention::{Mention, Place};
use crate::ast::{self, SetExpr, SetOperator, Statement};
use crate::error::{Error, SqlState};
use crate::hir::{self, CteId, JoinKind, Rel, SetOp};
use crate::repr::ColumnType;

/// The places of the queries in the order in which each comes after those that it reads.
pub(super) fn order(ctes: &[ast::Cte]) -> Result<Vec<usize>, Error> {
    let reads = |cte: &ast::Cte| -> BTreeSet<usize> {
        let mentions = mentions(cte);
        let named = |other: &&ast::Cte| mentions.iter().any(|mention| mention.name == other.name.name);
        let read =
            ctes.iter().enumerate().filter(|(_, other)| other.name.name != cte.name.name && named(other));
        read.map(|(at, _)| at).collect()
    };
    let mut waiting: Vec<(usize, BTreeSet<usize>)> =
        ctes.iter().enumerate().map(|(at, cte)| (at, reads(cte))).collect();
    let mut order = Vec::with_capacity(ctes.len());
    while !waiting.is_empty() {
        let Some(next) = waiting.iter().position(|(_, reads)| reads.is_empty()) else {
            let message = "mutual recursion between WITH items is not implemented";
            return Err(Error::unsupported(message)
                .hint("Make one recursive query of them, with a column that says of which each row is.")
                .at(ctes[waiting[0].0].name.position));
        };
        // As PostgreSQL has it: what was first takes the place of what is next.
        waiting.swap(0, next);
        let (at, _) = waiting.remove(0);
        waiting.iter_mut().for_each(|(_, reads)| {
            reads.remove(&at);
        });
        order.push(at);
    }
    Ok(order)
}

fn mentions(cte: &ast::Cte) -> Vec<Mention<'_>> {
    match &cte.body {
        Statement::Query(query) => query.mentions(),
        _ => Vec::new(),
    }
}

/// Whether a query of a WITH RECURSIVE reads itself.
pub(super) fn is_recursive(cte: &ast::Cte) -> bool {
    mentions(cte).iter().any(|mention| mention.name == cte.name.name)
}

impl Binder<'_> {
    /// A query that reads itself, and its columns.
    pub(super) fn bind_recursive_cte(
        &mut self,
        cte: &mut ast::Cte,
    ) -> Result<(Rel, Vec<(String, ColumnType)>), Error> {
        let (name, position) = (cte.name.name.clone(), cte.name.position);
        if self.purpose == super::STREAM {
            return Err(Error::unsupported("WITH RECURSIVE in CREATE STREAM is not supported")
                .hint("CREATE MATERIALIZED VIEW keeps a recursive query up to date.")
                .at(position));
        }
        refuse_search(cte)?;
        let Statement::Query(query) = &mut cte.body else {
            unreachable!("invariant: only queries are looked through for mentions")
        };
        check_mentions(&name, position, query)?;
        check_clauses(query)?;
        let known = self.ctes.len();
        let shared = match &mut query.with {
            Some(with) => self.bind_with(with)?,
            None => Vec::new(),
        };
        let SetExpr::Set(set) = &mut query.body else { unreachable!("invariant: checked to be a UNION") };
        let bound = self.bind_recursion(&cte.name, &cte.columns, set);
        self.ctes.truncate(known);
        let (mut rel, columns) = bound?;
        for (id, name, value) in shared.into_iter().rev() {
            rel = Rel::With { id, name, value: Box::new(value), body: Box::new(rel) };
        }
        Ok((rel, columns))
    }

    fn bind_recursion(
        &mut self,
        name: &ast::Ident,
        given: &[ast::Ident],
        set: &mut ast::SetOperation,
    ) -> Result<(Rel, Vec<(String, ColumnType)>), Error> {
        let mut term = set.operands.pop().expect("invariant: a set operation has operands");
        let base = match &mut set.operands[..] {
            [single] => self.bind_set_expr(single),
            _ => self.bind_set_operation(set),
        };
        let bound = base.and_then(|base| self.bind_terms(name, given, base, (set, &mut term)));
        set.operands.push(term);
        bound
    }

    /// The union of the non-recursive term, which decides the columns, and the recursive one.
    fn bind_terms(
        &mut self,
        name: &ast::Ident,
        given: &[ast::Ident],
        mut base: hir::Query,
        (set, term): (&ast::SetOperation, &mut SetExpr),
    ) -> Result<(Rel, Vec<(String, ColumnType)>), Error> {
        self.settle_columns(&mut base)?;
        let columns = renamed(name, given, base.names.clone())?;
        let base = base.into_rel();
        let types: Vec<ColumnType> =
            base.types().into_iter().map(|column| ColumnType::new(column.typ, true)).collect();
        let columns: Vec<(String, ColumnType)> = columns.into_iter().zip(types.iter().cloned()).collect();
        let id = self.next_cte();
        let definition = CteDefinition::Itself(id);
        self.ctes.push(Cte { name: name.name.clone(), columns: columns.clone(), definition });
        let step = self.bind_set_expr(term);
        self.ctes.pop();
        let position = position_of(term).unwrap_or(set.position);
        let step = self.fit_step(name, &set.operands, &types, step?, position)?;
        if !set.all {
            let position = position_of(&set.operands[0]).unwrap_or(set.position);
            types.iter().try_for_each(|column| self.check_equality(&column.typ, position))?;
        }
        RowWise { names: BTreeSet::from([id]), distinct: !set.all, position: name.position }.reads(&step)?;
        let value = Box::new(combine(SetOperator::Union, set.all, base, step));
        self.facts.uses_context = true;
        let rounds = self.context.recursion_limit();
        Ok((Rel::Recursive { id, name: name.name.clone(), value, types, rounds }, columns))
    }

    /// The recursive term with columns of these types.
    fn fit_step(
        &mut self,
        name: &ast::Ident,
        base: &[SetExpr],
        types: &[ColumnType],
        mut step: hir::Query,
        position: u32,
    ) -> Result<Rel, Error> {
        if step.project.len() != types.len() {
            let message = "each UNION query must have the same number of columns";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
        }
        for (at, ColumnType { typ, .. }) in types.iter().enumerate() {
            let own = step.rel.types()[step.project[at]].typ.clone();
            let Some(common) = self.common_type(vec![typ.clone(), own.clone()]) else {
                let (typ, own) = (typ.without_typmod(), own.without_typmod());
                let message = format!("UNION types {typ} and {own} cannot be matched");
                return Err(Error::new(SqlState::DATATYPE_MISMATCH, message).at(position));
            };
            if common != *typ {
                let message = format!(
                    "recursive query \"{}\" column {} has type {typ} in non-recursive term but type {common} overall",
                    name.name,
                    at + 1,
                );
                let error = Error::new(SqlState::DATATYPE_MISMATCH, message)
                    .hint("Cast the output of the non-recursive term to the correct type.");
                return Err(match base.first().and_then(|first| item_position(first, at)) {
                    Some(position) => error.at(position),
                    None => error,
                });
            }
            step.project[at] =
                self.coerce_column(&mut step.rel, step.project[at], typ, Cast::Implicit, position)?;
        }
        Ok(step.into_rel())
    }
}

/// Where an item of a select list stands.
fn item_position(body: &SetExpr, at: usize) -> Option<u32> {
    match body {
        SetExpr::Select(select) => match select.items.get(at) {
            Some(ast::SelectItem::Expr { expr, .. }) => Some(expr.start()),
            _ => None,
        },
        SetExpr::Set(set) => item_position(&set.operands[0], at),
        _ => None,
    }
}

/// PostgreSQL's rules for where a query may read itself.
fn check_mentions(name: &str, position: u32, query: &ast::Query) -> Result<(), Error> {
    let refused = |what: &str, position: u32| {
        let message = format!("recursive reference to query \"{name}\" must not appear {what}");
        Err(Error::new(SqlState::INVALID_RECURSION, message).at(position))
    };
    let set = match &query.body {
        SetExpr::Set(set) if set.op == SetOperator::Union => set,
        _ => {
            let message = format!(
                "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
            );
            return Err(Error::new(SqlState::INVALID_RECURSION, message).at(position));
        }
    };
    let own = |mention: &Mention<'_>| mention.name == name;
    let defined = query.with.iter().flat_map(|with| with.mentions()).find(own);
    if let Some(mention) = defined {
        return refused("within a subquery", mention.position);
    }
    let (term, base) = set.operands.split_last().expect("invariant: a set operation has operands");
    if let Some(mention) = base.iter().flat_map(SetExpr::mentions).find(own) {
        return refused("within its non-recursive term", mention.position);
    }
    for (number, mention) in term.mentions().into_iter().filter(own).enumerate() {
        match mention.place {
            Place::Subquery => return refused("within a subquery", mention.position),
            Place::OuterJoin => return refused("within an outer join", mention.position),
            Place::Intersect => return refused("within INTERSECT", mention.position),
            Place::Except => return refused("within EXCEPT", mention.position),
            Place::Plain if number > 0 => return refused("more than once", mention.position),
            Place::Plain => {}
        }
    }
    Ok(())
}

/// What may not follow the union.
fn check_clauses(query: &ast::Query) -> Result<(), Error> {
    let refused = |what: &str| Error::unsupported(format!("{what} in a recursive query is not implemented"));
    if let Some(key) = query.order_by.first() {
        return Err(refused("ORDER BY").at(key.expr.start()));
    }
    if let Some(offset) = &query.offset {
        return Err(refused("OFFSET").at(offset.start()));
    }
    if let Some(limit) = &query.limit {
        return Err(refused("LIMIT")
            .hint("Bound the recursion by a condition in the recursive term.")
            .at(limit.count.start()));
    }
    if !query.locks.is_empty() {
        return Err(refused("FOR UPDATE/SHARE"));
    }
    Ok(())
}

/// Checks that each row of a recursive term comes from one row of the reference.
struct RowWise {
    /// The recursion, and the definitions within the term that read it.
    names: BTreeSet<CteId>,
    /// Nobody counts how often a row is there.
    distinct: bool,
    position: u32,
}

impl RowWise {
    /// Whether the relation reads one of the names.
    fn reads(&mut self, rel: &Rel) -> Result<bool, Error> {
        hir::grow(|| match rel {
            Rel::Cte { id, .. } => Ok(self.names.contains(id)),
            Rel::Values { .. } | Rel::Get { .. } | Rel::View { .. } => Ok(false),
            Rel::With { id, value, body, .. } => {
                if self.reads(value)? {
                    self.names.insert(*id);
                }
                self.reads(body)
            }
            Rel::Project { input, .. }
            | Rel::Map { input, .. }
            | Rel::Filter { input, .. }
            | Rel::FlatMap { input, .. } => self.reads(input),
            Rel::Join { kind, left, right, .. } => match (self.reads(left)?, self.reads(right)?, kind) {
                (false, false, _) => Ok(false),
                (true, false, JoinKind::Inner | JoinKind::Left)
                | (false, true, JoinKind::Inner | JoinKind::Right) => Ok(true),
                (true, true, _) => Err(self.refused("a join of the recursive reference with itself")),
                _ => Err(self.refused("the recursive reference on the optional side of an outer join")),
            },
            Rel::Union { inputs } => {
                let reads = inputs.iter().map(|input| self.reads(input)).collect::<Result<Vec<_>, _>>()?;
                match reads.contains(&true) && reads.contains(&false) && !self.distinct {
                    true => Err(self
                        .refused("a part of the recursive term without the recursive reference")
                        .hint("Move it to the non-recursive term.")),
                    false => Ok(reads.contains(&true)),
                }
            }
            Rel::Distinct { input } => self.reads_once(input),
            Rel::Reduce { input, aggregates, global: false, .. } if aggregates.is_empty() => {
                self.reads_once(input)
            }
            Rel::SetOp { op, left, right, .. } => match (self.reads_once(left)?, self.reads_once(right)?, op)
            {
                (true, true, _) | (_, true, SetOp::Except) => {
                    Err(self.refused("a difference of recursive references"))
                }
                (left, right, _) => Ok(left || right),
            },
            Rel::Reduce { input, .. } | Rel::GroupingSets { input, .. } => {
                self.unread(input, "an aggregate over the recursive reference")
            }
            Rel::TopK { input, .. } => {
                self.unread(input, "LIMIT or DISTINCT ON over the recursive reference")
            }
            Rel::Window { input, .. } => self.unread(input, "a window function over the recursive reference"),
            Rel::Recursive { value, .. } => self.unread(value, "a recursion within another that reads it"),
            Rel::Changes { input } => self.unread(input, "CHANGES over the recursive reference"),
            Rel::Lookup { input, table, .. } => Ok(self.reads(input)? || self.reads(table)?),
        })
    }

    /// What counts no row twice: the same, if nobody counts rows.
    fn reads_once(&mut self, rel: &Rel) -> Result<bool, Error> {
        match self.reads(rel)? {
            true if !self.distinct => Err(self
                .refused("DISTINCT, GROUP BY or a set operation over the recursive reference under UNION ALL")
                .hint("Use UNION.")),
            reads => Ok(reads),
        }
    }

    /// What may not read a name in whatever way.
    fn unread(&self, rel: &Rel, what: &str) -> Result<bool, Error> {
        let mut found = false;
        rel.for_each_rel(&mut |rel| found |= matches!(rel, Rel::Cte { id, .. } if self.names.contains(id)));
        match found {
            true => Err(self.refused(what)),
            false => Ok(false),
        }
    }

    fn refused(&self, what: &str) -> Error {
        Error::unsupported(format!("{what} is not supported"))
            .detail("Each row of a recursive term must come from one row of its recursive reference.")
            .hint("Compute it outside the recursion, over its result.")
            .at(self.position)
    }
}
