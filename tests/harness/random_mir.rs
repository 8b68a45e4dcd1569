//! Random collections, histories of updates and expressions over them, all from one seed.
//!
//! Values are few, so that keys meet, groups have members and updates cancel; there are NULLs, equal numerics that print
//! differently, duplicates, deletions, and expressions that fail. Two rules keep the meaning of errors out of the way: what can fail
//! does not stand in an equality across inputs, and negation only where differences cannot go below zero.

use std::collections::BTreeMap;

use compiler::interpret::Updates;
use compiler::mir::analysis::errors::{Fallible, fails};
use compiler::mir::{CollectionId, LocalId, Rel};
use compiler::repr::types::NumericTypmod;
use compiler::repr::{ColumnType, Datum, Numeric, RelationType, Row, Type};
use compiler::scalar::window::{Bound, Exclude, Frame, FrameUnits, Offset, WindowExpr, WindowFunc};
use compiler::scalar::{
    AggregateExpr, AggregateFunc, ScalarExpr, Slice, SortKey, operators_named, table_functions_named,
};

/// SplitMix64: the same sequence everywhere, for ever.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A collection of the catalog.
#[derive(Clone, Debug)]
pub struct Table {
    pub id: CollectionId,
    pub typ: RelationType,
    /// Rows only come.
    pub append_only: bool,
}

/// The times at which collections change.
pub const TIMES: std::ops::Range<u64> = 1..5;

pub struct Generator {
    pub rng: Rng,
    pub tables: Vec<Table>,
    locals: Vec<(LocalId, Rel)>,
    next_local: u32,
    /// Whether a predicate may be an equality of what can fail.
    equalities: bool,
}

fn typmod(precision: u16, scale: i16) -> Type {
    Type::Numeric(Some(NumericTypmod { precision, scale }))
}

impl Generator {
    /// Three tables (one with a key of one column, one with a key of two, one without) and a stream.
    pub fn new(seed: u64) -> Generator {
        let column = |typ: Type, nullable: bool| ColumnType::new(typ, nullable);
        let keyed = |columns: Vec<ColumnType>, key: Vec<usize>| RelationType { columns, keys: vec![key] };
        let typs = [
            keyed(
                vec![column(Type::Int8, false), column(Type::Int8, true), column(Type::Text, true)],
                vec![0],
            ),
            keyed(
                vec![column(Type::Int8, false), column(Type::Text, false), column(Type::Numeric(None), true)],
                vec![0, 1],
            ),
            RelationType::new(vec![
                column(Type::Int8, true),
                column(Type::Numeric(None), true),
                column(typmod(6, 2), false),
                column(Type::Bool, true),
            ]),
            RelationType::new(vec![
                column(Type::Int8, false),
                column(Type::Text, true),
                column(typmod(6, 1), true),
            ]),
        ];
        let tables = typs.into_iter().enumerate().map(|(number, typ)| Table {
            id: CollectionId(number as u64 + 1),
            typ,
            append_only: number == 3,
        });
        Generator {
            rng: Rng::new(seed),
            tables: tables.collect(),
            locals: vec![],
            next_local: 0,
            equalities: true,
        }
    }

    /// A history of each table.
    pub fn histories(&mut self) -> BTreeMap<CollectionId, Updates> {
        let tables = self.tables.clone();
        tables.iter().map(|table| (table.id, self.history(table))).collect()
    }

    fn history(&mut self, table: &Table) -> Updates {
        let mut updates = Updates::default();
        let mut present: Vec<Row> = Vec::new();
        for time in TIMES {
            for _ in 0..self.rng.below(5) {
                if !table.append_only && !present.is_empty() && self.rng.one_in(3) {
                    let row = present.swap_remove(self.rng.below(present.len()));
                    updates.oks.push((row, time, -1));
                    continue;
                }
                let row = self.row(&table.typ);
                let same_key = |other: &Row| {
                    let (a, b) = (row.unpack(), other.unpack());
                    table.typ.keys.iter().any(|key| key.iter().all(|column| a[*column] == b[*column]))
                };
                if !present.iter().any(same_key) {
                    updates.oks.push((row.clone(), time, 1));
                    present.push(row);
                }
            }
        }
        updates
    }

