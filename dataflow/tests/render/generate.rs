//! Random plans over a few tables: every operator, with types whose equal values print differently, NULLs and expressions that
//! fail.

use compiler::mir::{CollectionId, LocalId, Lookup, Rel};
use compiler::repr::{ColumnType, Datum, RelationType, Row, Type};
use compiler::scalar::window::{Bound, Exclude, Frame, FrameUnits, Offset, WindowExpr, WindowFunc};
use compiler::scalar::{
    AggregateExpr, AggregateFunc, Func, ScalarExpr, Slice, SortKey, candidates, table_functions_named,
};
use rand::RngExt;
use rand::rngs::StdRng;

use super::harness::Table;

/// The tables that plans read: two that change, and a stream that grows.
pub fn tables() -> Vec<Table> {
    let typ = |columns: &[(Type, bool)]| {
        RelationType::new(
            columns.iter().map(|(typ, nullable)| ColumnType::new(typ.clone(), *nullable)).collect(),
        )
    };
    vec![
        Table {
            id: CollectionId(1),
            typ: typ(&[(Type::Int4, true), (Type::Int4, false), (Type::Text, true)]),
            stream: false,
        },
        Table {
            id: CollectionId(2),
            typ: typ(&[(Type::Int4, false), (Type::Float8, true), (Type::Bool, true)]),
            stream: false,
        },
        Table { id: CollectionId(3), typ: typ(&[(Type::Int4, false), (Type::Int4, true)]), stream: true },
    ]
}

/// A row of few possible values, so that rows and keys meet.
pub fn random_row(rng: &mut StdRng, typ: &RelationType) -> Row {
    let datums: Vec<Datum<'_>> = typ
        .columns
        .iter()
        .map(|column| {
            if column.nullable && rng.random_range(0..5) == 0 {
                return Datum::Null;
            }
            match column.typ {
                Type::Int4 => Datum::Int(rng.random_range(0..5)),
                Type::Float8 => {
                    Datum::Float([-1.5, -0.0, 0.0, 0.1, 2.0, f64::INFINITY][rng.random_range(0..6)])
                }
                Type::Bool => Datum::Bool(rng.random()),
                _ => Datum::Text(["", "a", "b", "ba"][rng.random_range(0..4)]),
            }
        })
        .collect();
    Row::pack(datums)
}

pub struct Generator<'r> {
    rng: &'r mut StdRng,
    locals: Vec<(LocalId, RelationType)>,
    next_local: u32,
}

