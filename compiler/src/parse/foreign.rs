//! What a text that is no SQL here is elsewhere: a hint for those who come from another system.
//!
//! The text was refused already, with the error that PostgreSQL gives. sqlparser, which reads the SQL of many systems, says
//! what was meant; the hint names what to write instead. Nothing that it accepts is ever carried out, and a text that it does
//! not understand, or in which nothing is foreign, gets no hint.

use sqlparser::ast::{
    ColumnOption, CreateTable, CreateTableOptions, Insert, OnInsert, Query, Select, SelectFlavor, SetExpr,
    Statement, TableFactor,
};
use sqlparser::dialect::{
    BigQueryDialect, ClickHouseDialect, Dialect, DuckDbDialect, HiveDialect, MsSqlDialect, MySqlDialect,
    OracleDialect, SQLiteDialect, SnowflakeDialect,
};
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

/// Longer texts are data more than mistakes.
const BYTES_MAX: usize = 64 << 10;

/// How deep a text may nest to be read.
const DEPTH_MAX: usize = 50;

/// In the order in which they are asked: the ones that accept least of the others' first.
const SYSTEMS: [&dyn Dialect; 9] = [
    &MySqlDialect {},
    &MsSqlDialect {},
    &SQLiteDialect {},
    &OracleDialect,
    &HiveDialect {},
    &ClickHouseDialect {},
    &DuckDbDialect,
    &BigQueryDialect,
    &SnowflakeDialect,
];

/// What to write instead, if some system would understand the text.
pub(super) fn hint(text: &str) -> Option<&'static str> {
    if text.len() > BYTES_MAX {
        return None;
    }
    SYSTEMS.iter().find_map(|system| {
        let tokens = Tokenizer::new(*system, text).tokenize().ok()?;
        let parser = Parser::new(*system).with_recursion_limit(DEPTH_MAX);
        let statements = parser.with_tokens(tokens.clone()).parse_statements().ok()?;
        statements.iter().find_map(statement_hint).or_else(|| tokens.iter().find_map(token_hint))
    })
}

fn statement_hint(statement: &Statement) -> Option<&'static str> {
    match statement {
        Statement::Use(_) => Some("Use SET search_path to choose the schema in which names are looked up."),
        Statement::ExplainTable { .. } | Statement::ShowColumns { .. } | Statement::ShowCreate { .. } => {
            Some("In psql, \\d name describes a relation.")
        }
        Statement::ShowTables { .. } | Statement::ShowViews { .. } => {
            Some("In psql, \\dt lists tables and streams, \\dv views, \\dm materialized views.")
        }
        Statement::ShowDatabases { .. } | Statement::ShowSchemas { .. } => {
            Some("In psql, \\dn lists schemas.")
        }
        Statement::Kill { .. } => Some("Cancel a statement from its own client, in psql by Ctrl-C."),
        Statement::Insert(insert) => insert_hint(insert),
        Statement::CreateTable(table) => table_hint(table),
        Statement::CreateView(view) => query_hint(&view.query),
        Statement::Query(query) => query_hint(query),
        _ => None,
    }
}

/// Of the query's own SELECTs: what is wrong deeper inside is seen when the outside is mended.
fn query_hint(query: &Query) -> Option<&'static str> {
    let mut open = vec![&*query.body];
    while let Some(body) = open.pop() {
        match body {
            SetExpr::Select(select) => {
                if let Some(hint) = select_hint(select) {
                    return Some(hint);
                }
            }
            SetExpr::SetOperation { left, right, .. } => open.extend([&**right, &**left]),
            SetExpr::Query(query) => open.push(&query.body),
            _ => {}
        }
    }
    None
}

fn select_hint(select: &Select) -> Option<&'static str> {
    match select {
        Select { top: Some(_), .. } => Some("Use LIMIT after ORDER BY."),
        Select { qualify: Some(_), .. } => {
            Some("Filter by the window function in an outer query: SELECT ... FROM (SELECT ...) WHERE ....")
        }
        Select { prewhere: Some(_), .. } => Some("Use WHERE: predicates are moved to where rows enter."),
        Select { connect_by, .. } if !connect_by.is_empty() => Some("Use WITH RECURSIVE."),
        Select { lateral_views, .. } if !lateral_views.is_empty() => {
            Some("Use a set-returning function in FROM, such as unnest(array).")
        }
        Select { exclude: Some(_), .. } => Some("List the columns that are wanted."),
        Select { flavor: SelectFlavor::FromFirst | SelectFlavor::FromFirstNoSelect, .. } => {
            Some("SELECT comes before FROM.")
        }
        Select { cluster_by, distribute_by, sort_by, .. }
            if !(cluster_by.is_empty() && distribute_by.is_empty() && sort_by.is_empty()) =>
        {
            Some("Use ORDER BY: how rows are spread over workers is not the query's affair.")
        }
        select => select.from.iter().find_map(|from| factor_hint(&from.relation)),
    }
}