    fn row(&mut self, typ: &RelationType) -> Row {
        let literals: Vec<ScalarExpr> =
            typ.columns.iter().map(|column| self.value(&column.typ, column.nullable)).collect();
        Row::pack(literals.iter().map(|literal| match literal.as_literal() {
            Some(Ok(datum)) => datum,
            _ => unreachable!("invariant: values are literals"),
        }))
    }

    /// A literal of a type, from few.
    pub fn value(&mut self, typ: &Type, nullable: bool) -> ScalarExpr {
        if nullable && self.rng.one_in(4) {
            return ScalarExpr::null(typ.clone());
        }
        match typ {
            Type::Bool => ScalarExpr::bool(self.rng.one_in(2)),
            Type::Text => ScalarExpr::literal(Datum::Text(["a", "b", "c"][self.rng.below(3)]), Type::Text),
            Type::Numeric(None) => {
                let of = [(1, 0), (10, 1), (100, 2), (25, 1), (250, 2), (0, 0), (0, 1)];
                numeric(*self.rng.pick(&of), typ)
            }
            Type::Numeric(Some(typmod)) => {
                let scale = typmod.scale as u16;
                let tenths = *self.rng.pick(&[10, 25, 0]);
                numeric((tenths * 10i128.pow(scale as u32 - 1), scale), typ)
            }
            _ => ScalarExpr::literal(Datum::Int(self.rng.below(4) as i64), Type::Int8),
        }
    }

    /// An expression of some depth.
    pub fn rel(&mut self, depth: usize) -> Rel {
        self.locals.clear();
        self.next_local = 0;
        let body = self.sub(depth);
        let locals = std::mem::take(&mut self.locals);
        locals.into_iter().rev().fold(body, |body, (id, value)| Rel::let_in(id, value, body))
    }

    fn sub(&mut self, depth: usize) -> Rel {
        if depth == 0 {
            return self.leaf();
        }
        match self.rng.below(19) {
            0 => self.project(depth),
            1 | 2 => self.map(depth),
            3..=5 => self.filter(depth),
            6..=8 => self.join(depth),
            9 | 10 => self.reduce(depth),
            11 => self.top_k(depth),
            12 => self.difference(depth),
            13 => self.union(depth),
            14 => self.definition(depth),
            15 | 16 => self.window(depth),
            17 => self.recursive(depth),
            _ => self.flat_map(depth),
        }
    }

    fn leaf(&mut self) -> Rel {
        if !self.locals.is_empty() && self.rng.one_in(3) {
            let (id, value) = &self.locals[self.rng.below(self.locals.len())];
            return Rel::local(*id, value.typ());
        }
        if self.rng.one_in(12) {
            let typ = self.tables[self.rng.below(self.tables.len())].typ.clone();
            let typ = RelationType::new(typ.columns);
            let rows = (0..self.rng.below(3)).map(|_| self.row(&typ)).collect();
            return Rel::constant(rows, typ);
        }
        let table = &self.tables[self.rng.below(self.tables.len())];
        Rel::get(table.id, table.typ.clone())
    }

    fn project(&mut self, depth: usize) -> Rel {
        let input = self.sub(depth - 1);
        let arity = input.arity();
        if arity == 0 {
            return input;
        }
        let outputs = (0..1 + self.rng.below(arity)).map(|_| self.rng.below(arity)).collect();
        input.project(outputs)
    }

    fn map(&mut self, depth: usize) -> Rel {
        let input = self.sub(depth - 1);
        let columns = input.columns();
        let typ = self.rng.pick(&[Type::Int8, Type::Numeric(None), Type::Text, Type::Bool]).clone();
        let fallible = self.rng.one_in(3);
        let scalar = self.scalar(&columns, &typ, 2, fallible);
        input.map(vec![scalar])
    }

