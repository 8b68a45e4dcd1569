//! The disk's own latency: what one durable append costs when nothing else is done.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::latencies::Latencies;
use crate::pace::Pace;

/// What one INSERT adds to a log, more or less.
const APPEND_BYTES: usize = 128;

/// Appends to a file in `directory` and forces it to the disk (`fdatasync`), `count` times at `rate` a second.
pub fn sync_latencies(directory: &Path, count: usize, rate: f64) -> std::io::Result<Latencies> {
    let path = directory.join("fdatasync");
    let mut file = File::create(&path)?;
    let mut latencies = Latencies::default();
    let mut pace = Pace::per_second(rate);
    for _ in 0..count {
        pace.wait();
        let start = Instant::now();
        file.write_all(&[0x5a; APPEND_BYTES])?;
        file.sync_data()?;
        latencies.push(start.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(latencies)
}