fn factor_hint(factor: &TableFactor) -> Option<&'static str> {
    match factor {
        TableFactor::Pivot { .. } => Some("Use an aggregate with FILTER (WHERE ...) for each column."),
        TableFactor::Unpivot { .. } => Some("Use UNION ALL, or a join with VALUES, for the columns."),
        TableFactor::MatchRecognize { .. } => Some("Use self-joins for patterns of rows."),
        _ => None,
    }
}

fn token_hint(token: &Token) -> Option<&'static str> {
    match token {
        Token::Word(word) if word.quote_style == Some('`') => {
            Some("Names are quoted by double quotes: \"name\".")
        }
        Token::Word(word) => match word.keyword {
            Keyword::REGEXP | Keyword::RLIKE => Some("Use the operator ~ to match a regular expression."),
            Keyword::DIV => Some("Division of integers by / gives an integer."),
            Keyword::XOR => Some("Use <> between booleans."),
            Keyword::EXCLUDE => Some("List the columns that are wanted."),
            _ => None,
        },
        _ => None,
    }
}

fn insert_hint(insert: &Insert) -> Option<&'static str> {
    if insert.replace_into || insert.or.is_some() {
        return Some("Use INSERT ... ON CONFLICT (key) DO UPDATE SET ....");
    }
    match &insert.on {
        Some(OnInsert::DuplicateKeyUpdate(_)) => {
            return Some("Use ON CONFLICT (key) DO UPDATE SET column = excluded.column.");
        }
        Some(OnInsert::OnConflict(_)) | None => {}
        Some(_) => return None,
    }
    if insert.ignore {
        return Some("Use INSERT ... ON CONFLICT DO NOTHING.");
    }
    if insert.overwrite {
        return Some("Use TRUNCATE and INSERT in one transaction.");
    }
    (!insert.assignments.is_empty()).then_some("Use INSERT INTO table (columns) VALUES (...).")
}

fn table_hint(table: &CreateTable) -> Option<&'static str> {
    let options = table.columns.iter().flat_map(|column| &column.options);
    if options.map(|option| &option.option).any(|option| matches!(option, ColumnOption::DialectSpecific(_))) {
        return Some("A column can have a type, NOT NULL, DEFAULT, PRIMARY KEY and UNIQUE.");
    }
    match &table.table_options {
        CreateTableOptions::None | CreateTableOptions::With(_) => None,
        _ => Some("A table needs no engine and no storage options."),
    }
}

#[cfg(test)]
mod tests {
    /// A text, and a part of its hint.
    const HINTS: [(&str, &str); 20] = [
        ("SELECT `a` FROM `t`", "double quotes"),
        ("SELECT TOP 5 * FROM t", "LIMIT"),
        ("SELECT a FROM t QUALIFY row_number() OVER (ORDER BY a) = 1", "outer query"),
        ("INSERT OVERWRITE TABLE t SELECT 1", "TRUNCATE"),
        ("REPLACE INTO t VALUES (1)", "ON CONFLICT"),
        ("INSERT IGNORE INTO t VALUES (1)", "DO NOTHING"),
        ("INSERT INTO t VALUES (1, 2) ON DUPLICATE KEY UPDATE b = 3", "ON CONFLICT"),
        ("INSERT INTO t SET a = 1", "VALUES"),
        ("USE sales", "search_path"),
        ("DESCRIBE t", "\\d name"),
        ("SHOW TABLES LIKE 'a%'", "\\dt"),
        ("CREATE TABLE t (a int) ENGINE=InnoDB", "engine"),
        ("CREATE TABLE t (a int AUTO_INCREMENT)", "A column can have"),
        ("SELECT * FROM t PIVOT (sum(a) FOR b IN ('x', 'y'))", "FILTER"),
        ("SELECT a FROM t START WITH a = 1 CONNECT BY PRIOR a = b", "WITH RECURSIVE"),
        ("SELECT a REGEXP 'x' FROM t", "~"),
        ("SELECT a DIV 2 FROM t", "/"),
        ("SELECT a FROM t PREWHERE a > 1", "WHERE"),
        ("SELECT * EXCLUDE (a) FROM t", "columns"),
        ("SELECT a FROM t LATERAL VIEW explode(b) x AS c", "set-returning"),
    ];

    #[test]
    fn what_another_system_has_gets_a_hint() {
        for (text, part) in HINTS {
            let error = crate::parse::parse(text).expect_err(text);
            assert!(
                error.hint.as_deref().is_some_and(|hint| hint.contains(part)),
                "{text}: {:?}",
                error.hint
            );
        }
    }

    #[test]
    fn a_slip_gets_none() {
        for text in
            ["SELEC 1", "SELECT 1 FORM t", "SELECT (1", "SELECT 'a", "INSERT t VALUES", "SELECT a b c FROM t"]
        {
            let error = crate::parse::parse(text).expect_err(text);
            assert_eq!(error.hint, None, "{text}");
        }
    }
}