    fn filter(&mut self, depth: usize) -> Rel {
        let input = self.sub(depth - 1);
        let columns = input.columns();
        let fallible = self.rng.one_in(4);
        self.equalities = !fallible && !Fallible::default().columns(&input).contains(&true);
        let predicates = (0..1 + self.rng.below(2)).map(|_| self.scalar(&columns, &Type::Bool, 2, fallible));
        let predicates: Vec<ScalarExpr> = predicates.collect();
        self.equalities = true;
        input.filter(predicates)
    }

    /// Two to four inputs, most of them linked by equal columns, as equivalences or by a filter above.
    fn join(&mut self, depth: usize) -> Rel {
        let count = 2 + self.rng.below(3);
        let inputs: Vec<Rel> = (0..count)
            .map(|_| {
                let depth = self.rng.below(depth);
                self.sub(depth)
            })
            .collect();
        let columns: Vec<ColumnType> = inputs.iter().flat_map(Rel::columns).collect();
        let fallible: Vec<bool> =
            inputs.iter().flat_map(|input| Fallible::default().columns(input)).collect();
        let mut starts = vec![0];
        inputs.iter().for_each(|input| starts.push(starts[starts.len() - 1] + input.arity()));
        let mut equivalences = Vec::new();
        let mut predicates = Vec::new();
        for next in 1..count {
            let pairs: Vec<(usize, usize)> = (0..starts[next])
                .flat_map(|left| (starts[next]..starts[next + 1]).map(move |right| (left, right)))
                .filter(|(left, right)| {
                    columns[*left].typ.without_typmod() == columns[*right].typ.without_typmod()
                })
                .filter(|(left, right)| !fallible[*left] && !fallible[*right])
                .collect();
            if pairs.is_empty() || self.rng.one_in(8) {
                continue;
            }
            for _ in 0..1 + self.rng.below(2) {
                let (left, right) = *self.rng.pick(&pairs);
                let (left, right) = (ScalarExpr::Column(left), ScalarExpr::Column(right));
                match self.rng.one_in(3) {
                    true => predicates.push(left.equals(right)),
                    false => equivalences.push(vec![left, right]),
                }
            }
        }
        Rel::join(inputs, equivalences).filter(predicates)
    }

    fn reduce(&mut self, depth: usize) -> Rel {
        let input = self.sub(depth - 1);
        let columns = input.columns();
        if columns.is_empty() {
            return input.distinct();
        }
        let group_key = (0..self.rng.below(3)).map(|_| ScalarExpr::Column(self.rng.below(columns.len())));
        let group_key: Vec<ScalarExpr> = group_key.collect();
        let count = self.rng.below(4).max(group_key.is_empty() as usize);
        let aggregates = (0..count).map(|_| self.aggregate(&columns)).collect();
        input.reduce(group_key, aggregates)
    }

    fn aggregate(&mut self, columns: &[ColumnType]) -> AggregateExpr {
        use AggregateFunc::*;
        let column = self.rng.below(columns.len());
        let typ = columns[column].typ.clone();
        let funcs: &[AggregateFunc] = match typ {
            Type::Int8 => &[CountStar, Count, SumInt8, AvgInt, BitXor, Min, Max],
            Type::Numeric(_) => &[Count, SumNumeric(None), AvgNumeric(None), Min, Max],
            Type::Bool => &[Count, BoolAnd, BoolOr],
            Type::Text => &[Count, Min, Max, ArrayAgg],
            _ => &[CountStar],
        };
        let func = *self.rng.pick(funcs);
        let args = if func == CountStar { vec![] } else { vec![ScalarExpr::Column(column)] };
        let mut aggregate = AggregateExpr::new(func, args);
        aggregate.distinct = func != CountStar && self.rng.one_in(4);
        if self.rng.one_in(5) {
            aggregate.filter = Some(self.scalar(columns, &Type::Bool, 1, false));
        }
        aggregate
    }

