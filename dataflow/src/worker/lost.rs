//! The loss of a thread or of a process of the group: whatever remains cannot complete what was shared, and storage has everything
//! that was acknowledged, so this process ends; the group starts anew. One way for all of it: the thread panics.
//!
//! When the group ends because it was told to, its processes leave one another in no order: that is no loss.
//!
//! A peer that is gone is the peer's affair, a shard that cannot be read the disk's: each is one line. A thread of ours that panics
//! otherwise is a defect, and says where.

use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, LazyLock, Mutex};
use std::time::Duration;

use tokio::sync::watch;

/// How long whoever waits for [`lost`] has until the process ends.
const GOODBYE: Duration = Duration::from_millis(500);

/// The threads without which the engine cannot go on begin with these names.
const OURS: [&str; 3] = ["timely", "coordinator", "storage"];

/// The group was told to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// How many other processes have left since then.
static LEFT: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

static LOST: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Resolves when this process is about to end, so that clients can be told.
pub async fn lost() {
    let mut lost = LOST.subscribe();
    // The sender is never dropped.
    let _ = lost.wait_for(|lost| *lost).await;
}

/// From here on, other processes may leave.
pub fn group_ends() {
    ENDING.store(true, Ordering::Release);
}

/// Waits until the other processes have left, though not for long: whoever leaves first may take along what they are told.
pub fn wait_for_others(others: usize) {
    let left = LEFT.0.lock().expect("invariant: nothing panics while it counts");
    let _ = LEFT.1.wait_timeout_while(left, GOODBYE, |left| *left < others);
}

/// Takes note that a peer has left a group that ends.
fn peer_left(thread: &str) -> ! {
    // Two threads speak with each peer.
    if thread.starts_with("timely:recv") {
        *LEFT.0.lock().expect("invariant: nothing panics while it counts") += 1;
        LEFT.1.notify_all();
    }
    loop {
        std::thread::park();
    }
}

/// From here on, a panic of one of our threads ends the process.
pub(super) fn end_the_process() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if INSTALLED.swap(true, Ordering::AcqRel) {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        if !OURS.iter().any(|ours| name.starts_with(ours)) {
            return before(panic);
        }
        let no_defect = no_defect(name, panic.payload());
        if no_defect.is_some() && ENDING.load(Ordering::Acquire) {
            peer_left(name);
        }
        static FALLING: AtomicBool = AtomicBool::new(false);
        if FALLING.swap(true, Ordering::AcqRel) {
            // Others fall with the first; there is nothing to add.
            loop {
                std::thread::park();
            }
        }
        match no_defect {
            Some(line) => eprintln!("tidewater: {line}"),
            None => {
                before(panic);
                eprintln!("tidewater: the thread \"{name}\" is lost: stopping");
            }
        }
        LOST.send_replace(true);
        std::thread::sleep(GOODBYE);
        std::process::exit(1);
    }));
}

/// What is said of a panic that means that a peer is gone, or that a shard is damaged.
fn no_defect(thread: &str, payload: &dyn Any) -> Option<String> {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let why = text.or_else(|| payload.downcast_ref::<&str>().copied())?;
    if thread == "coordinator-load" && why.starts_with("shard ") {
        return Some(format!("{why}: stopping"));
    }
    let why = why.strip_prefix("timely communication error: ")?;
    // The threads are named after the process that they speak to.
    let peer = thread.rsplit('-').next().filter(|number| number.parse::<usize>().is_ok());
    Some(match peer {
        Some(peer) => format!("process {peer} of the group is gone ({why}): stopping"),
        None => format!("a process of the group is gone ({why}): stopping"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_did_is_told_from_a_defect() {
        let gone = "timely communication error: reading data: socket closed".to_owned();
        let line = "process 1 of the group is gone (reading data: socket closed): stopping";
        assert_eq!(no_defect("timely:recv-1", &gone).as_deref(), Some(line));
        let damaged = "shard 7 cannot be read: run-1: offset 352: the checksum is wrong".to_owned();
        assert_eq!(no_defect("coordinator-load", &damaged), Some(format!("{damaged}: stopping")));
        assert_eq!(no_defect("timely:recv-1", &"index out of bounds"), None);
        assert_eq!(no_defect("timely:work-0", &7), None);
    }
}
