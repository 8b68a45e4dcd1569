//! Map-filter-project: the compiled form on packed rows against the plain meaning, on random expressions and rows.

use super::parse;
use crate::repr::{Arena, ColumnType, Datum, Row, RowBuf, Type};
use crate::scalar::{EvalError, Func, Mfp, ScalarExpr, Scratch};

/// A small generator; tests print its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// Columns 0 and 1 are integers, 2 is text, 3 a truth value; maps follow with their types.
fn random_expr(random: &mut Random, types: &[Type], want: &Type, depth: usize) -> ScalarExpr {
    let columns: Vec<usize> = (0..types.len()).filter(|c| types[*c] == *want).collect();
    if depth == 0 || random.below(4) == 0 {
        if !columns.is_empty() && random.below(3) > 0 {
            return ScalarExpr::Column(random.pick(&columns));
        }
        let arena = Arena::default();
        let text = match want {
            Type::Int4 => random.pick(&["0", "1", "2", "2147483647", "NULL"]),
            Type::Text => random.pick(&["", "a", "ab", "%b", "NULL"]),
            _ => random.pick(&["t", "f", "NULL"]),
        };
        return ScalarExpr::literal(parse(want, text, &arena), want.clone());
    }
    let sub = |random: &mut Random, want: &Type| random_expr(random, types, want, depth - 1);
    let ids: &[&str] = match want {
        Type::Int4 => {
            &["+ Int4 Int4", "/ Int4 Int4", "* Int4 Int4", "- Int4", "length Text", "if", "coalesce"]
        }
        Type::Text => &["|| Text Text", "lower Text", "if", "coalesce"],
        _ => &["= Int4 Int4", "< Text Text", "~~ Text Text", "not Bool", "is null Any", "and", "or", "if"],
    };
    match random.pick(ids) {
        "and" => ScalarExpr::And((0..3).map(|_| sub(random, &Type::Bool)).collect()),
        "or" => ScalarExpr::Or((0..3).map(|_| sub(random, &Type::Bool)).collect()),
        "coalesce" => ScalarExpr::Coalesce((0..2).map(|_| sub(random, want)).collect()),
        "if" => ScalarExpr::if_then_else(sub(random, &Type::Bool), sub(random, want), sub(random, want)),
        id => {
            let func = Func::by_id(id).expect("declared");
            let arg_types: Vec<Type> = func.args.iter().map(|a| a.concrete().unwrap_or(Type::Int4)).collect();
            let args = arg_types.iter().map(|typ| sub(random, typ)).collect();
            ScalarExpr::call(func, args, &arg_types)
        }
    }
}

const INPUT: [Type; 4] = [Type::Int4, Type::Int4, Type::Text, Type::Bool];

fn random_row<'a>(random: &mut Random, arena: &'a Arena) -> Vec<Datum<'a>> {
    INPUT
        .iter()
        .map(|typ| match typ {
            _ if random.below(6) == 0 => Datum::Null,
            _ if random.below(12) == 0 => EvalError::division_by_zero().to_cell(arena),
            Type::Int4 => Datum::Int(random.pick(&[-1, 0, 1, 2, 100, 2147483647])),
            Type::Text => Datum::Text(random.pick(&["", "a", "b", "ab", "Abc"])),
            _ => Datum::Bool(random.below(2) == 0),
        })
        .collect()
}

fn random_mfp(random: &mut Random) -> Mfp {
    let mut types = INPUT.to_vec();
    let mut maps = Vec::new();
    for _ in 0..random.below(4) {
        let want = random.pick(&[Type::Int4, Type::Text, Type::Bool]);
        maps.push(random_expr(random, &types, &want, 3));
        types.push(want);
    }
    let predicates: Vec<ScalarExpr> =
        (0..random.below(3)).map(|_| random_expr(random, &types, &Type::Bool, 3)).collect();
    let projection: Vec<usize> = (0..random.below(6)).map(|_| random.below(types.len())).collect();
    Mfp::new(INPUT.len()).map(maps).filter(predicates).project(projection)
}