    fn top_k(&mut self, depth: usize) -> Rel {
        let input = self.sub(depth - 1);
        let arity = input.arity();
        if arity == 0 {
            return input;
        }
        let group_key = (0..self.rng.below(2)).map(|_| self.rng.below(arity)).collect();
        let order = (0..self.rng.below(3)).map(|_| self.sort_key(arity)).collect();
        let limit = (!self.rng.one_in(6)).then(|| self.rng.below(3) as u64);
        let offset = if self.rng.one_in(3) { 1 } else { 0 };
        let ties = limit.is_some() && self.rng.one_in(3);
        input.top_k(group_key, order, Slice { limit, offset, ties })
    }

    /// Functions of partitions, with frames of every kind; sometimes only the first rows of each.
    fn window(&mut self, depth: usize) -> Rel {
        let input = self.sub(depth - 1);
        let columns = input.columns();
        let arity = columns.len();
        if arity == 0 {
            return input;
        }
        let partition = (0..self.rng.below(2)).map(|_| self.rng.below(arity)).collect();
        let order: Vec<SortKey> = (0..self.rng.below(3)).map(|_| self.sort_key(arity)).collect();
        let functions = (0..1 + self.rng.below(3)).map(|_| self.window_function(&columns, &order)).collect();
        let window = input.window(partition, order, functions);
        match window.columns().iter().rposition(|column| column.typ == Type::Int8) {
            Some(number) if self.rng.one_in(2) => {
                let bound = ScalarExpr::literal(Datum::Int(self.rng.below(3) as i64), Type::Int8);
                let name = *self.rng.pick(&["<=", "<", "="]);
                window.filter([operator(name, &Type::Int8, ScalarExpr::Column(number), bound)])
            }
            _ => window,
        }
    }

    fn sort_key(&mut self, arity: usize) -> SortKey {
        SortKey {
            expr: ScalarExpr::Column(self.rng.below(arity)),
            desc: self.rng.one_in(2),
            nulls_first: self.rng.one_in(2),
        }
    }

    fn window_function(&mut self, columns: &[ColumnType], order: &[SortKey]) -> WindowExpr {
        use WindowFunc::*;
        let value = ScalarExpr::Column(self.rng.below(columns.len()));
        let number = ScalarExpr::literal(Datum::Int(self.rng.below(3) as i64), Type::Int4);
        let funcs = [RowNumber, RowNumber, Rank, Rank, DenseRank, PercentRank, CumeDist, Ntile, Lag, Lead];
        let func = *self.rng.pick(&funcs);
        let framed = [FirstValue, LastValue, NthValue];
        let (func, args, filter) = match self.rng.below(3) {
            0 => {
                let aggregate = self.aggregate(columns);
                (Aggregate(aggregate.func), aggregate.args, aggregate.filter)
            }
            1 => (*self.rng.pick(&framed), vec![value, number], None),
            _ => (func, vec![value, number], None),
        };
        let args = match func {
            RowNumber | Rank | DenseRank | PercentRank | CumeDist => vec![],
            Ntile => args[1..].to_vec(),
            FirstValue | LastValue => args[..1].to_vec(),
            _ => args,
        };
        let frame = if func.uses_frame() { self.frame(order) } else { Frame::default_frame() };
        WindowExpr { func, args, filter, frame }
    }

    fn frame(&mut self, order: &[SortKey]) -> Frame {
        if self.rng.one_in(3) {
            return Frame::default_frame();
        }
        let units = match order {
            [] => FrameUnits::Rows,
            _ => *self.rng.pick(&[FrameUnits::Rows, FrameUnits::Groups, FrameUnits::Range]),
        };
        let offset = |this: &mut Generator| Offset {
            size: ScalarExpr::literal(Datum::Int(this.rng.below(3) as i64), Type::Int8),
            limit: None,
            invalid: None,
        };
        let by_offset = units != FrameUnits::Range;
        let start = match self.rng.below(if by_offset { 4 } else { 2 }) {
            0 => Bound::UnboundedPreceding,
            1 => Bound::CurrentRow,
            2 => Bound::Preceding(offset(self)),
            _ => Bound::Following(offset(self)),
        };
        let end = match self.rng.below(if by_offset { 4 } else { 2 }) {
            0 => Bound::UnboundedFollowing,
            1 => Bound::CurrentRow,
            2 => Bound::Preceding(offset(self)),
            _ => Bound::Following(offset(self)),
        };
        let exclude =
            *self.rng.pick(&[Exclude::NoOthers, Exclude::CurrentRow, Exclude::Group, Exclude::Ties]);
        Frame { units, start, end, exclude, value: None }
    }

