//! `regclass` and its kin: oids of catalog entries, read from names and printed as names.

use super::{OWNER, functions, types};
use crate::catalog::{Catalog, undefined_schema};
use crate::error::{Error, SqlState};
use crate::mir::CollectionId;
use crate::repr::Type;
use crate::scalar::{quote_ident, split_name};

/// The name that an oid prints as; none if nothing has it.
pub fn entry_name(
    typ: &Type,
    oid: u64,
    catalog: &Catalog,
    search_path: &[String],
    user: &str,
) -> Option<String> {
    match typ {
        Type::Regclass => {
            let item = catalog.item(CollectionId(oid));
            let item = item.or_else(|| catalog.items().find(|item| item.is_primary_key(oid)))?;
            let (name, visible) = match item.primary_key() {
                Some(key) if key.oid == oid => (&key.name, search_path.contains(&item.schema)),
                _ => (&item.name, catalog.is_visible(item, search_path)),
            };
            let name = quote_ident(name);
            Some(if visible { name } else { format!("{}.{name}", quote_ident(&item.schema)) })
        }
        Type::Regnamespace => {
            catalog.schemas().find(|schema| schema.oid == oid).map(|schema| quote_ident(&schema.name))
        }
        Type::Regproc => functions::name_of(oid as i64),
        Type::Regrole if oid == OWNER as u64 => Some(quote_ident(user)),
        _ => None,
    }
}

/// The oid of what a text names; None where the text is a number, or the type has no names.
pub fn entry_oid(
    typ: &Type,
    text: &str,
    catalog: &Catalog,
    search_path: &[String],
    user: &str,
) -> Result<Option<i64>, Error> {
    if !typ.is_reg() || text.parse::<u32>().is_ok() || text == "-" {
        return Ok(None);
    }
    let undefined = |code, what: &str| Error::new(code, format!("{what} \"{text}\" does not exist"));
    if *typ == Type::Regtype {
        let name = text.to_lowercase();
        let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        let found = Type::named(name).map(|typ| typ.oid()).or_else(|| types::pseudo_oid(name));
        return match found {
            Some(oid) => Ok(Some(oid.into())),
            None => Err(undefined(SqlState::UNDEFINED_OBJECT, "type")),
        };
    }
    let parts = split_name(text).unwrap_or_default();
    let name = parts.last().map_or(text, String::as_str);
    let schema = parts.len().checked_sub(2).map(|at| parts[at].as_str());
    let found = match typ {
        Type::Regclass => relation_oid(schema, name, catalog, search_path)
            .ok_or_else(|| undefined(SqlState::UNDEFINED_TABLE, "relation"))?,
        Type::Regnamespace => catalog.schema(name).ok_or_else(|| undefined_schema(name))?.oid as i64,
        Type::Regproc => {
            functions::oid_of(name).ok_or_else(|| undefined(SqlState::UNDEFINED_FUNCTION, "function"))?
        }
        _ if name == user => OWNER,
        _ => return Err(undefined(SqlState::UNDEFINED_OBJECT, "role")),
    };
    Ok(Some(found))
}

/// The oid of the relation or index that a name means, those of primary keys included.
fn relation_oid(schema: Option<&str>, name: &str, catalog: &Catalog, search_path: &[String]) -> Option<i64> {
    if let Some(item) = catalog.resolve(schema, name, search_path) {
        return Some(item.id.0 as i64);
    }
    let within = |of: &str| schema.map_or(search_path.iter().any(|path| path == of), |schema| schema == of);
    let mut keys = catalog.items().filter(|item| within(&item.schema)).filter_map(|item| item.primary_key());
    keys.find(|key| key.name == name).map(|key| key.oid as i64)
}
