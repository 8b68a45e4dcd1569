//! Advisory locks: keys that sessions take and give back, and that mean what their users agree on.
//!
//! Any number of sessions share a key, or one has it alone; a session never stands in its own way. What it takes it holds as often
//! as it took it, and all of it is given back when the session ends. Whoever waits in a circle is told so instead (`40P01`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use compiler::{Error, SqlState};
use tokio::sync::Notify;

/// One bigint, or two integers: keys of the two kinds are never the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    One(i64),
    Two(i32, i32),
}

/// A key, and whether it is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lock {
    pub key: Key,
    pub shared: bool,
}

/// How long a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The session gives it back, or ends.
    Released,
    /// The transaction ends.
    TransactionEnd,
}

/// The locks of all sessions.
#[derive(Default)]
pub struct Locks {
    state: Mutex<State>,
    released: Notify,
}

#[derive(Default)]
struct State {
    next_holder: u64,
    /// How often each holder has each key: alone, shared.
    held: HashMap<Key, HashMap<u64, [u32; 2]>>,
    /// What each waits for.
    waiting: HashMap<u64, Lock>,
}

impl State {
    /// The others that stand in the way of a lock.
    fn blockers(&self, holder: u64, lock: Lock) -> impl Iterator<Item = u64> {
        let others = self.held.get(&lock.key).into_iter().flatten();
        others
            .filter(move |(other, [alone, _])| **other != holder && (!lock.shared || *alone > 0))
            .map(|(other, _)| *other)
    }

    fn take(&mut self, holder: u64, lock: Lock) -> bool {
        if self.blockers(holder, lock).next().is_some() {
            return false;
        }
        let counts = self.held.entry(lock.key).or_default().entry(holder).or_default();
        counts[usize::from(lock.shared)] += 1;
        true
    }

    fn give_back(&mut self, holder: u64, lock: Lock) {
        let Some(holders) = self.held.get_mut(&lock.key) else { return };
        let Some(counts) = holders.get_mut(&holder) else { return };
        counts[usize::from(lock.shared)] -= 1;
        if *counts == [0, 0] {
            holders.remove(&holder);
        }
        if holders.is_empty() {
            self.held.remove(&lock.key);
        }
    }

    /// Whether those that `holder` would wait for wait for it.
    fn is_circle(&self, holder: u64, lock: Lock) -> bool {
        let mut seen = Vec::new();
        let mut open: Vec<u64> = self.blockers(holder, lock).collect();
        while let Some(other) = open.pop() {
            if other == holder {
                return true;
            }
            if let Some(wanted) = self.waiting.get(&other)
                && !seen.contains(&other)
            {
                seen.push(other);
                open.extend(self.blockers(other, *wanted));
            }
        }
        false
    }
}

impl Locks {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: nothing panics while it holds the locks")
    }
}

/// What one session holds.
pub struct Holder {
    locks: Arc<Locks>,
    id: u64,
    for_session: HashMap<Lock, u32>,
    for_transaction: HashMap<Lock, u32>,
}

impl Holder {
    pub fn new(locks: &Arc<Locks>) -> Holder {
        let mut state = locks.state();
        state.next_holder += 1;
        let id = state.next_holder;
        drop(state);
        Holder { locks: Arc::clone(locks), id, for_session: HashMap::new(), for_transaction: HashMap::new() }
    }

    /// Takes a lock if nobody stands in the way.
    pub fn try_take(&mut self, lock: Lock, until: Until) -> bool {
        let taken = self.locks.state().take(self.id, lock);
        if taken {
            self.count(lock, until);
        }
        taken
    }

    /// Takes a lock as soon as nobody stands in the way. May be dropped while it waits.
    pub async fn take(&mut self, lock: Lock, until: Until) -> Result<(), Error> {
        let locks = Arc::clone(&self.locks);
        let _waiting = Waiting { locks: &locks, id: self.id };
        loop {
            let released = locks.released.notified();
            tokio::pin!(released);
            // From here on no release is missed.
            released.as_mut().enable();
            {
                let mut state = locks.state();
                if state.take(self.id, lock) {
                    break;
                }
                if state.is_circle(self.id, lock) {
                    return Err(Error::new(SqlState::DEADLOCK_DETECTED, "deadlock detected")
                        .hint("Take advisory locks in the same order in every session."));
                }
                state.waiting.insert(self.id, lock);
            }
            released.await;
        }
        self.count(lock, until);
        Ok(())
    }

