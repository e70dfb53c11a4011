//! The folder of an embedded KMS, as all hosts with files lay it out.

use std::fs::DirBuilder;
use std::io;
use std::path::{Path, PathBuf};

/// The environment variable that names the folder.
pub const HOME: &str = "KEYFOLD_HOME";
/// The environment variable that names the file of the root key, where that is not in the folder.
pub const ROOT_FILE: &str = "KEYFOLD_ROOT_FILE";

/// A folder with a database and, unless that is kept elsewhere, the file of its root key. Nothing
/// of it need be there.
///
/// ```
/// use keyfold::SystemRng;
/// use keyfold_kms::folder::Folder;
/// use keyfold_kms::root::{FileSealer, RootSealer};
/// use keyfold_kms::{EmbeddedKms, EngineOptions};
///
/// # let elsewhere = tempfile::tempdir()?;
/// # let named = elsewhere.path().join("keys");
/// let folder = Folder::of_user(Some(named)).expect("it has a name");
/// folder.make()?;
/// let sealer = FileSealer::open_or_create(folder.root_key(), &SystemRng)?;
/// let slots: &[(&str, &dyn RootSealer)] = &[("file", &sealer)];
/// let kms = EmbeddedKms::create(&folder.database(), slots, EngineOptions::default())?;
/// # drop(kms);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at a path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Folder(path.into())
    }

    /// The folder that is named; without a name, or with an empty one, `.keyfold` in the user's
    /// home. `None` where the user has no home.
    pub fn of_user(named: Option<PathBuf>) -> Option<Self> {
        let there = |path: &PathBuf| !path.as_os_str().is_empty();
        named
            .filter(there)
            .or_else(|| Some(std::env::home_dir().filter(there)?.join(".keyfold")))
            .map(Folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where its database is.
    pub fn database(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// Where the file of its root key is, unless another is named ([`ROOT_FILE`]).
    pub fn root_key(&self) -> PathBuf {
        self.0.join("root.key")
    }

    /// Makes the folder and those above it, for their owner only. Those that are there are left as
    /// they are.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt;
            builder.mode(0o700);
        }
        builder.create(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_unless_it_is_empty() {
        let named = Folder::of_user(Some("keys".into())).expect("a name");
        assert_eq!(named, Folder::new("keys"));
        assert_eq!(named.database(), Path::new("keys/store.db"));
        assert_eq!(named.root_key(), Path::new("keys/root.key"));
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let own = home.map(|home| Folder::new(home.join(".keyfold")));
        assert_eq!(Folder::of_user(None), own);
        assert_eq!(Folder::of_user(Some(PathBuf::new())), own);
    }

    #[test]
    fn what_is_made_is_its_owners_only() {
        let there = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(there.path().join("a/b"));
        folder.make().expect("it is made");
        assert!(folder.path().is_dir());
        #[cfg(unix)]
        {
            use std::fs::{Permissions, metadata, set_permissions};
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| metadata(path).expect("it").permissions().mode() & 0o777;
            assert_eq!(mode(folder.path()), 0o700);
            assert_eq!(mode(&there.path().join("a")), 0o700);
            set_permissions(folder.path(), Permissions::from_mode(0o750)).expect("a mode");
            folder.make().expect("it is there");
            assert_eq!(mode(folder.path()), 0o750);
        }
        std::fs::write(there.path().join("file"), b"").expect("a file");
        Folder::new(there.path().join("file")).make().expect_err("there is a file");
    }
}
