//! Builtin functions and views that are defined in SQL over the catalog: the definition takes the place of the name.
//!
//! A definition is bound where it is named, so that what it reads (the search path's relations, the session's user) is the
//! statement's own. Names in it mean builtin things whatever the session's path is; `$1`, `$2` … in it are the call's arguments,
//! already bound, and moved past the rows that the definition puts around them.

use super::coerce::{Cast, Typed};
use super::scope::{Scope, ScopeRelation};
use super::{Binder, literal};
use crate::catalog::builtin::{Body, Function};
use crate::catalog::{Item, Kind};
use crate::error::Error;
use crate::hir::{Expr, Rel};
use crate::repr::{Array, ColumnType, Datum, Row, Type};

/// The arguments of a definition that is being bound.
#[derive(Debug)]
pub(super) struct Arguments {
    values: Vec<Expr>,
    /// How many rows were in sight at the call.
    frames: usize,
}

impl Binder<'_> {
    /// The search path that names are resolved by.
    pub(super) fn search_path(&self) -> &[String] {
        if self.definitions.is_empty() { &self.context.search_path } else { &[] }
    }

    /// The builtin definition that a call with these arguments means.
    pub(super) fn find_definition(&self, name: &str, args: &[Typed]) -> Option<Function> {
        let fits = |function: &&Function| {
            let takes = |(arg, typ): (&Typed, &Type)| {
                *typ == Type::Unknown || self.can_coerce(&arg.expr.typ(), typ, Cast::Implicit)
            };
            function.name == name
                && function.args.len() == args.len()
                && args.iter().zip(&function.args).all(takes)
        };
        self.catalog.functions().find(fits).cloned()
    }

    /// A call as the value that it is defined to have.
    pub(super) fn bind_defined_call(
        &mut self,
        function: &Function,
        args: Vec<Typed>,
        position: u32,
    ) -> Result<Expr, Error> {
        let Body::Value(body) = &function.body else {
            return Err(Error::unsupported(format!("{}() in this place is not supported", function.name))
                .hint("Call it in FROM.")
                .at(position));
        };
        let mut body = (**body).clone();
        let values = self.definition_arguments(function, args, position)?;
        let expr = self.within_definition(values, |binder| binder.bind_expr(&mut body))?;
        self.coerce(Typed { expr, position }, &function.result, Cast::Explicit)
    }

    /// A call in FROM as the rows that it is defined to have.
    pub(super) fn bind_defined_rows(
        &mut self,
        function: &Function,
        args: Vec<Typed>,
        position: u32,
    ) -> Result<(Rel, Vec<String>), Error> {
        let Body::Rows(body) = &function.body else {
            let expr = self.bind_defined_call(function, args, position)?;
            let rel = Rel::Map { input: Box::new(Rel::unit()), exprs: vec![expr] };
            return Ok((rel, vec![function.name.clone()]));
        };
        let mut body = (**body).clone();
        let values = self.definition_arguments(function, args, position)?;
        self.within_definition(values, |binder| binder.bind_nested(&mut body))
    }

    /// A builtin view as what it is defined to hold.
    pub(super) fn bind_builtin_view(&mut self, item: &Item) -> Result<Option<(Rel, Scope)>, Error> {
        let Kind::System(system) = &item.kind else { return Ok(None) };
        let Some(query) = &system.query else { return Ok(None) };
        let mut query = (**query).clone();
        let (rel, names) = self.within_definition(Vec::new(), |binder| binder.bind_nested(&mut query))?;
        let relation =
            ScopeRelation { schema: Some(item.schema.clone()), ..ScopeRelation::named(&item.name) };
        let columns = names.into_iter().zip(rel.types()).collect();
        Ok(Some((rel, Scope::of_relation(relation, columns))))
    }

    fn definition_arguments(
        &mut self,
        function: &Function,
        args: Vec<Typed>,
        position: u32,
    ) -> Result<Vec<Expr>, Error> {
        self.refuse_in_maintained(&function.name, position)?;
        self.facts.uses_context = true;
        let args = args.into_iter().zip(&function.args).map(|(arg, typ)| match typ {
            Type::Unknown if arg.expr.typ() == Type::Unknown => self.coerce(arg, &Type::Text, Cast::Implicit),
            Type::Unknown => Ok(arg.expr),
            typ => self.coerce(arg, typ, Cast::Implicit),
        });
        args.collect()
    }

    /// Binds where nothing that the statement defines is in sight but these arguments.
    fn within_definition<T>(
        &mut self,
        values: Vec<Expr>,
        bind: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let ctes = std::mem::take(&mut self.ctes);
        let aliases = self.having_aliases.take();
        self.definitions.push(Arguments { values, frames: self.frames.len() });
        let bound = bind(self);
        self.definitions.pop();
        self.having_aliases = aliases;
        self.ctes = ctes;
        bound
    }

    /// `$n` within a definition.
    pub(super) fn definition_argument(&self, number: u32) -> Option<Expr> {
        let arguments = self.definitions.last()?;
        let mut value = arguments.values.get(number.checked_sub(1)? as usize)?.clone();
        value.shift_levels(0, (self.frames.len() - arguments.frames) as isize);
        Some(value)
    }

    /// The oids of the relations that a name without schema means in this session.
    pub(super) fn visible_relations(&mut self) -> Expr {
        let path = &self.context.search_path;
        let visible = self.catalog.items().filter(|item| self.catalog.is_visible(item, path));
        let mut oids: Vec<u64> = Vec::new();
        for item in visible {
            oids.extend(item.oids().filter(|oid| *oid == item.id.0 || item.is_primary_key(*oid)));
        }
        let arena = bumpalo::Bump::new();
        let array = Array::pack_flat_in(oids.into_iter().map(|oid| Datum::Int(oid as i64)), &arena);
        let typ = ColumnType::new(Type::Oid.array_of(), false);
        self.facts.uses_context = true;
        Expr::Literal(Row::pack([Datum::Array(array)]), typ)
    }

    /// A text as the oid of the catalog entry that it names or numbers; `42P01` and the like if there is none.
    pub(super) fn entry_of_name(&mut self, value: Typed, to: &Type) -> Result<Expr, Error> {
        let function = match to {
            Type::Regclass => "to_regclass",
            Type::Regproc => "to_regproc",
            Type::Regnamespace => "to_regnamespace",
            _ => "to_regrole",
        };
        let position = value.position;
        let value = Typed { expr: self.coerce(value, &Type::Text, Cast::Explicit)?, position };
        let args = vec![value.clone()];
        let function = self.find_definition(function, &args).expect("invariant: functions.sql defines it");
        let number = self.bind_named_call(
            "regexp_like",
            vec![value.clone(), Typed { expr: literal(Datum::Text("^([0-9]+|-)$"), Type::Text), position }],
            position,
        )?;
        let named = self.bind_defined_call(&function, args, position)?;
        let named = Expr::if_then_else(number, Expr::null(to.clone()), named);
        // What is left is a number, or its reading fails with the right words.
        let read = self.read_entry(value.expr, to);
        Ok(Expr::Coalesce(vec![named, read]))
    }

    /// An oid of a catalog entry as its name: `1259::regclass::text`.
    pub(super) fn name_of_entry(&mut self, value: Typed) -> Result<Expr, Error> {
        let function = match value.expr.typ() {
            Type::Regclass => "tw_relation_name",
            Type::Regtype => "tw_type_name",
            Type::Regproc => "tw_function_name",
            Type::Regnamespace => "tw_schema_name",
            _ => "tw_role_name",
        };
        let position = value.position;
        let args = vec![value.clone()];
        let function = self.find_definition(function, &args).expect("invariant: functions.sql defines it");
        let name = self.bind_defined_call(&function, args, position)?;
        let oid = self.coerce(value, &Type::Oid, Cast::Implicit)?;
        let digits = self.coerce(Typed { expr: oid.clone(), position }, &Type::Text, Cast::Explicit)?;
        let zero = self.bind_operator(
            &super::expr::operator("=", position),
            vec![Typed { expr: oid, position }, Typed { expr: literal(Datum::Int(0), Type::Oid), position }],
        )?;
        let dash = literal(Datum::Text("-"), Type::Text);
        Ok(Expr::if_then_else(zero, dash, Expr::Coalesce(vec![name, digits])))
    }
}