/// What an Mfp means, said plainly.
fn reference(mfp: &Mfp, input: &[Datum<'_>]) -> Result<Option<Row>, EvalError> {
    let arena = Arena::default();
    let mut row = input.to_vec();
    for map in &mfp.maps {
        let value = map.eval(&row, &arena).unwrap_or_else(|e| e.to_cell(&arena));
        row.push(value);
    }
    let verdict = ScalarExpr::And(mfp.predicates.clone());
    let passes = mfp.predicates.iter().map(|p| p.eval(&row, &arena)).collect::<Vec<_>>();
    if passes.iter().any(|p| matches!(p, Ok(Datum::Bool(false) | Datum::Null))) {
        return Ok(None);
    }
    verdict.eval(&row, &arena)?;
    Ok(Some(Row::pack(mfp.projection.iter().map(|c| row[*c]))))
}

#[test]
fn the_compiled_form_means_what_the_plain_one_does() {
    let seed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64)
            | 1;
    println!("seed {seed}");
    let mut random = Random(seed);
    let mut scratch = Scratch::default();
    for _ in 0..800 {
        let mfp = random_mfp(&mut random);
        let mut optimized = mfp.clone();
        optimized.optimize();
        let (plan, again) = (mfp.plan(), optimized.plan());
        for _ in 0..4 {
            let arena = Arena::default();
            let input = random_row(&mut random, &arena);
            let expected = reference(&mfp, &input);
            let packed = Row::pack(input.iter().copied());
            let cut = Row::pack(input[..2].iter().copied()).bytes().len();
            let (left, right) = packed.bytes().split_at(cut);
            let check = |result: Result<bool, EvalError>, out: RowBuf, how: &str| {
                let actual = result.map(|passed| passed.then(|| out.into_row()));
                match (&expected, &actual) {
                    (Err(_), Err(_)) => {}
                    _ => assert_eq!(expected, actual, "{how}: seed {seed}\n{mfp:#?}\n{input:?}"),
                }
            };
            let mut out = RowBuf::default();
            check(plan.evaluate_packed(packed.bytes(), &mut scratch, &mut out), out, "packed");
            let mut out = RowBuf::default();
            check(again.evaluate_packed(packed.bytes(), &mut scratch, &mut out), out, "optimized");
            let mut out = RowBuf::default();
            check(plan.evaluate_parts(&[left, right], &mut scratch, &mut out), out, "parts");
            let mut out = RowBuf::default();
            check(plan.evaluate(&input, &mut scratch, &mut out), out, "datums");
            // As a row is stored from before its last columns were there, and from after others came.
            let known = random.below(input.len() + 1);
            let missing = Some(Row::pack(input[known..].iter().copied()));
            let stored = Mfp { missing, ..mfp.clone() }.plan();
            let mut out = RowBuf::default();
            let narrow = Row::pack(input[..known].iter().copied());
            check(stored.evaluate_packed(narrow.bytes(), &mut scratch, &mut out), out, "narrow");
            let mut out = RowBuf::default();
            let wide = Row::pack(input.iter().copied().chain([Datum::Int(7)]));
            check(stored.evaluate_packed(wide.bytes(), &mut scratch, &mut out), out, "wide");
        }
    }
}

#[test]
fn composition_is_one_after_the_other() {
    let mut random = Random(0x9e3779b97f4a7c15);
    for _ in 0..500 {
        let first = random_mfp(&mut random);
        let arity = first.output_arity();
        let second = Mfp::new(arity).project((0..arity).rev());
        let both = first.clone().then(second);
        let arena = Arena::default();
        let input = random_row(&mut random, &arena);
        let expected = reference(&first, &input).map(|row| {
            row.map(|row| {
                let mut datums = row.unpack();
                datums.reverse();
                Row::pack(datums)
            })
        });
        assert_eq!(reference(&both, &input), expected);
    }
}

#[test]
fn a_key_is_measured() {
    let mfp = Mfp::new(3).project([2, 0, 1]);
    let plan = crate::scalar::MfpPlan::keyed(&mfp, 1);
    let row = Row::pack([Datum::Int(1), Datum::Int(2), Datum::Text("key")]);
    let mut scratch = Scratch::default();
    let mut out = RowBuf::default();
    assert_eq!(plan.evaluate_packed(row.bytes(), &mut scratch, &mut out), Ok(true));
    assert_eq!(scratch.key_len, Row::pack([Datum::Text("key")]).bytes().len());
    assert_eq!(out.into_row(), Row::pack([Datum::Text("key"), Datum::Int(1), Datum::Int(2)]));
}

/// Deeper than any expression that the binder lets pass.
const CHAIN: i64 = 2_000;

#[test]
fn long_chains_are_evaluated() {
    let plus = Func::by_id("+ Int4 Int4").expect("declared");
    let mut chain = ScalarExpr::Column(0);
    for _ in 0..CHAIN {
        let one = ScalarExpr::literal(Datum::Int(1), Type::Int4);
        chain = ScalarExpr::Call { func: plus, args: vec![chain, one], typ: Type::Int4 };
    }
    let arena = Arena::default();
    assert_eq!(
        chain.eval(&[Datum::Int(1)], &arena).map_err(|e| e.message.clone()),
        Ok(Datum::Int(CHAIN + 1))
    );
    assert_eq!(chain.typ(&[ColumnType::new(Type::Int4, true)]), ColumnType::new(Type::Int4, true));
    let mut random = Scratch::default();
    let mut out = RowBuf::default();
    let plan = Mfp::new(1).map([chain.clone()]).project([1]).plan();
    assert_eq!(plan.evaluate(&[Datum::Int(1)], &mut random, &mut out), Ok(true));
    assert_eq!(out.into_row(), Row::pack([Datum::Int(CHAIN + 1)]));
}
