//! A disk that does what real ones do at their worst: for tests, here and of the whole server.
//!
//! It keeps apart what was written and what is durable. A power loss keeps everything that was synced, and of the rest
//! an arbitrary choice: sectors, file sizes, changes of names. A failed sync marks the pages clean without writing them;
//! writes fail or stop short; space runs out. All of it follows from the random choices that the test passes in.
use super::disk::{Disk, File};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const SECTOR: usize = 512;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// A disk in memory that fails on demand. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

/// What the disk does wrong. Counters count down to the failing operation; 0 is never.
#[derive(Clone, Copy, Default, Debug)]
pub struct Faults {
    pub write_error_in: u32,
    pub short_write_in: u32,
    pub sync_error_in: u32,
    /// After so many changes (writes, syncs, names) the power is off: every later one fails and changes nothing.
    pub power_off_in: u32,
    /// Bytes that files may still grow by, if limited.
    pub space_left: Option<usize>,
    /// How long a sync takes: what makes writers meet in a group.
    pub sync_takes: Duration,
}

/// What was done so far.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Counts {
    pub file_syncs: u64,
    pub directory_syncs: u64,
    /// Everything that changes the disk: what [`Faults::power_off_in`] counts.
    pub changes: u64,
    pub bytes_written: u64,
}

#[derive(Default)]
struct State {
    files: Vec<Pages>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    faults: Faults,
    power_is_off: bool,
    counts: Counts,
}

#[derive(Clone)]
enum NameChange {
    Set(String, usize),
    Remove(String),
}

#[derive(Clone, Default)]
struct Pages {
    seen: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

impl Simulated {
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// What a machine finds after losing power now: everything synced, and of the rest an arbitrary choice of sectors,
    /// of file sizes, and of the changes of names. `random(n)` answers a number below n.
    pub fn after_power_loss(&self, mut random: impl FnMut(usize) -> usize) -> Simulated {
        let state = self.state();
        let mut after = State { names: state.durable_names.clone(), ..State::default() };
        // A journaling file system keeps a prefix of the changes; nobody promises that, so half of the time any are lost.
        let prefix = random(state.pending_names.len() + 1);
        let in_order = random(2) == 0;
        for (index, change) in state.pending_names.iter().enumerate() {
            if if in_order { index < prefix } else { random(2) == 0 } {
                apply(&mut after.names, change);
            }
        }
        after.durable_names = after.names.clone();
        // Files without a name are gone; their places are kept, since names refer to them.
        let named: BTreeSet<usize> = after.names.values().copied().collect();
        let files = state.files.iter().enumerate();
        let files = files.map(|(file, pages)| match named.contains(&file) {
            true => pages.after_power_loss(&mut random),
            false => Pages::default(),
        });
        after.files = files.collect();
        Simulated { state: Arc::new(Mutex::new(after)) }
    }

    /// Flips one bit of a file, as a failing medium does. False if the file is shorter.
    pub fn flip(&self, name: &str, bit: usize) -> bool {
        let state = &mut *self.state();
        let Some(pages) = state.names.get(name).map(|&file| &mut state.files[file]) else { return false };
        let Some(byte) = pages.seen.get_mut(bit / 8) else { return false };
        *byte ^= 1 << (bit % 8);
        pages.durable = pages.seen.clone();
        true
    }
}

impl Pages {
    fn after_power_loss(&self, random: &mut impl FnMut(usize) -> usize) -> Pages {
        let mut bytes = self.durable.clone();
        if self.seen.len() > bytes.len() {
            let len = bytes.len() + random(self.seen.len() - bytes.len() + 1);
            bytes.resize(len, 0);
        }
        for &sector in &self.dirty {
            let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(self.seen.len()).min(bytes.len()));
            if random(2) == 0 && from < to {
                bytes[from..to].copy_from_slice(&self.seen[from..to]);
            }
        }
        Pages { seen: bytes.clone(), durable: bytes, dirty: BTreeSet::new() }
    }

    fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        for sector in std::mem::take(&mut self.dirty) {
            let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(self.seen.len()));
            self.durable[from..to].copy_from_slice(&self.seen[from..to]);
        }
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Set(name, file) => {
            names.retain(|_, other| other != file);
            names.insert(name.clone(), *file);
        }
        NameChange::Remove(name) => {
            names.remove(name);
        }
    }
}

/// Counts down; true when it reaches zero.
fn fires(counter: &mut u32) -> bool {
    let armed = *counter > 0;
    *counter = counter.saturating_sub(1);
    armed && *counter == 0
}

fn failure(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

impl State {
    /// Counts a change of the disk; an error if the power is off.
    fn changing(&mut self) -> io::Result<()> {
        self.power_is_off |= fires(&mut self.faults.power_off_in);
        if self.power_is_off {
            return Err(failure(EIO));
        }
        self.counts.changes += 1;
        Ok(())
    }

    fn change_name(&mut self, change: NameChange) -> io::Result<()> {
        self.changing()?;
        apply(&mut self.names, &change);
        self.pending_names.push(change);
        Ok(())
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{name} does not exist"));
        self.names.get(name).copied().ok_or_else(missing)
    }
}

impl Disk for Simulated {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let mut state = self.state();
        let file = state.files.len();
        state.change_name(NameChange::Set(name.to_string(), file))?;
        state.files.push(Pages::default());
        Ok(Box::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn reuse(&self, name: &str) -> io::Result<Box<dyn File>> {
        let file = self.state().find(name)?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn read(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let state = self.state();
        let bytes = &state.files[state.find(name)?].seen;
        let range = offset as usize..(offset as usize).saturating_add(len);
        bytes.get(range).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        let state = self.state();
        Ok(state.files[state.find(name)?].seen.len() as u64)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let file = state.find(from)?;
        state.change_name(NameChange::Set(to.to_string(), file))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.find(name)?;
        state.change_name(NameChange::Remove(name.to_string()))
    }

    fn sync_directory(&self) -> io::Result<()> {
        let state = &mut *self.state();
        state.changing()?;
        if fires(&mut state.faults.sync_error_in) {
            return Err(failure(EIO));
        }
        state.counts.directory_syncs += 1;
        state.pending_names.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }
}

struct SimulatedFile {
    disk: Simulated,
    file: usize,
}

impl File for SimulatedFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.disk.state();
        state.changing()?;
        let mut written = bytes.len();
        let mut error = None;
        if fires(&mut state.faults.write_error_in) {
            (written, error) = (0, Some(EIO));
        }
        if fires(&mut state.faults.short_write_in) {
            (written, error) = (bytes.len() / 2, Some(EIO));
        }
        let pages = &mut state.files[self.file];
        let grows = (offset as usize + bytes.len()).saturating_sub(pages.seen.len());
        if let Some(left) = state.faults.space_left.as_mut().filter(|_| grows > 0) {
            if grows > *left {
                (written, error) = (written.min(bytes.len() - grows + *left), Some(ENOSPC));
            }
            *left -= grows.min(*left);
        }
        let (from, to) = (offset as usize, offset as usize + written);
        pages.seen.resize(pages.seen.len().max(to), 0);
        pages.seen[from..to].copy_from_slice(&bytes[..written]);
        pages.dirty.extend(from / SECTOR..to.div_ceil(SECTOR));
        state.counts.bytes_written += written as u64;
        error.map_or(Ok(()), |code| Err(failure(code)))
    }

    fn sync(&mut self) -> io::Result<()> {
        let takes = self.disk.state().faults.sync_takes;
        if !takes.is_zero() {
            std::thread::sleep(takes);
        }
        let state = &mut *self.disk.state();
        state.changing()?;
        let pages = &mut state.files[self.file];
        if fires(&mut state.faults.sync_error_in) {
            // The pages are clean now and still read back as written, yet the medium never got them.
            pages.dirty.clear();
            return Err(failure(EIO));
        }
        pages.sync();
        state.counts.file_syncs += 1;
        Ok(())
    }
}
