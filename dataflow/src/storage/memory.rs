//! A disk in memory: what `--memory` runs on. The same store over it keeps the same promises until the process ends.
use super::disk::{Disk, File};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

type Contents = Arc<Mutex<Vec<u8>>>;

/// Files in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Memory {
    files: Arc<Mutex<BTreeMap<String, Contents>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{name} does not exist"))
}

impl Memory {
    fn find(&self, name: &str) -> io::Result<Contents> {
        lock(&self.files).get(name).cloned().ok_or_else(|| missing(name))
    }
}

impl Disk for Memory {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let contents = Contents::default();
        lock(&self.files).insert(name.to_string(), contents.clone());
        Ok(Box::new(MemoryFile { contents }))
    }

    fn reuse(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(MemoryFile { contents: self.find(name)? }))
    }

    fn read(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let contents = self.find(name)?;
        let contents = lock(&contents);
        let range = offset as usize..(offset as usize).saturating_add(len);
        contents.get(range).map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(lock(&*self.find(name)?).len() as u64)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(lock(&self.files).keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = lock(&self.files);
        let contents = files.remove(from).ok_or_else(|| missing(from))?;
        files.insert(to.to_string(), contents);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        lock(&self.files).remove(name).map(drop).ok_or_else(|| missing(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}

struct MemoryFile {
    contents: Contents,
}

impl File for MemoryFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut contents = lock(&self.contents);
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        if contents.len() < to {
            contents.resize(to, 0);
        }
        contents[from..to].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
