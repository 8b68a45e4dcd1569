//! The only file that touches the operating system's files, behind two traits. Everything above sees names in one flat
//! directory, bytes at offsets, and two kinds of sync; so a directory, memory ([`super::Memory`]), a disk that fails and
//! loses power ([`super::Simulated`]) and later an object store can take each other's place.
//!
//! What the callers rely on: nothing is durable before the sync that covers it, neither bytes ([`File::sync`]) nor names
//! ([`Disk::sync_directory`]); renaming is atomic and replaces; and after a failed sync nothing may be built upon.
use super::StorageError;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::PathBuf;

/// A flat directory of files.
pub trait Disk: Send + Sync {
    /// Creates or empties a file. Neither its bytes nor its name are durable before `sync` and `sync_directory`.
    fn create(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Opens an existing file to be overwritten in place.
    fn reuse(&self, name: &str) -> io::Result<Box<dyn File>>;
    /// Reads exactly `len` bytes.
    fn read(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    fn len(&self, name: &str) -> io::Result<u64>;
    fn list(&self) -> io::Result<Vec<String>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn sync_directory(&self) -> io::Result<()>;
}

/// A file that is written to.
pub trait File: Send {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// After an error what is on disk is unknown and **stays** unknown: the kernel has marked the pages clean, and a
    /// second call would succeed without writing them. The caller must give up the file.
    fn sync(&mut self) -> io::Result<()>;
}

/// A directory of the operating system, locked against a second process for as long as this value lives.
pub struct Directory {
    path: PathBuf,
    _lock: fs::File,
}

impl Directory {
    /// Makes the directory if it is missing, and locks it.
    pub fn open(path: impl Into<PathBuf>) -> Result<Directory, StorageError> {
        let path = path.into();
        let unavailable = |what: &str, error: &dyn std::fmt::Display| {
            StorageError::Unavailable(format!("data directory \"{}\" {what}: {error}", path.display()))
        };
        // Nobody but the owner may look into a database.
        let created = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        created.map_err(|error| unavailable("cannot be created", &error))?;
        let lock = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path.join("LOCK"));
        let lock = lock.map_err(|error| unavailable("cannot be written", &error))?;
        // flock, not a file that exists: it dies with its process, so a kill -9 leaves nothing to clean up.
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => unavailable("is in use", &"another process holds its lock"),
            fs::TryLockError::Error(error) => unavailable("cannot be locked", &error),
        })?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            let synced = fs::File::open(parent).and_then(|parent| parent.sync_all());
            synced.map_err(|error| unavailable("cannot be made durable", &error))?;
        }
        Ok(Directory { path, _lock: lock })
    }
}

impl Disk for Directory {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).open(self.path.join(name))?;
        Ok(Box::new(file))
    }

    fn reuse(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(Box::new(fs::OpenOptions::new().write(true).open(self.path.join(name))?))
    }

    fn read(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        fs::File::open(self.path.join(name))?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path.join(name))?.len())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}

impl File for fs::File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        // fdatasync: it makes the bytes and a grown size durable, and spares the journal the timestamps.
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fresh directory that is removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("tidewater-disk-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_directory_is_locked_for_life() {
        let scratch = Scratch::new("lock");
        let first = Directory::open(&scratch.0).expect("a fresh directory");
        match Directory::open(&scratch.0).map(drop) {
            Err(StorageError::Unavailable(why)) => assert!(why.contains("is in use"), "{why}"),
            other => panic!("locked twice: {other:?}"),
        }
        drop(first);
        Directory::open(&scratch.0).expect("the lock ends with its holder");
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_named() {
        let scratch = Scratch::new("file");
        fs::write(&scratch.0, b"").expect("a scratch file");
        match Directory::open(&scratch.0).map(drop) {
            Err(StorageError::Unavailable(why)) => assert!(why.contains("cannot be created"), "{why}"),
            other => panic!("opened a file as a directory: {other:?}"),
        }
        fs::remove_file(&scratch.0).expect("it is there");
    }

    #[test]
    fn files_are_written_read_renamed_and_removed() {
        let scratch = Scratch::new("files");
        let disk = Directory::open(&scratch.0).expect("a fresh directory");
        let mut file = disk.create("a").expect("creates");
        file.write_at(3, b"xyz").expect("writes");
        file.sync().expect("syncs");
        disk.rename("a", "b").expect("renames");
        disk.reuse("b").expect("is there").write_at(0, b"q").expect("overwrites");
        disk.sync_directory().expect("syncs");
        assert_eq!(disk.read("b", 0, 6).expect("reads"), b"q\0\0xyz");
        assert_eq!(disk.len("b").expect("is there"), 6);
        assert!(disk.read("b", 4, 6).is_err(), "reading past the end is an error");
        disk.remove("b").expect("removes");
        assert_eq!(disk.list().expect("lists"), vec!["LOCK".to_string()]);
    }
}
