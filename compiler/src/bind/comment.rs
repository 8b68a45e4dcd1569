//! COMMENT ON: what people say of schemas, relations, indexes and columns. `\d+` shows it, `obj_description` gives it.

use super::Binder;
use super::bound::{Bound, Step};
use super::ddl::change;
use crate::ast::{self, ObjectKind};
use crate::catalog::{Change, Item, Kind, MaterializedView};
use crate::error::{Error, SqlState};

impl Binder<'_> {
    pub(super) fn bind_comment(&mut self, comment: &ast::Comment) -> Result<Bound, Error> {
        let name = &comment.name;
        let (on, column) = match comment.kind {
            ObjectKind::Schema => {
                let schema = &name.last().name;
                let found = self.catalog.schema(schema);
                (found.ok_or_else(|| crate::catalog::undefined_schema(schema))?.oid, 0)
            }
            ObjectKind::Column => self.commented_column(name)?,
            ObjectKind::Type | ObjectKind::Domain | ObjectKind::Database => {
                let message = format!("COMMENT ON {} is not supported", comment.kind.words());
                return Err(Error::unsupported(message)
                    .hint("Schemas, relations, indexes and columns can have comments.")
                    .at(comment.position));
            }
            kind => (self.commented_relation(name, kind)?.id.0, 0),
        };
        // As in PostgreSQL, to say nothing is to remove what was said.
        let text = comment.text.clone().filter(|text| !text.is_empty());
        Ok(change("COMMENT", vec![Step::Change(Change::Comment { on, column, text })]))
    }

    fn commented_relation(&mut self, name: &ast::Name, kind: ObjectKind) -> Result<&Item, Error> {
        let item = self.named_relation(name)?;
        let is = match &item.kind {
            Kind::Table(_)
            | Kind::System(_)
            | Kind::MaterializedView(MaterializedView { table: true, .. }) => ObjectKind::Table,
            Kind::Stream(_) => ObjectKind::Stream,
            Kind::View(_) => ObjectKind::View,
            Kind::MaterializedView(_) => ObjectKind::MaterializedView,
            Kind::Index(_) => ObjectKind::Index,
            Kind::Sequence(_) => ObjectKind::Sequence,
        };
        if is == kind {
            return Ok(item);
        }
        let what = kind.words().to_lowercase();
        let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let message = format!("\"{}\" is not {article} {what}", item.name);
        Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message))
    }

    /// A column's relation, and its number there from 1.
    fn commented_column(&mut self, name: &ast::Name) -> Result<(u64, u32), Error> {
        let [qualifier @ .., column] = &name.parts[..] else { unreachable!("invariant: a name has a part") };
        if qualifier.is_empty() {
            return Err(
                Error::new(SqlState::SYNTAX_ERROR, "column name must be qualified").at(name.position())
            );
        }
        let relation = ast::Name { parts: qualifier.to_vec() };
        let item = self.named_relation(&relation)?;
        match item.present_columns().find(|(_, known)| known.name == column.name) {
            Some((at, _)) => Ok((item.id.0, at as u32 + 1)),
            None => {
                let (column, relation) = (&column.name, &item.name);
                let message = format!("column \"{column}\" of relation \"{relation}\" does not exist");
                Err(Error::new(SqlState::UNDEFINED_COLUMN, message))
            }
        }
    }

    fn named_relation(&self, name: &ast::Name) -> Result<&Item, Error> {
        let schema = self.schema_of(name)?;
        let found = self.catalog.resolve(schema, &name.last().name, &self.context.search_path);
        let Some(item) = found else {
            let message = format!("relation \"{}\" does not exist", super::display_name(name));
            return Err(Error::new(SqlState::UNDEFINED_TABLE, message));
        };
        if let Kind::System(_) = item.kind {
            let message = format!("permission denied: \"{}\" is a system catalog", item.name);
            return Err(Error::new(SqlState::INSUFFICIENT_PRIVILEGE, message));
        }
        Ok(item)
    }
}