    /// EXCEPT, EXCEPT ALL, or what an outer join leaves over.
    fn difference(&mut self, depth: usize) -> Rel {
        let left = self.sub(depth - 1);
        if self.rng.one_in(2) {
            let columns = left.columns();
            let predicate = self.scalar(&columns, &Type::Bool, 1, false);
            let right = left.clone().filter([predicate]);
            return left.union(right.negate());
        }
        let right = self.like(&left.columns());
        match self.rng.one_in(2) {
            true => left.union(right.negate()).threshold(),
            false => left.distinct().union(right.distinct().negate()).threshold(),
        }
    }

    fn union(&mut self, depth: usize) -> Rel {
        let left = self.sub(depth - 1);
        let right = self.like(&left.columns());
        left.union(right)
    }

    /// An expression with columns of these types.
    fn like(&mut self, columns: &[ColumnType]) -> Rel {
        let leaf = self.leaf();
        let own = leaf.columns();
        let arity = own.len();
        let scalars: Vec<ScalarExpr> = columns
            .iter()
            .map(|column| {
                let same = own.iter().position(|o| o.typ == column.typ && (column.nullable || !o.nullable));
                match same {
                    Some(place) => ScalarExpr::Column(place),
                    None => match column.typ {
                        Type::Array(_) => ScalarExpr::null(column.typ.clone()),
                        _ => self.value(&column.typ, column.nullable),
                    },
                }
            })
            .collect();
        let outputs = (arity..arity + scalars.len()).collect();
        leaf.map(scalars).project(outputs)
    }

    fn definition(&mut self, depth: usize) -> Rel {
        let value = self.sub(depth - 1);
        let id = self.local();
        self.locals.push((id, value.clone()));
        let get = Rel::local(id, value.typ());
        match self.rng.one_in(2) {
            true => get.clone().union(get),
            false => get,
        }
    }

    /// Where the rows of a table lead, through its other rows or those of another expression; with each way there, if it is
    /// not made distinct, so that cycles are an error.
    fn recursive(&mut self, depth: usize) -> Rel {
        let from = self.tables[0].clone();
        let edges = Rel::get(from.id, from.typ).project(vec![0, 1]);
        let id = self.local();
        let name = Rel::local(id, RelationType::new(vec![ColumnType::new(Type::Int8, true); 2]));
        let other = self.sub(depth - 1);
        let is_int = |column: &usize| other.columns()[*column].typ == Type::Int8;
        let ints: Vec<usize> = (0..other.arity()).filter(is_int).collect();
        let fallible = Fallible::default().columns(&other).contains(&true);
        let (other, ints) = match ints.is_empty() || fallible {
            true => (edges.clone(), vec![0, 1]),
            false => (other, ints),
        };
        let (key, next) = (2 + *self.rng.pick(&ints), 2 + *self.rng.pick(&ints));
        let link = vec![ScalarExpr::Column(1), ScalarExpr::Column(key)];
        let mut step = Rel::join(vec![name, other], vec![link]).project(vec![0, next]);
        if self.rng.one_in(3) {
            let columns = step.columns();
            let predicate = self.scalar(&columns, &Type::Bool, 1, false);
            step = step.filter([predicate]);
        }
        if self.rng.one_in(3) {
            let local = self.local();
            let get = Rel::local(local, step.typ());
            let rest = get.clone().union(get.project(vec![1, 0])).distinct();
            step = Rel::let_in(local, step, rest);
        }
        let value = edges.union(step);
        match self.rng.one_in(3) {
            true => Rel::recursive(id, value, 4),
            false => Rel::recursive(id, value.distinct(), 20),
        }
    }

