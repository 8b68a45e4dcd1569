//! The parser's tables: what is accepted and as what, what is refused and where, how operators group.
//!
//! `tests/precedence.txt` holds every pair of operators. Its groupings and errors were compared with PostgreSQL 15, by the
//! definitions it prints of views over a type that has all the operators. The errors in `tests/errors.txt` are PostgreSQL's
//! except for statements that only Tidewater has. With `REWRITE=1` the tables are written anew; review the difference.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::{parse, parse_canonical, parse_expression, parse_type};
use crate::ast::{Expr, ExprKind, Statement, print};
use crate::error::{Error, SqlState};

/// The inputs of a table and what is written under each.
fn check_table(file: &str, outcome: impl Fn(&str) -> String) {
    let path = format!("{}/src/parse/tests/{file}", env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(&path).expect("the table is in the source tree");
    let mut expected = String::new();
    for input in table.lines().filter(|line| !line.starts_with("  => ")) {
        writeln!(expected, "{input}\n  => {}", outcome(input)).expect("writing to a String cannot fail");
    }
    if std::env::var_os("REWRITE").is_some() {
        std::fs::write(&path, &expected).expect("the table can be written");
        return;
    }
    for (is, should) in expected.lines().zip(table.lines()) {
        assert_eq!(is, should, "in {file}");
    }
    assert_eq!(expected.len(), table.len(), "{file} ends early");
}

fn shown(error: &Error) -> String {
    let position = error.position.map_or(String::new(), |position| format!(" at {position}"));
    let hint = error.hint.as_ref().map_or(String::new(), |hint| format!(" HINT: {hint}"));
    format!("{}{position}: {}{hint}", error.code.code(), error.message)
}

fn canonical(sql: &str) -> String {
    match parse(sql) {
        Ok(statements) => {
            let printed: Vec<String> = statements.iter().map(|s| print::statement(&s.node)).collect();
            printed.join("; ")
        }
        Err(error) => shown(&error),
    }
}

/// The tree without its positions, to compare trees of different texts.
fn shape(statement: &Statement) -> String {
    let tree = format!("{statement:?}");
    let mut shape = String::with_capacity(tree.len());
    let (mut rest, mut quoted) = (tree.as_str(), false);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        shape.push(c);
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => shape.extend(rest.chars().next().inspect(|c| rest = &rest[c.len_utf8()..])),
            // A field (`position: 3`, `range: 1..2`) or alone in a tuple; no other numbers stand there but `$1`'s.
            ' ' | '(' if !quoted => rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'),
            _ => {}
        }
    }
    shape
}

/// The canonical text of each statement reads back as the same tree.
fn assert_reads_back(sql: &str) {
    for statement in parse(sql).unwrap_or_default() {
        if matches!(statement.node, Statement::Unsupported { .. }) {
            continue;
        }
        let printed = print::statement(&statement.node);
        let again = match parse_canonical(&printed) {
            Ok(again) => again,
            Err(error) => panic!("{sql}\nprints as\n{printed}\nwhich is refused: {}", shown(&error)),
        };
        assert_eq!(again.len(), 1, "{sql}\nprints as\n{printed}");
        let same = shape(&again[0].node) == shape(&statement.node);
        assert!(same, "{sql}\nprints as\n{printed}\nwhich is another tree");
    }
}

const CANONICAL: &str = include_str!("tests/canonical.txt");
const CLIENTS: &str = include_str!("tests/clients.sql");

/// The statements of all tables that are accepted.
fn accepted() -> impl Iterator<Item = &'static str> {
    CANONICAL.lines().filter(|line| !line.starts_with("  => ")).chain(CLIENTS.split("\n\n"))
}

#[test]
fn statements_print_canonically() {
    check_table("canonical.txt", |sql| {
        assert!(parse(sql).is_ok(), "{sql}: {}", canonical(sql));
        canonical(sql)
    });
}

#[test]
fn errors_are_postgresqls() {
    check_table("errors.txt", |sql| {
        assert!(parse(sql).is_err(), "accepted: {sql}");
        canonical(sql)
    });
}

#[test]
fn operators_group_as_in_postgresql() {
    check_table("precedence.txt", |text| match parse_expression(text) {
        Ok(expr) => print::expr(&expr),
        Err(error) => shown(&error),
    });
}

#[test]
fn canonical_text_reads_back() {
    accepted().for_each(assert_reads_back);
}

#[test]
fn clients_introspection_parses() {
    for sql in CLIENTS.split("\n\n") {
        assert!(parse(sql).is_ok(), "{sql}\n{}", canonical(sql));
    }
}