impl<'r> Generator<'r> {
    pub fn new(rng: &'r mut StdRng) -> Generator<'r> {
        Generator { rng, locals: Vec::new(), next_local: 0 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.random_range(0..bound)
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// An expression of at most this depth.
    pub fn rel(&mut self, depth: usize) -> Rel {
        if depth == 0 {
            return self.leaf();
        }
        match self.below(16) {
            0 | 1 => {
                let input = self.rel(depth - 1);
                let columns = input.columns();
                let predicates = (0..1 + self.below(2)).map(|_| self.predicate(&columns)).collect::<Vec<_>>();
                input.filter(predicates)
            }
            2 => {
                let input = self.rel(depth - 1);
                let columns = input.columns();
                let exprs = (0..1 + self.below(2)).map(|_| self.scalar(&columns)).collect();
                input.map(exprs)
            }
            3 => {
                let input = self.rel(depth - 1);
                let outputs = (0..1 + self.below(input.arity())).map(|_| self.below(input.arity())).collect();
                input.project(outputs)
            }
            4 | 5 => self.join(depth - 1),
            6 | 7 => self.reduce(depth - 1),
            8 => self.top_k(depth - 1),
            9 => {
                let (left, right) = self.alike(depth - 1);
                match self.below(3) {
                    0 => left.union(right),
                    1 => left.union(right.negate()).threshold(),
                    _ => left.distinct().union(right.distinct().negate()).threshold(),
                }
            }
            10 => self.rel(depth - 1).distinct(),
            11 => self.flat_map(depth - 1),
            12 | 13 => self.window(depth - 1),
            14 => self.recursive(depth - 1),
            _ => {
                let value = self.rel(depth - 1);
                let id = LocalId(self.next_local);
                self.next_local += 1;
                self.locals.push((id, value.typ()));
                let body = self.rel(depth - 1);
                self.locals.pop();
                Rel::let_in(id, value, body)
            }
        }
    }

    /// A plan with lookups on the way of a stream; nothing above one that would have to remember negative rows.
    pub fn historical(&mut self) -> Rel {
        let stream = tables().into_iter().find(|table| table.stream).expect("there is a stream");
        let mut rel = Rel::get(stream.id, stream.typ);
        for _ in 0..1 + self.below(2) {
            if self.chance(3) {
                let columns = rel.columns();
                rel = rel.filter([self.predicate(&columns)]);
            }
            rel = self.lookup(rel);
        }
        match self.chance(2) {
            true => {
                let columns = rel.columns();
                rel.filter([self.predicate(&columns)])
            }
            false => rel,
        }
    }

    /// What the first or last rows of groups decide, in the first table by its first two columns.
    pub fn ordered(&mut self) -> Rel {
        let table = tables().swap_remove(0);
        let input = Rel::get(table.id, table.typ);
        let order =
            vec![SortKey { expr: ScalarExpr::Column(1), desc: self.chance(2), nulls_first: self.chance(2) }];
        let group: Vec<usize> = (0..self.below(2)).collect();
        let (limit, offset) = (1 + self.below(3) as u64, self.below(3) as u64);
        match self.below(4) {
            0 => {
                let keys = group.into_iter().map(ScalarExpr::Column).collect();
                let extreme = |func| AggregateExpr::new(func, vec![ScalarExpr::Column(1)]);
                input.reduce(keys, vec![extreme(AggregateFunc::Min), extreme(AggregateFunc::Max)])
            }
            1 => {
                let number = WindowExpr {
                    func: WindowFunc::RowNumber,
                    args: vec![],
                    filter: None,
                    frame: Frame::default_frame(),
                };
                let places = input.window(group, order, vec![number]);
                let place = ScalarExpr::Column(places.arity() - 1);
                places.filter([int8_compare("<=", place, limit as i64)])
            }
            _ => {
                let ties = self.chance(3);
                input.top_k(group, order, Slice { limit: Some(limit), offset, ties })
            }
        }
    }

    fn lookup(&mut self, input: Rel) -> Rel {
        let table = match self.chance(3) {
            true => self.rel(1),
            false => {
                let tables: Vec<_> = tables().into_iter().filter(|table| !table.stream).collect();
                let table = &tables[self.rng.random_range(0..tables.len())];
                Rel::get(table.id, table.typ.clone())
            }
        };
        let (left, right) = (input.columns(), table.columns());
        let mut keys = Vec::new();
        for (b, column) in right.iter().enumerate() {
            if let Some(a) = left.iter().position(|other| other.typ == column.typ)
                && (keys.is_empty() || self.chance(4))
            {
                keys.push((ScalarExpr::Column(a), ScalarExpr::Column(b)));
            }
        }
        if keys.is_empty() {
            return input;
        }
        let outer = self.chance(2);
        let on = match outer && self.chance(2) {
            true => vec![self.predicate(&[left, right].concat())],
            false => vec![],
        };
        Rel::Lookup(Lookup { input: Box::new(input), table: Box::new(table), keys, on, outer })
    }

    fn leaf(&mut self) -> Rel {
        if !self.locals.is_empty() && self.chance(2) {
            let (id, typ) = self.locals[self.rng.random_range(0..self.locals.len())].clone();
            return Rel::local(id, typ);
        }
        if self.chance(8) {
            let typ = tables()[0].typ.clone();
            let rows = (0..self.below(4)).map(|_| random_row(self.rng, &typ)).collect();
            return Rel::constant(rows, typ);
        }
        let table = tables().swap_remove(self.rng.random_range(0..3));
        Rel::get(table.id, table.typ)
    }

    /// Two expressions with the same columns.
    fn alike(&mut self, depth: usize) -> (Rel, Rel) {
        let left = self.rel(depth);
        let columns = left.columns();
        let right = match self.below(2) {
            0 => left.clone().filter([self.predicate(&columns)]),
            _ => {
                let other = self.rel(depth);
                let found: Vec<Option<usize>> = columns
                    .iter()
                    .map(|column| {
                        other
                            .columns()
                            .iter()
                            .position(|c| c.typ == column.typ && (!c.nullable || column.nullable))
                    })
                    .collect();
                match found.into_iter().collect::<Option<Vec<usize>>>() {
                    Some(outputs) => other.project(outputs),
                    None => left.clone(),
                }
            }
        };
        (left, right)
    }

    /// Where the pairs of a table lead through another expression, which is grouped, cut or numbered for each pair.
    fn recursive(&mut self, depth: usize) -> Rel {
        let pairs = tables().swap_remove(2);
        let pairs = Rel::get(pairs.id, pairs.typ);
        let other = self.rel(depth);
        let ints = |rel: &Rel| {
            let columns = rel.columns();
            (0..columns.len()).filter(|column| columns[*column].typ == Type::Int4).collect::<Vec<usize>>()
        };
        let other = if ints(&other).is_empty() { pairs.clone() } else { other };
        let ints = ints(&other);
        let (key, next) = (2 + ints[self.below(ints.len())], 2 + ints[self.below(ints.len())]);
        let id = LocalId(self.next_local);
        self.next_local += 1;
        let name = Rel::local(id, RelationType::new(vec![ColumnType::new(Type::Int4, true); 2]));
        let link = vec![ScalarExpr::Column(1), ScalarExpr::Column(key)];
        let joined = Rel::join(vec![name, other], vec![link]);
        let columns = joined.columns();
        let order =
            vec![SortKey { expr: ScalarExpr::Column(next), desc: self.chance(2), nulls_first: false }];
        let grouped = match self.below(4) {
            0 => joined.top_k(vec![0, 1], order, Slice { limit: Some(1), offset: 0, ties: false }),
            1 => {
                let function = self.window_function(&columns);
                joined.window(vec![0, 1], order, vec![function])
            }
            2 => {
                let aggregate = self.aggregate(&columns);
                joined.reduce((0..columns.len()).map(ScalarExpr::Column).collect(), vec![aggregate])
            }
            _ => joined,
        };
        Rel::recursive(id, pairs.union(grouped.project(vec![0, next])).distinct(), 100)
    }

    fn join(&mut self, depth: usize) -> Rel {
        let inputs: Vec<Rel> = (0..2 + self.below(2)).map(|_| self.rel(depth.min(2))).collect();
        let columns: Vec<ColumnType> = inputs.iter().flat_map(Rel::columns).collect();
        let mut equivalences = Vec::new();
        let mut start = inputs[0].arity();
        for input in &inputs[1..] {
            // An equality of a column of this input with one before it, of the same type.
            let right = start + self.below(input.arity());
            let left = (0..start).find(|left| columns[*left].typ == columns[right].typ);
            if let Some(left) = left {
                // One that fails is left out: which rows it is asked of depends on the order of the joins.
                equivalences.push(vec![ScalarExpr::Column(left), ScalarExpr::Column(right)]);
            }
            start += input.arity();
        }
        if columns.len() > 8 {
            return Rel::join(inputs, equivalences).project((0..8).collect());
        }
        Rel::join(inputs, equivalences)
    }

    fn reduce(&mut self, depth: usize) -> Rel {
        let input = self.rel(depth);
        let columns = input.columns();
        let keys = (0..self.below(3)).map(|_| {
            let column = self.below(columns.len());
            match columns[column].typ == Type::Int4 && self.chance(5) {
                true => int_op("+", ScalarExpr::Column(column), int(1)),
                false => ScalarExpr::Column(column),
            }
        });
        let keys: Vec<ScalarExpr> = keys.collect();
        let least = keys.is_empty() as usize; // A relation without columns is no input for the others.
        let aggregates = (0..least + self.below(3)).map(|_| self.aggregate(&columns)).collect();
        input.reduce(keys, aggregates)
    }

    fn aggregate(&mut self, columns: &[ColumnType]) -> AggregateExpr {
        let column = self.below(columns.len());
        let fails = columns[column].typ == Type::Int4 && self.chance(6);
        let arg = match fails {
            true => int_op("/", int(6), ScalarExpr::Column(column)),
            false => ScalarExpr::Column(column),
        };
        let funcs = match &columns[column].typ {
            Type::Int4 => vec![AggregateFunc::SumInt4, AggregateFunc::AvgInt],
            Type::Float8 => vec![AggregateFunc::SumFloat, AggregateFunc::AvgFloat],
            Type::Bool => vec![AggregateFunc::BoolAnd, AggregateFunc::BoolOr],
            _ => vec![AggregateFunc::ArrayAgg],
        };
        let mut funcs = funcs;
        funcs.push(AggregateFunc::Count);
        if columns[column].typ != Type::Bool {
            funcs.extend([AggregateFunc::Min, AggregateFunc::Max]);
        }
        let func = funcs[self.below(funcs.len())];
        let mut aggregate = match self.chance(6) {
            true => AggregateExpr::new(AggregateFunc::CountStar, vec![]),
            false => AggregateExpr::new(func, vec![arg]),
        };
        aggregate.distinct = aggregate.func != AggregateFunc::CountStar && self.chance(4);
        if self.chance(4) {
            aggregate.filter = Some(self.predicate(columns));
        }
        aggregate
    }

    fn top_k(&mut self, depth: usize) -> Rel {
        let input = self.rel(depth);
        let arity = input.arity();
        let mut group: Vec<usize> = (0..self.below(2)).map(|_| self.below(arity)).collect();
        group.dedup();
        let order = (0..self.below(3)).map(|_| SortKey {
            expr: ScalarExpr::Column(self.below(arity)),
            desc: self.chance(2),
            nulls_first: self.chance(2),
        });
        let order = order.collect();
        let limit = if self.chance(4) { None } else { Some(self.below(4) as u64) };
        let offset = if self.chance(2) { 0 } else { self.below(3) as u64 };
        let ties = limit.is_some() && self.chance(3);
        input.top_k(group, order, Slice { limit, offset, ties })
    }

    /// Functions of partitions whose frames move in every way; some fail in some rows.
    fn window(&mut self, depth: usize) -> Rel {
        let input = self.rel(depth);
        let columns = input.columns();
        let partition = (0..self.below(2)).map(|_| self.below(columns.len())).collect();
        let order: Vec<SortKey> = (0..self.below(3))
            .map(|_| SortKey {
                expr: self.scalar(&columns),
                desc: self.chance(2),
                nulls_first: self.chance(2),
            })
            .collect();
        let functions = (0..1 + self.below(2)).map(|_| self.window_function(&columns)).collect();
        let width = columns.len();
        input.window(partition, order, functions).project((width.saturating_sub(5)..width + 1).collect())
    }

    fn window_function(&mut self, columns: &[ColumnType]) -> WindowExpr {
        let value = ScalarExpr::Column(self.below(columns.len()));
        let (func, args, filter) = match self.below(8) {
            0 => (WindowFunc::RowNumber, vec![], None),
            1 => (WindowFunc::Rank, vec![], None),
            2 => (WindowFunc::Ntile, vec![int(self.below(4) as i64)], None),
            3 => (WindowFunc::Lag, vec![value, int(self.below(3) as i64)], None),
            4 => (WindowFunc::NthValue, vec![value, int(1 + self.below(3) as i64)], None),
            _ => {
                let aggregate = self.aggregate(columns);
                (WindowFunc::Aggregate(aggregate.func), aggregate.args, aggregate.filter)
            }
        };
        let offset = Offset { size: int(self.below(3) as i64), limit: None, invalid: None };
        let bounds = [
            (Bound::UnboundedPreceding, Bound::CurrentRow),
            (Bound::Preceding(offset.clone()), Bound::Following(offset.clone())),
            (Bound::Following(offset), Bound::UnboundedFollowing),
        ];
        let (start, end) = bounds[self.below(3)].clone();
        let units = [FrameUnits::Rows, FrameUnits::Groups][self.below(2)];
        let exclude = [Exclude::NoOthers, Exclude::CurrentRow, Exclude::Group, Exclude::Ties][self.below(4)];
        WindowExpr { func, args, filter, frame: Frame { units, start, end, exclude, value: None } }
    }

    fn flat_map(&mut self, depth: usize) -> Rel {
        let input = self.rel(depth);
        let ints: Vec<usize> =
            (0..input.arity()).filter(|column| input.columns()[*column].typ == Type::Int4).collect();
        if ints.is_empty() || input.arity() > 8 {
            return input;
        }
        let column = ScalarExpr::Column(ints[self.below(ints.len())]);
        let series = table_functions_named("generate_series")
            .find(|func| {
                func.args.iter().all(|arg| arg.concrete() == Some(Type::Int4)) && func.args.len() == 2
            })
            .expect("generate_series(int4, int4)");
        input.flat_map(series, vec![int(1), column])
    }

    fn predicate(&mut self, columns: &[ColumnType]) -> ScalarExpr {
        let column = self.below(columns.len());
        let value = ScalarExpr::Column(column);
        match (&columns[column].typ, self.below(4)) {
            (_, 0) => value.is_not_null(),
            (Type::Bool, _) => value,
            (Type::Int4, 1) => int_op("/", int(3), value).equals(int(1)),
            (Type::Int4, _) => compare("<", value, int(self.below(5) as i64)),
            (Type::Float8, _) => value.equals(ScalarExpr::literal(Datum::Float(0.0), Type::Float8)),
            (Type::Text, _) => value.equals(ScalarExpr::literal(Datum::Text("a"), Type::Text)),
            _ => value.is_null(),
        }
    }

    fn scalar(&mut self, columns: &[ColumnType]) -> ScalarExpr {
        let column = self.below(columns.len());
        let value = ScalarExpr::Column(column);
        match (&columns[column].typ, self.below(3)) {
            (Type::Int4, 0) => int_op("/", int(6), value),
            (Type::Int4, _) => int_op("+", value, int(1)),
            (_, 0) => value.is_null(),
            _ => value,
        }
    }
}

fn int(value: i64) -> ScalarExpr {
    ScalarExpr::literal(Datum::Int(value), Type::Int4)
}

fn int4_operator(symbol: &str) -> Func {
    let is_int4 = |func: &Func| func.args.iter().all(|arg| arg.concrete() == Some(Type::Int4));
    candidates(symbol, 2).find(is_int4).expect("int4 operators are declared")
}

fn int_op(symbol: &str, left: ScalarExpr, right: ScalarExpr) -> ScalarExpr {
    ScalarExpr::call(int4_operator(symbol), vec![left, right], &[Type::Int4, Type::Int4])
}

fn int8_compare(symbol: &str, left: ScalarExpr, right: i64) -> ScalarExpr {
    let is_int8 = |func: &Func| func.args.iter().all(|arg| arg.concrete() == Some(Type::Int8));
    let func = candidates(symbol, 2).find(is_int8).expect("int8 operators are declared");
    let right = ScalarExpr::literal(Datum::Int(right), Type::Int8);
    ScalarExpr::call(func, vec![left, right], &[Type::Int8, Type::Int8])
}

fn compare(symbol: &str, left: ScalarExpr, right: ScalarExpr) -> ScalarExpr {
    int_op(symbol, left, right)
}
