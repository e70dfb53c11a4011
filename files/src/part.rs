//! A file that appears under its name only when it is complete.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// How to make a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Take the place of a file that is there.
    pub replace: bool,
    /// The file whose permissions a new one gets, apart from the right to execute.
    pub like: Option<&'a Metadata>,
    /// Only the owner may read a new file.
    pub private: bool,
    /// What the name of an unfinished file begins with behind `.keyfold-`, so that whoever made it
    /// knows it again after it was killed: letters, digits, hyphens; empty for nothing.
    pub mark: &'a str,
}

/// A file that is written under another name in the same folder, until
/// [`commit`](PartFile::commit) gives it its own. Dropped before, it is removed.
///
/// ```
/// use keyfold_files::{Options, PartFile};
/// use std::io::Write;
///
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("report");
/// let mut part = PartFile::create(&path, Options::default())?;
/// part.write_all(b"half")?;
/// drop(part);
/// assert_eq!(std::fs::read_dir(&folder)?.count(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PartFile {
    path: PathBuf,
    part: NamedTempFile,
    replace: bool,
}

impl PartFile {
    /// Begins a file. A link is not followed: see [`follow`].
    ///
    /// # Errors
    /// What the system says; `InvalidInput` for a path that names no file.
    pub fn create(path: impl Into<PathBuf>, options: Options<'_>) -> io::Result<Self> {
        let path = path.into();
        if path.file_name().is_none() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut builder = tempfile::Builder::new();
        let prefix = format!(".keyfold-{}", options.mark);
        builder.prefix(&prefix).suffix(".part");
        #[cfg(unix)]
        builder.permissions(permissions(options));
        // Without the name that was tried, which says nothing.
        let part = builder.tempfile_in(folder(&path)).map_err(|error| plain(&error))?;
        Ok(PartFile { path, part, replace: options.replace })
    }

    /// Begins the replacement of a file that is there, with its permissions and its owner.
    ///
    /// # Errors
    /// Those of [`create`](PartFile::create).
    pub fn replacing(path: impl Into<PathBuf>, about: &Metadata) -> io::Result<Self> {
        Self::replacing_marked(path, about, "")
    }

    /// The same with a [mark](Options::mark) in the name of the unfinished file.
    ///
    /// # Errors
    /// Those of [`create`](PartFile::create).
    pub fn replacing_marked(
        path: impl Into<PathBuf>,
        about: &Metadata,
        mark: &str,
    ) -> io::Result<Self> {
        let options = Options { replace: true, like: Some(about), private: false, mark };
        let made = PartFile::create(path, options)?;
        keep_owner(made.part.as_file(), about);
        Ok(made)
    }

    /// The name that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name that it has now.
    pub fn part(&self) -> &Path {
        self.part.path()
    }

    /// The file itself.
    pub fn file_mut(&mut self) -> &mut File {
        self.part.as_file_mut()
    }

    /// Whether it takes the place of another.
    pub fn replaces(&self) -> bool {
        self.replace
    }

    /// Puts what was written on disk, under the name that it has now.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> io::Result<()> {
        self.part.as_file().sync_all()
    }

    /// Gives it its name, once it is [synced](PartFile::sync).
    ///
    /// # Errors
    /// `AlreadyExists` where there is a file that it does not replace, and what the system says;
    /// then there is nothing under the name, or what was there before.
    pub fn publish(self) -> io::Result<()> {
        let published = if self.replace {
            self.part.persist(&self.path)
        } else {
            self.part.persist_noclobber(&self.path)
        };
        published.map_err(|failed| failed.error)?;
        // A new name is on disk only when its folder is. Not every system can do that, and the
        // file itself is on disk already.
        let _ = File::open(folder(&self.path)).and_then(|folder| folder.sync_all());
        Ok(())
    }

    /// Ends the file: on disk for good, and under its name.
    ///
    /// # Errors
    /// Those of [`sync`](PartFile::sync) and [`publish`](PartFile::publish).
    pub fn commit(self) -> io::Result<()> {
        self.sync()?;
        self.publish()
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part.as_file_mut().flush()
    }
}

/// The error of the system without the name that a library has added.
fn plain(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error.kind().into(),
    }
}

/// The file that a symbolic link leads to: that one is replaced, the link stays.
///
/// # Errors
/// What the system says of a link that leads nowhere.
pub fn follow(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_symlink() => path.canonicalize(),
        _ => Ok(path.to_owned()),
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(unix)]
fn permissions(options: Options<'_>) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    // Limited further by the umask, as for every new file.
    let mode = match options.like {
        _ if options.private => 0o600,
        Some(input) => input.permissions().mode() & 0o666,
        None => 0o666,
    };
    fs::Permissions::from_mode(mode)
}

#[cfg(unix)]
fn keep_owner(file: &File, about: &Metadata) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    // Whoever may not give files away keeps the new one, as with any editor.
    if fchown(file, Some(about.uid()), Some(about.gid())).is_ok() {
        let mode = about.permissions().mode() & 0o777;
        let _ = file.set_permissions(fs::Permissions::from_mode(mode));
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) {}

/// Whether the two are one file.
#[cfg(unix)]
pub fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Whether the two are one file; nobody knows here.
#[cfg(not(unix))]
pub fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_replaced_only_on_demand() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let write = |text: &[u8], replace| {
            let mut part = PartFile::create(&path, Options { replace, ..Options::default() })?;
            part.write_all(text)?;
            part.commit()
        };
        write(b"one", false).expect("a new file");
        let refused = write(b"two", false).expect_err("it is there");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("reads"), b"one");
        write(b"two", true).expect("a replacement");
        assert_eq!(fs::read(&path).expect("reads"), b"two");
        assert_eq!(fs::read_dir(&folder).expect("reads").count(), 1);
    }

    #[test]
    fn what_cannot_be_made_is_told_without_the_name_that_was_tried() {
        let missing = PartFile::create("/no/such/folder/file", Options::default());
        let error = missing.expect_err("no folder");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(!error.to_string().contains(".part"), "{error}");
        let nameless = PartFile::create("/", Options::default()).expect_err("no name");
        assert_eq!(nameless.kind(), io::ErrorKind::InvalidInput);
    }
}
