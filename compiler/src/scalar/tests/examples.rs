//! Runs the example of every declaration: its literals are read as the declared argument types.

use super::{format, parse};
use crate::repr::row::Datums;
use crate::repr::{Arena, Datum, RowBuf, Type, encode_sort_key, row};
use crate::scalar::window::{self, Frame, PartitionRow};
use crate::scalar::{
    AggregateExpr, ArgType, Context, ScalarExpr, SortKey, Volatility, WindowExpr, all, all_aggregates,
    all_table_functions, all_window_functions,
};

/// A literal of an example: its text and, if it is written, its type.
#[derive(Debug)]
struct Literal {
    text: String,
    typ: Option<Type>,
    quoted: bool,
}

/// The literals of an expression, in order. Operators, names and casts are passed over.
fn literals(sql: &str) -> Vec<Literal> {
    let mut found: Vec<Literal> = Vec::new();
    let chars: Vec<char> = sql.chars().collect();
    let mut word = String::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let negative = c == '-' && chars.get(at + 1).is_some_and(char::is_ascii_digit);
        if c == '\'' {
            let (text, end) = quoted(&chars, at, '\'');
            found.push(Literal { text, typ: Type::named(&word), quoted: true });
            at = end;
        } else if c == '"' {
            at = quoted(&chars, at, '"').1;
        } else if c.is_ascii_digit() || negative {
            let end = (at + 1..chars.len())
                .find(|i| !(chars[*i].is_ascii_digit() || chars[*i] == '.'))
                .unwrap_or(chars.len());
            found.push(Literal { text: chars[at..end].iter().collect(), typ: None, quoted: false });
            at = end;
        } else if c.is_ascii_alphabetic() || c == '_' {
            let end = (at..chars.len())
                .find(|i| !(chars[*i].is_ascii_alphanumeric() || chars[*i] == '_'))
                .unwrap_or(chars.len());
            word = chars[at..end].iter().collect();
            let cast = at >= 2 && chars[at - 1] == ':';
            let array = sql.get(end..).is_some_and(|rest| rest.starts_with("[]"));
            if cast && let Some(typ) = Type::named(&word) {
                let last = found.last_mut().expect("a cast follows a literal");
                if last.typ.is_none() && last.quoted {
                    last.typ = Some(if array { Type::Array(Box::new(typ)) } else { typ });
                }
            }
            if !cast && matches!(word.as_str(), "NULL" | "true" | "false") {
                let typ = (word != "NULL").then_some(Type::Bool);
                found.push(Literal { text: word.clone(), typ, quoted: false });
            }
            at = end;
            if chars.get(at) == Some(&' ') {
                at += 1;
            } else {
                word.clear();
            }
            continue;
        } else {
            at += 1;
        }
        word.clear();
    }
    found
}

/// A quoted text from its opening quote, and where it ends.
fn quoted(chars: &[char], start: usize, quote: char) -> (String, usize) {
    let mut text = String::new();
    let mut at = start + 1;
    loop {
        match (chars[at], chars.get(at + 1)) {
            (c, Some(next)) if c == quote && *next == quote => {
                text.push(quote);
                at += 2;
            }
            (c, _) if c == quote => return (text, at + 1),
            (c, _) => {
                text.push(c);
                at += 1;
            }
        }
    }
}

fn type_of(literal: &Literal, declared: ArgType) -> Type {
    let written = || match (&literal.typ, literal.quoted) {
        (Some(typ), _) => typ.clone(),
        (None, true) => Type::Text,
        (None, false) if literal.text.contains('.') => Type::Numeric(None),
        (None, false) => Type::Int4,
    };
    declared.concrete().unwrap_or_else(written)
}

/// The example's arguments with their types, as the declaration takes them.
fn arguments<'a>(
    sql: &str,
    arg: &dyn Fn(usize) -> Option<ArgType>,
    arena: &'a Arena,
) -> (Vec<Datum<'a>>, Vec<Type>) {
    let (mut datums, mut types) = (Vec::new(), Vec::new());
    for (i, literal) in literals(sql).iter().enumerate() {
        let Some(declared) = arg(i) else { break };
        let typ = type_of(literal, declared);
        datums.push(parse(&typ, &literal.text, arena));
        types.push(typ);
    }
    (datums, types)
}

