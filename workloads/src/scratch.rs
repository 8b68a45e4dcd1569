//! A folder for one run, removed at its end.

use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes a folder in `parent`, which decides on which disk the run's data lies.
    pub fn new(parent: &Path, what: &str) -> std::io::Result<Scratch> {
        let path = parent.join(format!("tidewater-{what}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
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
