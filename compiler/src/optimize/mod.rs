//! MIR to cheaper MIR: the ordered list of passes, run until nothing changes.
//!
//! A pass may lose an error that the query would not have had to meet; it never adds one, nor changes a row. Two
//! exceptions, both as in any database that scans: an equality that alone joins two inputs is evaluated for all rows of each, and
//! a column of a catalog collection may be read in rows that a join would have dropped.

mod cancel_unions;
mod eliminate_groups;
mod eliminate_joins;
mod flatten_joins;
mod fold_constants;
mod fuse;
mod join_equivalences;
mod limit_windows;
mod prune_columns;
mod push_filters;
mod share;
mod simplify_scalars;

use crate::mir::Rel;

/// A rewriting of MIR that keeps its meaning.
pub struct Pass {
    pub name: &'static str,
    pub run: fn(Rel) -> Rel,
    /// Why it is sound.
    pub sound: &'static str,
    /// SQL that a careless version would break.
    pub breaks: &'static str,
}

/// The passes in the order in which a round runs them.
pub const PASSES: &[Pass] = &[
    Pass {
        name: "unfold",
        run: share::unfold,
        sound: "A definition is its value wherever it is used; one that is used once is computed once either way.",
        breaks: "WITH a AS (SELECT ...) SELECT (SELECT count(*) FROM a), x FROM a: two uses, one computation.",
    },
    Pass {
        name: "simplify_scalars",
        run: simplify_scalars::simplify_scalars,
        sound: "An expression has the same value on every row, or a value where it had an error that it need not meet.",
        breaks: "SELECT CASE WHEN x = 0 THEN 0 ELSE 1/x END FROM t: the branch not taken must not be folded into an error; \
                 x = x is not true of NULL.",
    },
    Pass {
        name: "fold_constants",
        run: fold_constants::fold_constants,
        sound: "What reads no collection is the same at every time. What joins nothing, or filters by false, is nothing.",
        breaks: "SELECT count(*) FROM t WHERE false: the aggregate without groups is a union with a default row, not empty; \
                 generate_series(1, 1000000000) must not be unrolled.",
    },
    Pass {
        name: "fuse",
        run: fuse::fuse,
        sound: "Functions of one row compose; a projection and a filter commute when the filter is renumbered.",
        breaks: "SELECT b FROM (SELECT a AS b, b AS a FROM t) s WHERE b > 1: the filter is on the outer name.",
    },
    Pass {
        name: "push_filters",
        run: push_filters::push_filters,
        sound: "A row is in a join if its parts are, in a sum if it is in a branch; a group's key is the same in all of its rows. \
                What can fail stays where it was asked.",
        breaks: "SELECT * FROM (SELECT DISTINCT x FROM t) s WHERE x::text = '1.0': equal numerics print differently, so the \
                 filter must see the group's print; SELECT * FROM a JOIN b USING (k) WHERE 1/a.x > 0: rows without a partner \
                 must not fail.",
    },
    Pass {
        name: "limit_windows",
        run: limit_windows::limit_windows,
        sound: "A row's number follows from the rows before it: those behind the last that is asked for change no number and no \
                function that looks back only.",
        breaks: "SELECT * FROM (SELECT x, row_number() OVER (ORDER BY x) AS n, count(*) OVER () AS c FROM t) s WHERE n <= 3: the \
                 count is of all rows.",
    },
    Pass {
        name: "flatten_joins",
        run: flatten_joins::flatten_joins,
        sound: "Joins are associative, and multiplicities multiply in any order.",
        breaks: "SELECT * FROM a JOIN (SELECT b.k, 1/b.x AS y FROM b JOIN c USING (k)) s ON a.y = s.y: the failing key is of the \
                 inner join's rows.",
    },
    Pass {
        name: "join_equivalences",
        run: join_equivalences::join_equivalences,
        sound: "Equality is transitive, so what one member of a class equals, all do.",
        breaks: "SELECT * FROM a JOIN b ON a.x = b.x WHERE a.x = 5 OR b.y = 1: only what stands alone is known of every row.",
    },
    Pass {
        name: "eliminate_groups",
        run: eliminate_groups::eliminate_groups,
        sound: "A key says that no two rows share its values, so that grouping by it finds single rows.",
        breaks: "SELECT DISTINCT id FROM a JOIN b ON a.id = b.a_id: id is a key of a, not of the join.",
    },
    Pass {
        name: "eliminate_joins",
        run: eliminate_joins::eliminate_joins,
        sound: "A row of a collection finds itself, once, among the distinct values of its own columns.",
        breaks: "SELECT * FROM t a JOIN (SELECT DISTINCT k FROM t WHERE x > 0) b USING (k): not every row of a is in b; a NULL \
                 finds nothing.",
    },
    Pass {
        name: "cancel_unions",
        run: cancel_unions::cancel_unions,
        sound: "Multiplicities are integers under addition.",
        breaks: "SELECT x FROM a EXCEPT ALL SELECT x FROM b: the threshold over a difference does something.",
    },
    Pass {
        name: "prune_columns",
        run: prune_columns::prune_columns,
        sound: "A column that no expression above reads cannot change a row above. Multiplicities add up when rows become equal.",
        breaks: "SELECT a FROM (SELECT a, b FROM t EXCEPT SELECT a, b FROM u) s: the difference is of whole rows.",
    },
];

/// Rounds after which optimization ends though something still changes.
const MAX_ROUNDS: usize = 10;

/// The expression in its cheapest known form.
pub fn optimize(mut rel: Rel) -> Rel {
    for _ in 0..MAX_ROUNDS {
        let before = rel.clone();
        for pass in PASSES {
            rel = (pass.run)(rel);
        }
        if rel == before {
            break;
        }
    }
    share::share(rel)
}
