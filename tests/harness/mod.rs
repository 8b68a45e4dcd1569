//! What the integration tests share: a server under test, PostgreSQL as the oracle, and files of expectations.
//!
//! The harness alone knows how servers are started and spoken to; the tests are data.

#![allow(dead_code, reason = "each test binary uses a part of the harness")]

pub mod evaluate_lir;
pub mod in_process;
pub mod postgres;
pub mod random_mir;
pub mod random_sql;
pub mod scripts;
pub mod server;
pub mod slt;
pub mod user;
pub mod wire;

use std::path::{Path, PathBuf};

/// A folder of its own for a test, removed when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(what: &str) -> Scratch {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tidewater-test-{}-{number}-{what}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Scratch(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A path below the repository's root.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A seed for a random test: `SEED` if it is set, else from the clock. Printed, so that a failure can be repeated.
pub fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        now.as_nanos() as u64
    });
    println!("SEED={seed}");
    seed
}