#[test]
fn the_decks_statements_parse() {
    let deck = [
        "SELECT * \nFROM WIDGETS \nWHERE WEIGHT_G > 120",
        "SELECT COUNT(*)  \nFROM WIDGETS \nGROUP BY PRODUCTION_LINE",
        "SELECT AVG(TEMP_CELCIUS) AS TEMP  \nFROM WIDGETS \nGROUP BY SENSOR_ID \nHAVING TEMP>20",
        "CREATE SINK CONNECTOR dw WITH ( \n'connector.class' = 'S3Connector', \n'topics' = 'widgets' \n…);",
        "CREATE STREAM POOR_RATINGS AS \nSELECT * FROM ratings WHERE STARS <3",
        "CREATE STREAM RATINGS_WITH_CUSTOMER_DATA AS \nSELECT * FROM RATINGS  \n LEFT JOIN CUSTOMERS ON R.ID=C.ID;",
        "CREATE STREAM UNHAPPY_PLATINUM_CUSTOMERS AS \nSELECT * FROM RATINGS_WITH_CUSTOMER_DATA \nWHERE  STARS < 3",
        "CREATE TABLE RATINGS_BY_CLUB_STATUS AS \nSELECT   CLUB_STATUS, COUNT(*) \nFROM     RATINGS_WITH_CUSTOMER_DATA \n         WINDOW TUMBLING (SIZE 1 MINUTES) \nGROUP BY CLUB_STATUS;",
    ];
    for sql in deck {
        assert_eq!(parse(sql).map(|list| list.len()), Ok(1), "{sql}");
        assert_reads_back(sql);
    }
}

#[test]
fn statements_know_their_source() {
    let text = " SELECT 1 ; ;\n/* é */ SELECT 'b' -- end\n;";
    let statements = parse(text).expect("it is right");
    let sources: Vec<&str> = statements.iter().map(|s| &text[s.range.clone()]).collect();
    assert_eq!(sources, ["SELECT 1", "SELECT 'b'"]);
    assert_eq!(parse(" -- nothing\n;;"), Ok(Vec::new()));

    let text = "PREPARE p (int) AS SELECT $1; DECLARE c CURSOR FOR SUBSCRIBE t AS OF 1";
    let statements = parse(text).expect("it is right");
    let (Statement::Prepare(prepare), Statement::Declare(declare)) =
        (&statements[0].node, &statements[1].node)
    else {
        panic!("other statements")
    };
    assert_eq!(&text[prepare.range.clone()], "SELECT $1");
    assert_eq!(&text[declare.range.clone()], "SUBSCRIBE t AS OF 1");
}

#[test]
fn nodes_know_their_position() {
    // The operator, the keyword, the name: where PostgreSQL would point. Characters, not bytes.
    for (text, position, start) in [
        ("é + b", 3, 1),
        ("a.b * c", 5, 1),
        ("a AND b AND c", 3, 1),
        ("a NOT IN (1)", 3, 1),
        ("a NOT BETWEEN 1 AND 2", 3, 1),
        ("a IS DISTINCT FROM b", 3, 1),
        ("a || b LIKE c", 8, 1),
        ("a + b::int", 3, 1),
        ("'é'::int", 4, 1),
        ("CAST(a AS int)", 1, 1),
        ("  f(x)", 3, 3),
        ("( a )", 3, 3),
        ("(SELECT 1)", 1, 1),
        ("- x", 1, 1),
        ("a < ANY (b)", 3, 1),
        ("x AT TIME ZONE y", 3, 3),
        ("date '2020'", 1, 1),
    ] {
        let expr = parse_expression(text).expect(text);
        assert_eq!((expr.position, expr.start()), (position, start), "{text}");
    }
    let expr = parse_expression("date '2020'").expect("it is right");
    let ExprKind::Cast { operand, to } = expr.kind else { panic!("not a cast") };
    assert_eq!((operand.position, to.position), (6, 1));
}

#[test]
fn columns_are_named_as_in_postgresql() {
    for (text, name) in [
        ("1", None),
        ("a + b", None),
        ("a", Some("a")),
        ("t.a", Some("a")),
        ("a::int", Some("a")),
        ("1::int", Some("int4")),
        ("'x'::varchar(3)", Some("varchar")),
        ("f(a)", Some("f")),
        ("count(*)", Some("count")),
        ("COALESCE(a, b)", Some("coalesce")),
        ("EXTRACT(year FROM a)", Some("extract")),
        ("TRIM(a)", Some("btrim")),
        ("a AT TIME ZONE b", Some("timezone")),
        ("CURRENT_DATE", Some("current_date")),
        ("CASE WHEN a THEN b ELSE c END", Some("c")),
        ("CASE WHEN a THEN b END", Some("case")),
        ("CASE WHEN a THEN b ELSE 1::int END", Some("case")),
        ("EXISTS (SELECT 1)", Some("exists")),
        ("ARRAY[1]", Some("array")),
        ("ROW(1)", Some("row")),
        ("(1, 2)", Some("row")),
        ("(SELECT a FROM t)", Some("a")),
        ("(SELECT 1 AS x)", Some("x")),
        ("(SELECT 1)", Some("?column?")),
        ("(VALUES (1))", Some("column1")),
        ("a[1]", Some("a")),
        ("(a).b[2]", Some("b")),
        ("a COLLATE \"C\"", Some("a")),
        ("-a", None),
        ("NOT a", None),
    ] {
        let expr = parse_expression(text).expect(text);
        assert_eq!(expr.column_name(), name, "{text}");
    }
}

