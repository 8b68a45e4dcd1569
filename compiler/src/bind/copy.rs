//! COPY: its relation or query, and its options.

use super::Binder;
use super::bound::{Bound, CopySource, Delete, Insert, Subscribe, Update, scalar, whole};
use super::subscribe::is_push;
use crate::ast::{self, CopyDirection, Opt, OptValue};
use crate::catalog::{Item, Kind};
use crate::error::{Error, SqlState};
use crate::hir::{Expr, Rel};
use crate::plan::{CopyFill, CopyFormat, CopyFrom, CsvFormat, Effects, Header, Plan, TextFormat};
use crate::repr::{ColumnType, Type};

impl Binder<'_> {
    pub(super) fn bind_copy(&mut self, copy: &mut ast::Copy) -> Result<Bound, Error> {
        let position = copy.position;
        match &copy.direction {
            CopyDirection::FromStdin => self.bind_copy_from(copy),
            CopyDirection::ToStdout => self.bind_copy_to(copy),
            CopyDirection::FromFile(_) | CopyDirection::FromProgram(_) => {
                Err(Error::unsupported("COPY FROM a file of the server is not supported")
                    .hint("Use COPY … FROM STDIN; psql's \\copy reads a file of the client.")
                    .at(position))
            }
            CopyDirection::ToFile(_) | CopyDirection::ToProgram(_) => {
                Err(Error::unsupported("COPY TO a file of the server is not supported")
                    .hint("Use COPY … TO STDOUT; psql's \\copy writes a file of the client.")
                    .at(position))
            }
        }
    }

    fn bind_copy_from(&mut self, copy: &mut ast::Copy) -> Result<Bound, Error> {
        let ast::CopySource::Relation { name, columns } = &mut copy.source else {
            return Err(Error::new(SqlState::SYNTAX_ERROR, "COPY FROM needs a table").at(copy.position));
        };
        if let Some(filter) = &copy.filter {
            return Err(Error::unsupported("COPY FROM with WHERE is not supported").at(filter.start()));
        }
        let item = self.resolve_target(name, "copy to")?;
        let columns = copied_columns(&item, columns)?;
        let names: Vec<String> = columns.iter().map(|column| item.columns()[*column].name.clone()).collect();
        let format = copy_format(&copy.options, &names)?;
        let mut defaults = Vec::with_capacity(item.columns().len());
        let (arity, mut filled, mut outputs) = (item.columns().len(), Vec::new(), Vec::new());
        for (at, column) in item.columns().iter().enumerate() {
            let mut bound = self.bind_default(column)?;
            let mut output = Expr::column(at, column.typ.clone());
            if bound.has_effect() {
                let is_open = Expr::column(arity + filled.len(), ColumnType::new(Type::Bool, false));
                filled.push(at);
                output = Expr::if_then_else(is_open, bound, output);
                bound = Expr::null(column.typ.typ.clone());
            }
            defaults.push(scalar(&bound).expect("invariant: a default holds no subquery"));
            outputs.push(output);
        }
        let calls = self.take_effects();
        let places: Vec<usize> = (0..arity + filled.len()).collect();
        let fill = (!filled.is_empty()).then(|| {
            Box::new(CopyFill { columns: filled, effects: Effects::over(&places, &calls, &outputs) })
        });
        Ok(Bound::Plan(Plan::CopyFrom(CopyFrom { table: item.id, columns, defaults, fill, format })))
    }

    fn bind_copy_to(&mut self, copy: &mut ast::Copy) -> Result<Bound, Error> {
        let source = match &mut copy.source {
            ast::CopySource::Relation { name, columns } => {
                let item = self.resolve_relation(name)?;
                if matches!(item.kind, Kind::View(_)) {
                    return Err(Error::new(
                        SqlState::WRONG_OBJECT_TYPE,
                        format!("cannot copy from view \"{}\"", item.name),
                    )
                    .hint("Try the COPY (SELECT ...) TO variant.")
                    .at(name.position()));
                }
                if matches!(item.kind, Kind::Sequence(_)) {
                    let message = format!("cannot copy from sequence \"{}\"", item.name);
                    return Err(Error::new(SqlState::WRONG_OBJECT_TYPE, message).at(name.position()));
                }
                let columns = copied_columns(&item, columns)?;
                let names = columns.iter().map(|column| item.columns()[*column].name.clone()).collect();
                let get = Rel::Get { id: item.id, typ: item.relation_type() };
                let rel = Rel::Project { input: Box::new(get), outputs: columns };
                CopySource::Query(whole(rel, names))
            }
            ast::CopySource::Query(query) if is_push(query) => CopySource::Subscribe(self.bind_push(query)?),
            ast::CopySource::Query(query) => {
                self.outermost = true;
                CopySource::Query(self.bind_result(query)?)
            }
            ast::CopySource::Subscribe(subscribe) => CopySource::Subscribe(self.bind_subscribe(subscribe)?),
            ast::CopySource::Statement(statement) => {
                let bound = self.bind_statement(statement)?;
                if returned_names(&bound).is_empty() {
                    return Err(
                        Error::unsupported("COPY query must have a RETURNING clause").at(copy.position)
                    );
                }
                CopySource::Statement(Box::new(bound))
            }
        };
        let names: Vec<String> = match &source {
            CopySource::Query(query) | CopySource::Subscribe(Subscribe { query, .. }) => query.names.clone(),
            CopySource::Statement(bound) => returned_names(bound),
        };
        let format = copy_format(&copy.options, &names)?;
        if let CopyFormat::Text(TextFormat { header: Header::Match, .. })
        | CopyFormat::Csv(CsvFormat { header: Header::Match, .. }) = format
        {
            return Err(Error::unsupported("cannot use \"match\" with HEADER in COPY TO"));
        }
        Ok(Bound::CopyTo { source, format })
    }
}

