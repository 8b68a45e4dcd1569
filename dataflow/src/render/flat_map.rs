//! Table functions: for each row, the rows of a function of it.

use bumpalo::Bump;
use compiler::repr::{Datum, RowBuf, Type, row};
use compiler::scalar::{Context, Mfp, MfpPlan, ScalarExpr, Scratch, TableFunc};

use super::finish::Last;
use super::linear::Logic;

/// The logic of a table function of a row's arguments. `last` is over the row's columns, then the function's.
pub fn flat_map_logic(arity: usize, func: TableFunc, args: &[ScalarExpr], last: &Last) -> Logic {
    let mut finisher = last.finisher();
    let count = args.len();
    let plan = MfpPlan::new(&Mfp::new(arity).map(args.iter().cloned()).project(arity..arity + count));
    let (mut scratch, mut packed, mut columns) = (Scratch::default(), RowBuf::default(), RowBuf::default());
    let mut arena = Bump::new();
    Box::new(move |parts, time, diff, emit| {
        packed.clear();
        arena.reset();
        match plan.evaluate_parts(parts, &mut scratch, &mut packed) {
            Ok(_) => {}
            Err(error) => return emit.err(&[], &error, time, diff),
        }
        let mut datums = Vec::with_capacity(count);
        row::decode_into(packed.bytes(), &mut datums);
        if let Some(Datum::Error(error)) = datums.iter().copied().find(Datum::is_error) {
            return emit.err(&[], &error.to_owned(), time, diff);
        }
        let mut inputs: [&[u8]; 4] = [&[]; 4];
        inputs[..parts.len()].copy_from_slice(parts);
        let context = Context { arena: &arena, typ: &Type::Unknown };
        let outcome = func.eval(&datums, context, &mut |row| {
            columns.clear();
            row.iter().for_each(|datum| columns.push(*datum));
            let mut inputs = inputs;
            inputs[parts.len()] = columns.bytes();
            finisher.run(&inputs[..parts.len() + 1]);
            finisher.emit(time, diff, emit);
            Ok(())
        });
        if let Err(error) = outcome {
            emit.err(&[], &error, time, diff);
        }
    })
}