    fn local(&mut self) -> LocalId {
        self.next_local += 1;
        LocalId(self.next_local - 1)
    }

    fn flat_map(&mut self, depth: usize) -> Rel {
        let input = self.sub(depth - 1);
        let columns = input.columns();
        let column = columns.iter().position(|column| column.typ == Type::Int8);
        let series = table_functions_named("generate_series")
            .find(|func| func.args.len() == 2 && func.args[0].concrete() == Some(Type::Int8));
        let fallible = Fallible::default().columns(&input);
        match (column, series) {
            (Some(column), Some(func)) if !fallible[column] => {
                let one = ScalarExpr::literal(Datum::Int(2), Type::Int8);
                input.flat_map(func, vec![one, ScalarExpr::Column(column)])
            }
            _ => input,
        }
    }

    /// An expression of a type over columns. Only a `fallible` one can fail on columns without errors.
    pub fn scalar(&mut self, columns: &[ColumnType], typ: &Type, depth: usize, fallible: bool) -> ScalarExpr {
        let fitting: Vec<usize> = (0..columns.len()).filter(|c| columns[*c].typ == *typ).collect();
        if depth == 0 || self.rng.one_in(5) {
            return match fitting.is_empty() || self.rng.one_in(4) {
                true => self.value(typ, true),
                false => ScalarExpr::Column(*self.rng.pick(&fitting)),
            };
        }
        let inner = |this: &mut Generator, typ: &Type| this.scalar(columns, typ, depth - 1, fallible);
        match (typ, self.rng.below(4)) {
            (Type::Bool, 0) => {
                let operands = vec![inner(self, typ), inner(self, typ)];
                if self.rng.one_in(2) { ScalarExpr::and(operands) } else { ScalarExpr::or(operands) }
            }
            (Type::Bool, 1) => {
                let of = self.rng.pick(&[Type::Int8, Type::Text, Type::Numeric(None)]).clone();
                inner(self, &of).is_null()
            }
            (Type::Bool, 2) => inner(self, typ).not(),
            (Type::Bool, _) => {
                let of = self.rng.pick(&[Type::Int8, Type::Text, Type::Numeric(None)]).clone();
                let name = *self.rng.pick(&["<>", "<", "<=", ">", ">=", "=", "=", "="]);
                let name = if name == "=" && !self.equalities { ">=" } else { name };
                let (left, right) = (inner(self, &of), inner(self, &of));
                operator(name, &of, left, right)
            }
            (Type::Int8 | Type::Numeric(None), 0 | 1) if fallible => {
                let name = *self.rng.pick(&["+", "-", "*", "/"]);
                let (left, right) = (inner(self, typ), inner(self, typ));
                operator(name, typ, left, right)
            }
            (_, 2) => {
                let cond = inner(self, &Type::Bool);
                let (then, els) = (inner(self, typ), inner(self, typ));
                ScalarExpr::if_then_else(cond, then, els)
            }
            _ => ScalarExpr::Coalesce(vec![inner(self, typ), inner(self, typ)]),
        }
    }
}

/// Whether the whole expression can fail somewhere.
pub fn can_fail(rel: &Rel) -> bool {
    let known = Fallible::default();
    let mut any = false;
    rel.visit(&mut |rel| rel.for_each_scalar(|scalar| any |= fails(scalar, &[])));
    any || known.may_fail(rel)
}

fn numeric((mantissa, scale): (i128, u16), typ: &Type) -> ScalarExpr {
    ScalarExpr::literal(Datum::Numeric(Numeric::from_scaled(mantissa, scale)), typ.clone())
}

fn operator(name: &str, typ: &Type, left: ScalarExpr, right: ScalarExpr) -> ScalarExpr {
    let func = operators_named(name)
        .iter()
        .copied()
        .find(|func| func.args.len() == 2 && func.args.iter().all(|arg| arg.concrete().as_ref() == Some(typ)))
        .expect("invariant: declared for these types");
    ScalarExpr::call(func, vec![left, right], &[typ.clone(), typ.clone()])
}
