//! Type names of SQL text to types.

use super::Binder;
use crate::ast;
use crate::error::{Error, SqlState};
use crate::repr::Type;
use crate::repr::types::IntervalTypmod;

impl Binder<'_> {
    pub(super) fn bind_type(&mut self, name: &ast::TypeName) -> Result<Type, Error> {
        if name.setof {
            return Err(Error::unsupported("SETOF types are not supported").at(name.position));
        }
        let typ = self.resolve_type_name(&name.name)?;
        let modifiers = name.modifiers.iter().map(modifier).collect::<Result<Vec<i64>, Error>>()?;
        let typ = match name.fields {
            Some(_) => Type::Interval(Some(IntervalTypmod { range: name.fields, precision: None })),
            None => typ,
        };
        let mut typ = typ.with_modifiers(&modifiers).map_err(|error| error.at(name.position))?;
        for _ in 0..name.dimensions {
            typ = typ.array_of();
        }
        Ok(typ)
    }

    fn resolve_type_name(&self, name: &ast::Name) -> Result<Type, Error> {
        let undefined = || {
            let message = format!("type \"{}\" does not exist", super::display_name(name));
            Error::new(SqlState::UNDEFINED_OBJECT, message).at(name.position())
        };
        match name.qualifier() {
            [] => {}
            [.., schema] if schema.name == "pg_catalog" => {}
            [.., _] => return Err(undefined()),
        }
        // `char` without quotes arrives as bpchar.
        if name.last().name == "char" {
            return Ok(Type::InternalChar);
        }
        if matches!(name.last().name.as_str(), "record" | "unknown") {
            return Err(undefined());
        }
        let typ = Type::named(&name.last().name);
        typ.ok_or_else(|| match name.last().name.trim_start_matches('_') {
            "money" | "bit" | "varbit" | "xml" | "inet" | "cidr" | "macaddr" | "point" | "box"
            | "tsvector" | "tsquery" | "int4range" | "int8range" | "numrange" | "daterange" | "tsrange"
            | "tstzrange" => {
                let nearest = match name.last().name.trim_start_matches('_') {
                    "money" => "Use numeric.",
                    "bit" | "varbit" => "Use bytea.",
                    "point" | "box" => "Use two columns of double precision, or jsonb.",
                    name if name.ends_with("range") => "Use two columns, its bounds.",
                    _ => "Use text.",
                };
                Error::unsupported(format!("type \"{}\" is not supported", name.last().name))
                    .hint(nearest)
                    .at(name.position())
            }
            _ => undefined(),
        })
    }
}

fn modifier(expr: &ast::Expr) -> Result<i64, Error> {
    let value = match &expr.kind {
        ast::ExprKind::Literal(ast::Literal::Number(digits)) => digits.parse().ok(),
        _ => None,
    };
    value.ok_or_else(|| {
        Error::new(SqlState::SYNTAX_ERROR, "type modifiers must be simple constants or identifiers")
            .at(expr.position)
    })
}