/// The columns that RETURNING gives.
fn returned_names(bound: &Bound) -> Vec<String> {
    let returning = match bound {
        Bound::Insert(Insert { returning, .. })
        | Bound::Update(Update { returning, .. })
        | Bound::Delete(Delete { returning, .. }) => returning.as_ref(),
        _ => None,
    };
    returning.iter().flat_map(|returning| &returning.columns).map(|column| column.name.clone()).collect()
}

fn copied_columns(item: &Item, names: &[ast::Ident]) -> Result<Vec<usize>, Error> {
    let targets: Vec<ast::Target> =
        names.iter().map(|name| ast::Target { column: name.clone(), path: Vec::new() }).collect();
    super::dml::target_columns(item, &targets)
}

/// The format that the options name, over copied columns of these names.
fn copy_format(options: &[Opt], columns: &[String]) -> Result<CopyFormat, Error> {
    let options = copy_options(options)?;
    let numbers = |names: &[ast::Ident]| {
        names
            .iter()
            .map(|name| {
                columns.iter().position(|column| *column == name.name).ok_or_else(|| {
                    let message = format!("column \"{}\" not referenced by COPY", name.name);
                    Error::new(SqlState::INVALID_COLUMN_REFERENCE, message).at(name.position)
                })
            })
            .collect::<Result<Vec<usize>, Error>>()
    };
    let quote = match options.force_quote_all {
        true => (0..columns.len()).collect(),
        false => numbers(&options.force_quote)?,
    };
    let (null, not_null) = (numbers(&options.force_null)?, numbers(&options.force_not_null)?);
    options.into_format(Force { quote, null, not_null })
}

/// The columns of FORCE_QUOTE, FORCE_NULL and FORCE_NOT_NULL.
struct Force {
    quote: Vec<usize>,
    null: Vec<usize>,
    not_null: Vec<usize>,
}

#[derive(Default)]
struct CopyOptions {
    format: Option<(String, u32)>,
    delimiter: Option<(String, u32)>,
    null: Option<String>,
    header: Header,
    quote: Option<(String, u32)>,
    escape: Option<(String, u32)>,
    force_quote: Vec<ast::Ident>,
    force_quote_all: bool,
    force_null: Vec<ast::Ident>,
    force_not_null: Vec<ast::Ident>,
}