    fn count(&mut self, lock: Lock, until: Until) {
        let counts = match until {
            Until::Released => &mut self.for_session,
            Until::TransactionEnd => &mut self.for_transaction,
        };
        *counts.entry(lock).or_default() += 1;
    }

    /// Gives back, once, what was taken for the session; false if it has not got it.
    pub fn release(&mut self, lock: Lock) -> bool {
        let Some(count) = self.for_session.get_mut(&lock) else { return false };
        *count -= 1;
        if *count == 0 {
            self.for_session.remove(&lock);
        }
        self.locks.state().give_back(self.id, lock);
        self.locks.released.notify_waiters();
        true
    }

    /// Gives back all that was taken for the session.
    pub fn release_all(&mut self) {
        let held = std::mem::take(&mut self.for_session);
        self.give_back(held);
    }

    /// Gives back all that was taken for the transaction.
    pub fn end_transaction(&mut self) {
        let held = std::mem::take(&mut self.for_transaction);
        self.give_back(held);
    }

    fn give_back(&self, held: HashMap<Lock, u32>) {
        if held.is_empty() {
            return;
        }
        let mut state = self.locks.state();
        for (lock, count) in held {
            (0..count).for_each(|_| state.give_back(self.id, lock));
        }
        drop(state);
        self.locks.released.notify_waiters();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.release_all();
        self.end_transaction();
    }
}

/// Somebody waits; no longer when this is dropped.
struct Waiting<'a> {
    locks: &'a Locks,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.locks.state().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Lock = Lock { key: Key::One(1), shared: false };
    const SHARED: Lock = Lock { key: Key::One(1), shared: true };

    fn three() -> [Holder; 3] {
        let locks = Arc::new(Locks::default());
        [(), (), ()].map(|()| Holder::new(&locks))
    }

    #[test]
    fn a_key_is_shared_or_had_alone() {
        let [mut a, mut b, mut c] = three();
        assert!(a.try_take(SHARED, Until::Released) && b.try_take(SHARED, Until::TransactionEnd));
        assert!(!c.try_take(ALONE, Until::Released) && !a.try_take(ALONE, Until::Released));
        b.end_transaction();
        assert!(a.try_take(ALONE, Until::Released), "nobody stands in its own way");
        assert!(!b.try_take(SHARED, Until::Released));
        assert!(b.try_take(Lock { key: Key::Two(0, 1), shared: false }, Until::Released), "another key");
        assert!(a.release(ALONE) && !a.release(ALONE) && a.release(SHARED));
        assert!(c.try_take(ALONE, Until::Released) && c.try_take(ALONE, Until::Released));
        assert!(c.release(ALONE) && !a.try_take(SHARED, Until::Released), "it was taken twice");
        drop(c);
        assert!(a.try_take(SHARED, Until::Released));
        assert!(!b.release(SHARED), "it is another's");
    }

    #[tokio::test]
    async fn whoever_waits_gets_it_and_a_circle_is_told() {
        let [mut a, mut b, _] = three();
        let other = Lock { key: Key::Two(1, 2), shared: false };
        assert!(a.try_take(ALONE, Until::TransactionEnd) && b.try_take(other, Until::Released));
        let waiting = tokio::spawn(async move { b.take(ALONE, Until::Released).await.map(|()| b) });
        while a.locks.state().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        let refused = a.take(other, Until::Released).await.expect_err("they would wait for each other");
        assert_eq!(refused.code, SqlState::DEADLOCK_DETECTED);
        a.end_transaction();
        let b = waiting.await.expect("it does not panic").expect("nobody stands in its way any more");
        assert!(!a.try_take(ALONE, Until::Released));
        drop(b);
        assert!(a.try_take(ALONE, Until::Released) && a.try_take(other, Until::Released));
    }
}
