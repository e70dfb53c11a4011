//! A slot whose secret is in a file.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use keyfold::crypto::rng::Rng;
use zeroize::Zeroizing;

use super::{RootKey, RootSealer, SealedRoot, SlotError, open_under, parse_secret, seal_under};
use crate::audit::hex;
use crate::hierarchy::KEY_LEN;

/// The longest file that can hold a secret, in bytes.
const MAX_FILE: usize = 256;

/// Seals the root key under 32 random bytes in a file of their own: 64 hexadecimal digits, or
/// base64. The file must be its owner's alone (mode 0600 or less, owned by this user).
///
/// The file is read each time it is needed, and not kept.
///
/// ```
/// use keyfold::SystemRng;
/// use keyfold_kms::root::FileSealer;
///
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let path = folder.path().join("root");
/// let sealer = FileSealer::create(&path, &SystemRng)?;
/// assert_eq!(std::fs::read(sealer.path()).unwrap().len(), 65); // 64 digits and a line end
/// assert!(FileSealer::create(&path, &SystemRng).is_err()); // it never overwrites one
/// # Ok::<(), keyfold_kms::root::SlotError>(())
/// ```
pub struct FileSealer {
    path: PathBuf,
}

impl FileSealer {
    /// A sealer over a file that exists.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileSealer { path: path.into() }
    }

    /// Makes the file with a new secret, readable by its owner only.
    ///
    /// # Errors
    /// [`SlotError::Unavailable`] where there is something at the path already, and what the file
    /// system says otherwise.
    pub fn create(path: impl Into<PathBuf>, rng: &dyn Rng) -> Result<Self, SlotError> {
        let path = path.into();
        let mut secret = Zeroizing::new([0; KEY_LEN]);
        rng.fill(secret.as_mut_slice()).map_err(|e| SlotError::Unavailable(e.to_string()))?;
        let mut text = Zeroizing::new(hex(secret.as_slice()));
        text.push('\n');
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&path).map_err(|error| unavailable(&path, &error))?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        written.and_then(|()| sync_folder(&path)).map_err(|error| unavailable(&path, &error))?;
        Ok(FileSealer { path })
    }

    /// A sealer over the file at a path, which is made where there is nothing. What is there is
    /// left as it is, be it a link that leads nowhere.
    ///
    /// # Errors
    /// As [`create`](FileSealer::create).
    pub fn open_or_create(path: impl Into<PathBuf>, rng: &dyn Rng) -> Result<Self, SlotError> {
        let path = path.into();
        match std::fs::symlink_metadata(&path) {
            Ok(_) => Ok(FileSealer::new(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => FileSealer::create(path, rng),
            Err(error) => Err(unavailable(&path, &error)),
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn secret(&self) -> Result<Zeroizing<[u8; KEY_LEN]>, SlotError> {
        let failed = |error| unavailable(&self.path, &error);
        let mut file = File::open(&self.path).map_err(failed)?;
        check_owner(&file, &self.path)?;
        let mut text = Zeroizing::new([0; MAX_FILE + 1]);
        let mut len = 0;
        loop {
            match file.read(&mut text[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        parse_secret(&text[..len]).ok_or_else(|| {
            let path = self.path.display();
            SlotError::Malformed(format!("{path} does not hold 32 bytes in hexadecimal or base64"))
        })
    }
}

impl RootSealer for FileSealer {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn seal(&self, root: &RootKey, binding: &[u8], rng: &dyn Rng) -> Result<SealedRoot, SlotError> {
        let sealed = seal_under(&*self.secret()?, root, binding, rng)?;
        Ok(SealedRoot { params: serde_json::Value::Null, sealed })
    }

    fn open(&self, sealed: &SealedRoot, binding: &[u8]) -> Result<RootKey, SlotError> {
        open_under(&*self.secret()?, &sealed.sealed, binding)
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> SlotError {
    SlotError::Unavailable(format!("{}: {}", path.display(), error.kind()))
}

/// The new file is durable only when its folder says that it is there.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        return File::open(folder.unwrap_or(Path::new(".")))?.sync_all();
    }
    Ok(())
}

/// Asks the open file, not its name, so that nobody can change it in between.
#[cfg(unix)]
fn check_owner(file: &File, path: &Path) -> Result<(), SlotError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(|error| unavailable(path, &error))?;
    let path = path.display();
    if !metadata.is_file() {
        return Err(SlotError::Malformed(format!("{path} is not a file")));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(SlotError::Insecure(format!("{path} belongs to another user")));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SlotError::Insecure(format!(
            "{path} is open to others (mode {mode:04o}); make it 0600"
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner(_: &File, _: &Path) -> Result<(), SlotError> {
    Ok(())
}