#[test]
fn names_are_folded_and_truncated() {
    let name = |text: &str| match parse_expression(text).expect("it is a name").kind {
        ExprKind::Column(name) => name.parts[0].name.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(name("ABC_1$"), "abc_1$");
    assert_eq!(name("ÀB"), "Àb");
    assert_eq!(name("\"A\"\"B\""), "A\"B");
    assert_eq!(name(&"x".repeat(70)), "x".repeat(63));
    // 62 bytes and a character of two: it does not fit.
    assert_eq!(name(&format!("{}é", "x".repeat(62))), "x".repeat(62));
}

#[test]
fn types_print_in_sqls_spelling() {
    for (text, printed) in [
        ("INT4", "integer"),
        ("timestamptz(3)", "timestamp(3) with time zone"),
        ("varchar", "character varying"),
        ("\"char\"", "\"char\""),
        ("bpchar", "bpchar"),
        ("character", "character(1)"),
        ("interval hour to second (2)", "interval HOUR TO SECOND(2)"),
        ("s.\"T\"[][]", "s.\"T\"[][]"),
        ("SETOF text", "SETOF text"),
    ] {
        assert_eq!(parse_type(text).map(|t| print::type_name(&t)).as_deref(), Ok(printed), "{text}");
    }
    assert!(parse_type("int int").is_err());
    assert!(parse_expression("a b").is_err());
}

/// Runs on a stack as small as a thread's usual one.
fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread can be started");
    thread.join().expect("no panic, no overflow");
}

fn assert_too_deep(text: &str) {
    let error = parse(text).expect_err("it is too deep");
    assert_eq!(error.code, SqlState::STATEMENT_TOO_COMPLEX, "{}", shown(&error));
}

