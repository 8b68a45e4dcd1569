//! Where a group has nothing: intervals of an ordered group's values in which all that its arrangement holds was deleted.
//!
//! Deleted values stay in an arrangement until its batches merge, and a group that is deleted from the front again and again
//! (a queue) would have ever more of them to read past. A scan that met many of them in a row remembers where they lie, and
//! the next one leaps over them. One interval is kept for each group that needs one: its longest.

use std::collections::HashMap;

/// Shorter runs are read again rather than remembered.
const WORTH_KEEPING: u32 = 32;

/// Values from `from` to before `to`, none of which is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from: Vec<u8>,
    pub to: Vec<u8>,
    /// How many deleted values lie in it, about.
    weight: u32,
}

/// The gaps of an operator's groups.
#[derive(Default)]
pub struct Gaps {
    gaps: HashMap<Vec<u8>, Gap>,
    name: Vec<u8>,
}

impl Gaps {
    /// The gap of a group among the values that begin with `prefix`.
    pub fn get(&mut self, key: &[u8], prefix: &[u8]) -> Option<Gap> {
        if self.gaps.is_empty() {
            return None;
        }
        self.name.clear();
        self.name.extend_from_slice(key);
        self.name.extend_from_slice(prefix);
        self.gaps.get(&self.name).cloned()
    }

    /// Keeps a gap in place of the one that was there, or forgets that.
    pub fn set(&mut self, key: &[u8], prefix: &[u8], gap: Option<Gap>) {
        if gap.is_none() && self.gaps.is_empty() {
            return;
        }
        let name = [key, prefix].concat();
        match gap {
            Some(gap) => drop(self.gaps.insert(name, gap)),
            None => drop(self.gaps.remove(&name)),
        }
    }
}

/// Finds the longest run of deleted values while a group is read, and leaps over the one that is known.
pub struct Learner {
    known: Option<Gap>,
    /// Whether the scan has come to the known gap.
    reached: bool,
    /// The run that the scan is in: where it begins, and its weight.
    run: Option<(Vec<u8>, u32)>,
    longest: Option<Gap>,
}

impl Learner {
    pub fn new(known: Option<Gap>) -> Learner {
        Learner { known, reached: false, run: None, longest: None }
    }

    /// Where the arrangement, whose next value is `old`, may be read on, once the scan (at `next`) has come to the known gap.
    pub fn leap(&mut self, next: Option<&[u8]>, old: Option<&[u8]>) -> Option<&[u8]> {
        let known = self.known.as_ref().filter(|_| !self.reached)?;
        if next? < &known.from[..] {
            return None;
        }
        self.reached = true;
        old.filter(|old| *old < &known.to[..])?;
        let (_, weight) = self.run.get_or_insert_with(|| (known.from.clone(), 0));
        *weight = weight.saturating_add(known.weight);
        Some(&known.to)
    }

    /// The scan has seen a value; `there`: whether it is there at the last of the times.
    pub fn saw(&mut self, value: &[u8], there: bool) {
        match (&mut self.run, there) {
            (Some((_, weight)), false) => *weight = weight.saturating_add(1),
            (None, false) => self.run = Some((value.to_vec(), 1)),
            (None, true) => {}
            (Some((from, _)), true) => {
                let is_empty = &from[..] >= value;
                // A value that has come into the known gap divides it, nobody knows in what proportion.
                let divided = self.known.as_ref().filter(|known| self.reached && value < &known.to[..]);
                let after = divided.map(|known| if is_empty { known.weight } else { known.weight / 2 });
                self.end_run(value.to_vec());
                self.run = after.map(|weight| (just_after(value), weight));
            }
        }
    }

    fn end_run(&mut self, to: Vec<u8>) {
        if let Some((from, weight)) = self.run.take()
            && weight >= WORTH_KEEPING
            && from < to
            && self.longest.as_ref().is_none_or(|longest| longest.weight < weight)
        {
            self.longest = Some(Gap { from, to, weight });
        }
    }

    /// The gap to remember, of a scan that ended after `last`. A known gap that the scan did not come to stays, unless
    /// `came` says that something has come into it.
    pub fn finish(mut self, last: Option<&[u8]>, came: impl Fn(&Gap) -> bool) -> Option<Gap> {
        let leapt = self.known.as_ref().filter(|_| self.reached).map(|known| known.to.clone());
        if let Some(to) = last.map(just_after).max(leapt) {
            self.end_run(to);
        }
        let kept = self.known.filter(|known| !self.reached && !came(known));
        match (self.longest, kept) {
            (Some(found), Some(kept)) if found.weight < kept.weight => Some(kept),
            (found, kept) => found.or(kept),
        }
    }
}

/// The least byte string after this one.
fn just_after(value: &[u8]) -> Vec<u8> {
    [value, &[0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(from: &[u8], to: &[u8], weight: u32) -> Gap {
        Gap { from: from.to_vec(), to: to.to_vec(), weight }
    }

    #[test]
    fn the_longest_run_is_learned() {
        let mut learner = Learner::new(None);
        (0..50u8).for_each(|value| learner.saw(&[value], false));
        learner.saw(&[50], true);
        (51..90u8).for_each(|value| learner.saw(&[value], false));
        assert_eq!(learner.finish(Some(&[89]), |_| false), Some(gap(&[0], &[50], 50)));
    }

    #[test]
    fn a_known_gap_is_leapt_and_grows() {
        let mut learner = Learner::new(Some(gap(&[10], &[60], 50)));
        learner.saw(&[9], false);
        assert_eq!(learner.leap(Some(&[10]), Some(&[10])), Some(&[60][..]));
        assert_eq!(learner.leap(Some(&[60]), Some(&[60])), None);
        learner.saw(&[60], false);
        learner.saw(&[61], true);
        assert_eq!(learner.finish(Some(&[61]), |_| false), Some(gap(&[9], &[61], 52)));
    }

    #[test]
    fn what_comes_into_a_gap_divides_it() {
        let mut learner = Learner::new(Some(gap(&[10], &[60], 100)));
        assert!(learner.leap(Some(&[10]), Some(&[12])).is_some());
        learner.saw(&[10], true);
        learner.saw(&[60], true);
        assert_eq!(learner.finish(Some(&[60]), |_| false), Some(gap(&[10, 0], &[60], 100)));
    }

    #[test]
    fn a_gap_that_was_not_reached_stays_unless_something_came() {
        let known = gap(&[10], &[60], 50);
        let scan = || {
            let mut learner = Learner::new(Some(known.clone()));
            assert!(learner.leap(Some(&[3]), Some(&[12])).is_none());
            learner.saw(&[3], true);
            learner
        };
        assert_eq!(scan().finish(Some(&[3]), |_| false), Some(known.clone()));
        assert_eq!(scan().finish(Some(&[3]), |_| true), None);
    }

    #[test]
    fn a_group_of_nothing_is_a_gap() {
        let mut learner = Learner::new(Some(gap(&[10], &[60], 50)));
        assert!(learner.leap(Some(&[10]), Some(&[10])).is_some());
        assert_eq!(learner.finish(None, |_| false), Some(gap(&[10], &[60], 50)));
    }
}
