//! Writing a file so that it exists whole or not at all.
//!
//! The text goes to a temporary file in the same folder, is forced to the disk and is then renamed
//! to its own name, which one file system does in one step. When anything fails on the way the
//! temporary file is removed, and a file of that name from an earlier run stays as it was.
//!
//! A name that stands for a device or a pipe is written to directly: renaming a file over
//! `/dev/null` would replace the device.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::problem::Problem;

/// The enriched csv file while it is written. Dropped before [`Output::finish`], it leaves nothing.
pub struct Output {
    path: PathBuf,
    target: Target,
}

enum Target {
    Temporary(NamedTempFile),
    Device(File),
}

impl Output {
    /// Prepares to write to `path`, which keeps what it holds until the end.
    pub fn create(path: &Path) -> Result<Output, Problem> {
        const REMEDY: &str = "name a file in a folder that can be written to with --output";
        let failed = |error: io::Error| Problem::in_file(path, cannot_write(&error), REMEDY);
        // Behind a symbolic link stands the file that is meant to be replaced, not the link.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let target = match path.metadata() {
            Ok(found) if found.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(found) if !found.is_file() => {
                Target::Device(OpenOptions::new().write(true).open(&path).map_err(failed)?)
            }
            _ => Target::Temporary(temporary_beside(&path).map_err(failed)?),
        };
        Ok(Output { path, target })
    }

    /// Makes what was written durable and gives it its name.
    pub fn finish(self) -> Result<(), Problem> {
        let Output { path, target } = self;
        let Target::Temporary(temporary) = target else { return Ok(()) };
        temporary
            .as_file()
            .sync_all()
            .and_then(|()| temporary.persist(&path).map_err(|error| error.error))
            .map(drop)
            .map_err(|error| write_problem(&path, &error))
    }

    /// Appends `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        match &mut self.target {
            Target::Temporary(temporary) => temporary.as_file_mut().write_all(bytes),
            Target::Device(device) => device.write_all(bytes),
        }
        .map_err(|error| write_problem(&self.path, &error))
    }
}

/// Makes a temporary file in the folder of `path`, removed when dropped.
pub fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".flights-").suffix(".part");
    // The crate makes files for their owner only; the finished file is an ordinary one.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // The crate's own text names the temporary file, which means nothing to the reader.
    builder.tempfile_in(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other("its folder does not exist"),
        kind => kind.into(),
    })
}

fn cannot_write(error: &io::Error) -> String {
    format!("cannot be written ({error})")
}

fn write_problem(path: &Path, error: &io::Error) -> Problem {
    const REMEDY: &str = "nothing was kept; make room on the disk or choose another with --output";
    Problem::in_file(path, cannot_write(error), REMEDY)
}