fn copy_options(options: &[Opt]) -> Result<CopyOptions, Error> {
    let mut known = CopyOptions::default();
    for option in options {
        let position = option.name.position;
        let text = || Ok::<_, Error>((option.text()?.to_owned(), position));
        match option.name.name.as_str() {
            "format" => known.format = Some(text()?),
            "csv" => known.format = Some(("csv".into(), position)),
            "binary" => known.format = Some(("binary".into(), position)),
            "delimiter" | "delimiters" => known.delimiter = Some(text()?),
            "null" => known.null = Some(text()?.0),
            "header" => known.header = header(option)?,
            "quote" => known.quote = Some(text()?),
            "escape" => known.escape = Some(text()?),
            "force_quote" => match &option.value {
                Some(OptValue::Star(_)) => known.force_quote_all = true,
                value => known.force_quote = identifiers(value.as_ref(), position)?,
            },
            "force_null" => known.force_null = identifiers(option.value.as_ref(), position)?,
            "force_not_null" => known.force_not_null = identifiers(option.value.as_ref(), position)?,
            "encoding"
                if matches!(text()?.0.to_lowercase().replace('-', "").as_str(), "utf8" | "unicode") => {}
            "encoding" => return Err(Error::unsupported("COPY takes and gives UTF-8 only").at(position)),
            "freeze" if !option.boolean()? => {}
            other => {
                let message = format!("option \"{other}\" not recognized");
                return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(position));
            }
        }
    }
    Ok(known)
}

fn header(option: &Opt) -> Result<Header, Error> {
    match &option.value {
        Some(OptValue::Word(word)) if word.name == "match" => return Ok(Header::Match),
        Some(OptValue::String(text, _)) if text.eq_ignore_ascii_case("match") => return Ok(Header::Match),
        _ => {}
    }
    let wrong = |_| Error::new(SqlState::SYNTAX_ERROR, "header requires a Boolean value or \"match\"");
    Ok(if option.boolean().map_err(wrong)? { Header::Names } else { Header::None })
}

fn identifiers(value: Option<&OptValue>, position: u32) -> Result<Vec<ast::Ident>, Error> {
    let list = match value {
        Some(OptValue::List(list, _)) => list,
        _ => {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                "argument to option must be a list of column names",
            )
            .at(position));
        }
    };
    list.iter()
        .map(|value| match value {
            OptValue::Word(word) => Ok(word.clone()),
            _ => Err(Error::new(SqlState::SYNTAX_ERROR, "argument to option must be a list of column names")
                .at(position)),
        })
        .collect()
}

impl CopyOptions {
    fn into_format(self, force: Force) -> Result<CopyFormat, Error> {
        let header = self.header;
        let (format, position) = self.format.clone().unwrap_or(("text".into(), 1));
        match format.as_str() {
            "text" => Ok(CopyFormat::Text(TextFormat {
                delimiter: byte(self.delimiter.as_ref(), b'\t', "delimiter")?,
                null: self.null.unwrap_or_else(|| "\\N".into()),
                header,
            })),
            "csv" => {
                let quote = byte(self.quote.as_ref(), b'"', "quote")?;
                Ok(CopyFormat::Csv(CsvFormat {
                    delimiter: byte(self.delimiter.as_ref(), b',', "delimiter")?,
                    null: self.null.unwrap_or_default(),
                    header,
                    quote,
                    escape: byte(self.escape.as_ref(), quote, "escape")?,
                    force_quote: force.quote,
                    force_null: force.null,
                    force_not_null: force.not_null,
                }))
            }
            "json" => Ok(CopyFormat::Json),
            "binary" => Ok(CopyFormat::Binary),
            other => {
                let message = format!("COPY format \"{other}\" not recognized");
                Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message).at(position))
            }
        }
    }
}

fn byte(option: Option<&(String, u32)>, default: u8, what: &str) -> Result<u8, Error> {
    match option {
        None => Ok(default),
        Some((text, position)) => match text.as_bytes() {
            [byte] if !matches!(byte, b'\r' | b'\n') => Ok(*byte),
            _ => {
                let message = format!("COPY {what} must be a single one-byte character");
                Err(Error::unsupported(message).at(*position))
            }
        },
    }
}
