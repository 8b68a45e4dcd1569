//! Functions that are called for what they do: locks, pauses, settings, other sessions' ends.
//!
//! Their values are no function of rows, so no plan can compute or keep them: `SELECT f(…)` and nothing besides is the statement
//! that calls one, and it goes to the session. Functions of sequences are called for each row: [`super::sequence`] binds them.

use super::bound::scalar;
use super::coerce::{Cast, Typed};
use super::scope::Clause;
use super::{Binder, Bound};
use crate::ast;
use crate::error::Error;
use crate::plan::{Effect, EffectCall, OutputColumn, Plan};
use crate::repr::Type;

/// A function by its name and the types of its arguments, and what it gives.
struct EffectFunction {
    name: &'static str,
    args: &'static [&'static [Type]],
    gives: Type,
    effect: Effect,
}

/// A lock's key: one number, or two.
const KEYS: &[&[Type]] = &[&[Type::Int8], &[Type::Int4, Type::Int4]];

const fn lock(name: &'static str, wait: bool, shared: bool, transaction: bool) -> EffectFunction {
    let gives = if wait { Type::Void } else { Type::Bool };
    EffectFunction { name, args: KEYS, gives, effect: Effect::Lock { wait, shared, transaction } }
}

const fn effect(
    name: &'static str,
    args: &'static [&'static [Type]],
    gives: Type,
    effect: Effect,
) -> EffectFunction {
    EffectFunction { name, args, gives, effect }
}

/// PostgreSQL's chapters 9.27 (system administration functions) and 9.9.5 (delaying execution), as far as sessions have them.
static EFFECTS: &[EffectFunction] = &[
    lock("pg_advisory_lock", true, false, false),
    lock("pg_advisory_lock_shared", true, true, false),
    lock("pg_advisory_xact_lock", true, false, true),
    lock("pg_advisory_xact_lock_shared", true, true, true),
    lock("pg_try_advisory_lock", false, false, false),
    lock("pg_try_advisory_lock_shared", false, true, false),
    lock("pg_try_advisory_xact_lock", false, false, true),
    lock("pg_try_advisory_xact_lock_shared", false, true, true),
    effect("pg_advisory_unlock", KEYS, Type::Bool, Effect::Unlock { shared: false }),
    effect("pg_advisory_unlock_shared", KEYS, Type::Bool, Effect::Unlock { shared: true }),
    effect("pg_advisory_unlock_all", &[&[]], Type::Void, Effect::UnlockAll),
    effect("pg_sleep", &[&[Type::Float8]], Type::Void, Effect::Sleep),
    effect("set_config", &[&[Type::Text, Type::Text, Type::Bool]], Type::Text, Effect::SetConfig),
    effect("pg_cancel_backend", &[&[Type::Int4]], Type::Bool, Effect::CancelBackend),
    effect("pg_terminate_backend", &[&[Type::Int4]], Type::Bool, Effect::TerminateBackend),
];

/// `0A000` for a call of such a function inside a query.
pub(super) fn refuse_effect(name: &str, position: u32) -> Result<(), Error> {
    match EFFECTS.iter().any(|function| function.name == name) {
        true => Err(Error::unsupported(format!("{name}() inside a query is not supported"))
            .hint(format!("It is called for what it does: SELECT {name}(…) by itself."))
            .at(position)),
        false => Ok(()),
    }
}

impl Binder<'_> {
    /// `SELECT f(…)` of such a function; None if the query is anything else.
    pub(super) fn bind_effect(&mut self, query: &mut ast::Query) -> Result<Option<Bound>, Error> {
        let Some((call, alias)) = only_call(query) else { return Ok(None) };
        let own = call.name.qualifier().iter().all(|schema| schema.name == "pg_catalog");
        let name = call.name.last().name.clone();
        let Some(function) = EFFECTS.iter().find(|function| own && function.name == name) else {
            return Ok(None);
        };
        let position = call.name.position();
        let Some(types) = function.args.iter().find(|types| types.len() == call.args.len()) else {
            let given: Vec<Type> = call.args.iter().map(|_| Type::Unknown).collect();
            return Err(super::function::no_function(&name, &given).at(position));
        };
        let mut args = Vec::with_capacity(types.len());
        for (arg, typ) in call.args.iter_mut().zip(*types) {
            let position = arg.value.start();
            let value = self.bind_without_columns(&mut arg.value, Clause::Values)?;
            let value = self.coerce(Typed { expr: value, position }, typ, Cast::Implicit)?;
            args.push(scalar(&value).ok_or_else(|| {
                Error::unsupported(format!("a subquery in {name}()'s arguments is not supported"))
                    .at(position)
            })?);
        }
        let column = OutputColumn { name: alias.unwrap_or(name), typ: function.gives.clone() };
        Ok(Some(Bound::Plan(Plan::Effect(EffectCall { effect: function.effect, args, column }))))
    }
}

/// The call and its alias, if a query is `SELECT f(…) [AS alias]` and nothing besides.
fn only_call(query: &mut ast::Query) -> Option<(&mut ast::Call, Option<String>)> {
    let bare = query.with.is_none()
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.locks.is_empty()
        && query.as_of.is_none()
        && query.emit.is_none();
    let ast::SetExpr::Select(select) = &mut query.body else { return None };
    let alone = select.distinct == ast::Distinct::All
        && select.from.is_empty()
        && select.filter.is_none()
        && select.group_by.is_none()
        && select.having.is_none()
        && select.windows.is_empty()
        && select.time_window.is_none();
    let [ast::SelectItem::Expr { expr, alias }] = &mut select.items[..] else { return None };
    let ast::ExprKind::Call(call) = &mut expr.kind else { return None };
    let plain = !call.star
        && !call.variadic
        && !call.distinct
        && call.order_by.is_empty()
        && call.within_group.is_empty()
        && call.filter.is_none()
        && call.over.is_none()
        && call.args.iter().all(|arg| arg.name.is_none());
    let alias = alias.as_ref().map(|alias| alias.name.clone());
    (bare && alone && plain).then_some((call, alias))
}