#[test]
fn nesting_is_bounded() {
    on_small_stack(|| {
        let nest = |open: &str, inner: &str, close: &str, n: usize| {
            format!("SELECT {}{inner}{}", open.repeat(n), close.repeat(n))
        };
        for (open, close) in [
            ("(", ")"),
            ("(SELECT ", ")"),
            ("f(", ")"),
            ("NOT ", ""),
            ("- ", ""),
            ("@ ", ""),
            ("CASE WHEN true THEN ", " END"),
            ("CASE ", " WHEN 1 THEN 2 END"),
            ("ARRAY[", "]"),
            ("a[", "]"),
            ("1 + (", ")"),
            ("1 IN (", ")"),
            ("CAST(", " AS int)"),
            ("EXISTS (SELECT ", ")"),
            ("1 BETWEEN (", ") AND 1"),
        ] {
            let fine = nest(open, "1", close, 100);
            assert!(parse(&fine).is_ok(), "{open}: {}", canonical(&fine));
            assert_reads_back(&fine);
            assert_too_deep(&nest(open, "1", close, 10_000));
        }
        let from = |n: usize| format!("SELECT * FROM {}t JOIN u ON true{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&from(400)).is_ok());
        assert_too_deep(&from(10_000));
        assert_too_deep(&format!(
            "SELECT * FROM a {} {}",
            "JOIN b ".repeat(10_000),
            "ON true ".repeat(10_000)
        ));
        assert_too_deep(&format!("SELECT * FROM {}", "(SELECT * FROM ".repeat(10_000)));
        assert_too_deep(&"(".repeat(10_000));
        assert_too_deep(&format!("{} SELECT 1", "WITH a AS (".repeat(10_000)));
        assert_too_deep(&format!("COPY t FROM STDIN (a {}", "(".repeat(10_000)));
    });
}

#[test]
fn chains_are_long_or_refused() {
    on_small_stack(|| {
        let sum = format!("SELECT a{}", " + a".repeat(950));
        let printed = canonical(&sum);
        assert_eq!(printed, sum, "a chain needs no parentheses");
        let chain = |operator: &str, n: usize| format!("SELECT a{}", format!(" {operator} a").repeat(n));
        for operator in ["AND", "OR", ",", "AS b,"] {
            let long = chain(operator, 10_000);
            let statements = parse(&long).expect("its length is no depth");
            assert_eq!(statements, statements.clone());
            assert_eq!(canonical(&print::statement(&statements[0].node)), canonical(&long));
        }
        let conditions = format!("SELECT 1 WHERE {}", vec!["a + 1 = b * 2 OR c"; 5_000].join(" AND "));
        assert!(parse(&conditions).is_ok());
        for operator in ["+", "||", "::int -", "AT TIME ZONE", "IS NULL =", "COLLATE \"C\" ||"] {
            let long = chain(operator, 480);
            let statements = parse(&long).expect("PostgreSQL takes it");
            assert_eq!(statements, statements.clone());
            assert!(format!("{statements:?}").len() > 900);
            assert_reads_back(&long);
            assert_too_deep(&chain(operator, 10_000));
        }
        for operator in ["UNION ALL SELECT 1", "UNION SELECT 1", "EXCEPT SELECT 1", "INTERSECT VALUES (1)"] {
            let long = format!("SELECT 1 {}", format!("{operator} ").repeat(10_000));
            assert!(parse(&long).is_ok(), "{operator}");
        }
        assert_too_deep(&format!("SELECT 1 {}", "UNION SELECT 1 EXCEPT SELECT 1 ".repeat(10_000)));
        let joins = format!("SELECT * FROM t {}", "JOIN t ON true ".repeat(10_000));
        assert!(parse(&joins).is_ok());
        // Nesting times length is a height too.
        let both = format!("SELECT {}a{}", "(".repeat(450), format!("){}", " + a".repeat(100)).repeat(450));
        assert_too_deep(&both);
    });
}

#[test]
fn the_number_of_tokens_is_bounded() {
    let text = format!("SELECT {}1", "1,".repeat(super::lex::TOKENS_MAX));
    assert_eq!(parse(&text).map_err(|e| e.code), Err(SqlState::PROGRAM_LIMIT_EXCEEDED));
}

/// Changes to the tables' statements, at random but the same in every run: the parser answers, soon, and what it accepts
/// reads back.
#[test]
fn mutants_are_answered() {
    let statements: Vec<Vec<&str>> = accepted().map(pieces).collect();
    let words: Vec<&str> =
        statements.iter().flatten().copied().filter(|word| !word.trim().is_empty()).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let mut mutant = statements[random.below(statements.len())].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(mutant.len().max(1));
            match random.below(4) {
                _ if mutant.is_empty() => {}
                0 => drop(mutant.remove(at)),
                1 => mutant.insert(at, words[random.below(words.len())]),
                2 => mutant[at] = words[random.below(words.len())],
                _ => mutant.truncate(at),
            }
        }
        let text = mutant.concat();
        let begun = Instant::now();
        assert_reads_back(&text);
        assert!(begun.elapsed() < Duration::from_secs(2), "slow: {text}");
    }
}

/// Words, numbers, and everything else by the character.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match in_word(first) {
            true => rest.find(|c: char| !in_word(c)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        pieces.push(&rest[..length]);
        rest = &rest[length..];
    }
    pieces
}

/// Xorshift: enough for choosing mutations, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn conditions_are_flat_lists() {
    let list = |text: &str| match parse_expression(text).expect(text).kind {
        ExprKind::And(list) | ExprKind::Or(list) => list.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(list("a AND b AND (c AND (d AND e))"), 5);
    assert_eq!(list("(a OR b) OR c AND d"), 3);
    assert_eq!(list("a AND (b OR c) AND d"), 3);
}

#[test]
fn a_sign_belongs_to_its_number() {
    let number = |text: &str| match parse_expression(text) {
        Ok(Expr { kind: ExprKind::Literal(crate::ast::Literal::Number(digits)), .. }) => Some(digits),
        _ => None,
    };
    assert_eq!(number("-9223372036854775808").as_deref(), Some("-9223372036854775808"));
    assert_eq!(number("- - 1").as_deref(), Some("1"));
    assert_eq!(number("-(1.5)").as_deref(), Some("-1.5"));
    assert_eq!(number("+ 1"), None);
}

#[test]
fn strings_continue_over_a_line_end() {
    let printed = |text: &str| parse_expression(text).map(|e| print::expr(&e)).map_err(|e| e.position);
    assert_eq!(printed("'a' -- b\n  'c'\r\n'd'").as_deref(), Ok("'acd'"));
    assert_eq!(printed("E'\\x61'\n'\\n'").as_deref(), Ok("'a\n'"));
    assert_eq!(printed("'a' 'b'"), Err(Some(5)));
    assert_eq!(printed("'a' /* \n */ 'b'"), Err(Some(13)));
}