#[test]
fn every_function_does_what_its_example_says() {
    let mut failures = Vec::new();
    for func in all() {
        let (sql, expected) = func.example;
        assert!(func.doc().ends_with('.'), "{:?} is documented by a sentence", func.id);
        if func.volatility != Volatility::Immutable || func.args.contains(&ArgType::Record) {
            continue;
        }
        let arena = Arena::default();
        let (args, types) = arguments(sql, &|i| func.arg(i), &arena);
        let literals = args.iter().zip(&types).map(|(d, t)| ScalarExpr::literal(*d, t.clone())).collect();
        let call = ScalarExpr::call(func, literals, &types);
        let typ = call.typ(&[]);
        let evaluate = || match call.eval(&[], &arena) {
            Ok(datum) => format(datum, &typ.typ),
            Err(error) => format!("error: {}", error.message),
        };
        let evaluated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(evaluate));
        let actual = evaluated.unwrap_or_else(|_| "a panic".to_owned());
        if actual != expected {
            failures.push(format!("{}: {sql} gives {actual}, not {expected}", func.id));
        }
        if actual == "NULL" && !typ.nullable {
            failures.push(format!("{}: {sql} is NULL, against its declaration", func.id));
        }
        if actual.starts_with("error") && !func.can_error {
            failures.push(format!("{}: {sql} fails, against its declaration", func.id));
        }
    }
    assert!(failures.is_empty(), "{}\n{} failures", failures.join("\n"), failures.len());
}

#[test]
fn every_aggregate_does_what_its_example_says() {
    for aggregate in all_aggregates() {
        let arena = Arena::default();
        let (rows, expected) = aggregate.example;
        let mut types: Vec<Type> = Vec::new();
        let mut group = Vec::new();
        for row in rows {
            let mut datums = Vec::new();
            types.clear();
            for (text, declared) in row.iter().zip(aggregate.args) {
                let typ = match declared {
                    ArgType::AnyArray => Type::Array(Box::new(Type::Int4)),
                    declared => declared.concrete().unwrap_or(Type::Int4),
                };
                datums.push(parse(&typ, text, &arena));
                types.push(typ);
            }
            group.push((datums, 1));
        }
        let args = (0..aggregate.args.len()).map(ScalarExpr::Column).collect();
        let mut expr = AggregateExpr::new(aggregate.func, args);
        if let Some(direct) = aggregate.func.direct_args() {
            expr.order_by =
                vec![SortKey { expr: ScalarExpr::Column(direct), desc: false, nulls_first: false }];
        }
        let result = expr.evaluate(&group, &arena).unwrap_or_else(|e| panic!("{}: {e:?}", aggregate.name));
        assert_eq!(
            format(result, &aggregate.func.result_type(&types)),
            expected,
            "{} of {rows:?}",
            aggregate.name
        );
    }
}

#[test]
fn every_window_function_does_what_its_example_says() {
    for function in all_window_functions() {
        let arena = Arena::default();
        let (rows, expected) = function.example;
        let types: Vec<Type> =
            function.args.iter().map(|declared| declared.concrete().unwrap_or(Type::Int4)).collect();
        let partition: Vec<(Vec<u8>, Vec<Datum<'_>>)> = rows
            .iter()
            .map(|row| {
                let datums: Vec<Datum<'_>> =
                    row.iter().zip(&types).map(|(text, typ)| parse(typ, text, &arena)).collect();
                let mut rank = Vec::new();
                datums.iter().take(1).for_each(|first| encode_sort_key(*first, false, false, &mut rank));
                (rank, datums)
            })
            .collect();
        let placed: Vec<PartitionRow<'_, '_>> = partition
            .iter()
            .map(|(rank, datums)| PartitionRow { rank, datums: datums.clone(), copies: 1 })
            .collect();
        let args = (0..function.args.len()).map(ScalarExpr::Column).collect();
        let frame = Frame::default_frame();
        let call = [WindowExpr { func: function.func, args, filter: None, frame }];
        let typ = function.func.result_type(&types);
        let mut results = Vec::new();
        window::evaluate(&call, &placed, None, &arena, &mut |_, packed, copies| {
            let datum = Datums::new(packed).next().expect("one result");
            (0..copies).for_each(|_| results.push(format(datum, &typ)));
        });
        assert_eq!(results, expected, "{} of {rows:?}", function.name);
    }
}

#[test]
fn every_table_function_does_what_its_example_says() {
    for func in all_table_functions() {
        let arena = Arena::default();
        let (sql, expected) = func.example;
        let (args, types) = arguments(sql, &|i| func.args.get(i).copied(), &arena);
        let typ = func.column_types(&types).remove(0);
        let context = Context { arena: &arena, typ: &typ };
        let mut call = func.call(&args, context).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        let (mut rows, mut row) = (Vec::new(), RowBuf::default());
        while call.next(&mut row).unwrap_or_else(|e| panic!("{sql}: {e:?}")) {
            rows.push(format(row::decode_first(row.bytes()).0, &typ));
            row.clear();
        }
        assert_eq!(rows, expected, "{sql}");
    }
}
