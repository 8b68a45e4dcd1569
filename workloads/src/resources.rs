//! What processes use: CPU time and resident memory, as Linux counts them.

use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time that this process has used, all threads together, to the nanosecond.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The CPU time that a process and its present children have used, in ticks of 10 ms. Children count because PostgreSQL has one
/// for each connection; those that have ended do not.
pub fn cpu_time_of(process: u32) -> Duration {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let ticks = ids.filter_map(|id| {
        let (parent, ticks) = stat(id)?;
        (id == process || parent == process).then_some(ticks)
    });
    // Linux shows user space a hundred ticks a second, whatever the kernel's own are.
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// The parent of a process and the ticks that it has used, in user mode and in the kernel.
fn stat(process: u32) -> Option<(u32, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The program's name is in parentheses and may hold anything; the fields after it are numbers.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let field = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some((u32::try_from(field(1)?).ok()?, field(11)? + field(12)?))
}

/// Resident memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub resident: u64,
    /// The most since the process began or [`forget_peak`] was called.
    pub peak: u64,
}

/// The memory of this process.
pub fn memory() -> Memory {
    memory_at(Path::new("/proc/self/status"))
}

/// The memory of another process.
pub fn memory_of(process: u32) -> Memory {
    memory_at(Path::new(&format!("/proc/{process}/status")))
}

fn memory_at(status: &Path) -> Memory {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let bytes = |field: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Memory { resident: bytes("VmRSS:").unwrap_or_default(), peak: bytes("VmHWM:").unwrap_or_default() }
}

/// Lets this process's peak begin again at what is resident. Where the kernel does not allow it, the peak stays what it was.
pub fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_its_own_work() {
        let before = cpu_time();
        let mut sum = 0u64;
        while cpu_time() - before < Duration::from_millis(30) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(cpu_time_of(std::process::id()) >= Duration::from_millis(20));
        let memory = memory();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        assert_eq!(memory_of(u32::MAX), Memory::default());
    }
}
