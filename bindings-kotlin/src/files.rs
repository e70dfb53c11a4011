//! Files, from path to path, wholly here. The thread that polls reads and writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keyfold::{Error, ErrorCode, Result};
use keyfold_files::whole::{self, Writing};

use crate::client::{Change, Client};
use crate::error::Answer;
use crate::inspect::{Info, info};
use crate::spec::{Parsed, Spec};

/// How often work on a file looks up.
const LOOK: Duration = Duration::from_millis(50);

/// Looks at work on a file now and then, on the thread that does it.
#[uniffi::export(with_foreign)]
pub trait Observer: Send + Sync {
    /// So many bytes are done, of so many (0 where that is unknown); answers whether to go on.
    fn observe(&self, done: u64, all: u64) -> bool;
}

struct Watch {
    observer: Option<Arc<dyn Observer>>,
    looked: Instant,
    told: u64,
    now: (u64, u64),
}

impl Watch {
    fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Watch { observer, looked: Instant::now(), told: 0, now: (0, 0) }
    }

    fn see(&mut self, done: u64, all: u64) -> Result<()> {
        self.now = (done, all);
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.look()?;
        self.looked = Instant::now();
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        let (done, all) = self.now;
        self.told = done;
        match &self.observer {
            Some(observer) if !observer.observe(done, all) => {
                Err(Error::new(ErrorCode::Cancelled, "the operation was cancelled"))
            }
            _ => Ok(()),
        }
    }

    /// Tells the end, unless that was told.
    fn end(&mut self) {
        if self.told != self.now.0
            && let Some(observer) = &self.observer
        {
            let _ = observer.observe(self.now.0, self.now.1);
        }
    }
}

#[uniffi::export]
impl Client {
    /// Encrypts a file; answers the length of its plaintext in bytes.
    ///
    /// # Errors
    /// `io`; else as the core's `Client::encrypt`.
    pub async fn encrypt_file(
        &self,
        source: String,
        target: String,
        spec: Spec,
        overwrite: bool,
        observer: Option<Arc<dyn Observer>>,
    ) -> Answer<u64> {
        let spec = Parsed::try_from(spec)?;
        let mut watch = Watch::new(observer);
        let total = whole::encrypt(
            &self.shared.core,
            (Path::new(&source), Path::new(&target)),
            (spec.keyring()?, &spec.context),
            &spec.options(None),
            Writing { overwrite, threads: self.shared.thread_count },
            &mut |done, all| watch.see(done, all),
        )
        .await?;
        watch.end();
        Ok(total)
    }

    /// Decrypts a file; answers the length of its plaintext in bytes.
    ///
    /// # Errors
    /// `io`; else as the core's `Client::decrypt`.
    pub async fn decrypt_file(
        &self,
        source: String,
        target: String,
        spec: Spec,
        overwrite: bool,
        observer: Option<Arc<dyn Observer>>,
    ) -> Answer<u64> {
        let spec = Parsed::try_from(spec)?;
        let mut watch = Watch::new(observer);
        let total = whole::decrypt(
            &self.shared.core,
            (Path::new(&source), Path::new(&target)),
            spec.keyring()?,
            spec.demands.clone(),
            Writing { overwrite, threads: self.shared.thread_count },
            &mut |done, all| watch.see(done, all),
        )
        .await?;
        watch.end();
        Ok(total)
    }

    /// As [`rewrap`](Client::rewrap), for the envelope in a file, which is replaced at once.
    ///
    /// # Errors
    /// `io`; else as the core's `Client::rewrap`.
    pub async fn rewrap_file(&self, path: String, from: Spec, to: Spec) -> Answer<()> {
        self.rewrite(path, &Change::Rewrap(from.try_into()?, to.try_into()?)).await
    }

    /// As [`add_recipients`](Client::add_recipients), for the envelope in a file.
    ///
    /// # Errors
    /// `io`; else as the core's `Client::add_recipients`.
    pub async fn add_recipients_to_file(&self, path: String, from: Spec, to: Spec) -> Answer<()> {
        self.rewrite(path, &Change::Add(from.try_into()?, to.try_into()?)).await
    }

    /// As [`remove_recipients`](Client::remove_recipients), for the envelope in a file.
    ///
    /// # Errors
    /// `io`; else as the core's `Client::remove_recipients`.
    pub async fn remove_recipients_of_file(&self, path: String, keys: Vec<String>) -> Answer<()> {
        self.rewrite(path, &Change::remove(keys)?).await
    }
}

impl Client {
    async fn rewrite(&self, path: String, change: &Change) -> Answer<()> {
        let path = PathBuf::from(path);
        let (old, mut file) = whole::header(&path)?;
        let new = change.of(&self.shared.core, &old).await?;
        Ok(whole::replace_header(&path, &mut file, &old, &new)?)
    }
}

/// What is public in the envelope in a file.
///
/// # Errors
/// `io`; the structural codes.
#[uniffi::export]
pub fn inspect_file(path: String) -> Answer<Info> {
    let path = Path::new(&path);
    let (header, file) = whole::header(path)?;
    let len = file.metadata().map_err(|error| whole::at("read", path, error))?.len();
    let header_len = header.as_bytes().len() as u64;
    Ok(info(&header, header_len, len.saturating_sub(header_len))?)
}
