//! Envelopes that are being sealed or opened: the machines of the core, each behind a lock, from
//! before their data key is there to their end.

use std::sync::{Arc, Mutex, PoisonError};

use keyfold::stream::{PREFIX_LEN, Unlocked};
use keyfold::{Demands, Error, Header, Opener, PendingSignature, RangeOpener, Result, Sealer};
use keyfold::{SignerPolicy, Threads};

use crate::client::Shared;
use crate::error::{Answer, invalid};
use crate::gate::{Task, attempt};
use crate::spec::Parsed;
use crate::table;

fn ended() -> Error {
    invalid("the stream has ended, or is used by another thread")
}

/// What is there when it is there.
enum Stage<T> {
    /// The KMS is needed.
    Waiting(Task<T>),
    Ready(T),
    /// Over, or in the hands of a thread.
    Away,
}

impl<T> Stage<T> {
    fn begin(mut task: Task<T>) -> Result<Self> {
        match attempt(task.as_mut()) {
            Some(done) => Ok(Stage::Ready(done?)),
            None => Ok(Stage::Waiting(task)),
        }
    }
}

/// A stage behind a lock that nobody holds for long.
struct Cell<T>(Mutex<Stage<T>>);

impl<T> Cell<T> {
    fn new(stage: Stage<T>) -> Self {
        Cell(Mutex::new(stage))
    }

    fn replace(&self, stage: Stage<T>) -> Stage<T> {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), stage)
    }

    #[cfg(feature = "jni")]
    fn is_waiting(&self) -> bool {
        let stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*stage, Stage::Waiting(_))
    }

    /// Waits until it is ready.
    async fn wait(&self) -> Result<()> {
        match self.replace(Stage::Away) {
            Stage::Waiting(task) => {
                let done = task.await?;
                self.replace(Stage::Ready(done));
                Ok(())
            }
            Stage::Ready(done) => {
                self.replace(Stage::Ready(done));
                Ok(())
            }
            Stage::Away => Err(ended()),
        }
    }

    fn take(&self) -> Result<T> {
        match self.replace(Stage::Away) {
            Stage::Ready(value) => Ok(value),
            other @ Stage::Waiting(_) => {
                self.replace(other);
                Err(invalid("the stream waits for its data key"))
            }
            Stage::Away => Err(ended()),
        }
    }

    /// Works on it. Another thread that does so meanwhile gets an error, and does not wait.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R> {
        let mut value = self.take()?;
        let done = work(&mut value);
        self.replace(Stage::Ready(value));
        Ok(done)
    }
}

/// An envelope that is being sealed.
#[derive(uniffi::Object)]
pub struct Sealing {
    client: Arc<Shared>,
    spec: Arc<Parsed>,
    sealer: Cell<Sealer>,
    unsigned: Mutex<Option<PendingSignature>>,
}

impl Sealing {
    /// Begins one, of so many bytes where that is known.
    pub(crate) fn begin(
        client: &Arc<Shared>,
        spec: &Arc<Parsed>,
        plaintext_len: Option<u64>,
    ) -> Result<Self> {
        let task = client.sealer(spec.clone(), plaintext_len);
        Ok(Sealing {
            client: client.clone(),
            spec: spec.clone(),
            sealer: Cell::new(Stage::begin(task)?),
            unsigned: Mutex::default(),
        })
    }

    #[cfg(feature = "jni")]
    pub(crate) fn is_waiting(&self) -> bool {
        self.sealer.is_waiting()
    }

    pub(crate) async fn wait(&self) -> Result<()> {
        self.sealer.wait().await
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Sealer) -> R) -> Result<R> {
        self.sealer.with(work)
    }

    /// The machine, for its last step; what is left to sign is given to
    /// [`finished`](Sealing::finished).
    pub(crate) fn take(&self) -> Result<Sealer> {
        self.sealer.take()
    }

    pub(crate) fn finished(&self, pending: Option<PendingSignature>) {
        *self.unsigned.lock().unwrap_or_else(PoisonError::into_inner) = pending;
    }

    pub(crate) async fn sign(&self) -> Result<Vec<u8>> {
        let pending = self.unsigned.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (pending, self.spec.signer()) {
            (Some(pending), Some(signer)) => self.client.core.sign_pending(pending, &signer).await,
            _ => Ok(Vec::new()),
        }
    }
}

#[uniffi::export]
impl Sealing {
    /// The header, which the envelope begins with.
    ///
    /// # Errors
    /// `invalid_argument` at its end.
    pub fn header(&self) -> Answer<Vec<u8>> {
        Ok(self.with(|sealer| sealer.header().to_vec())?)
    }

    /// Seals more of the plaintext; answers what can be written.
    ///
    /// # Errors
    /// `limit_exceeded`; `invalid_argument` at its end.
    pub fn update(&self, plaintext: &[u8]) -> Answer<Vec<u8>> {
        let mut out = Vec::new();
        self.with(|sealer| sealer.update(plaintext, &mut out))??;
        Ok(out)
    }

    /// Seals the last segment; answers the end of the envelope, but for [`trailer`](Self::trailer).
    ///
    /// # Errors
    /// As [`update`](Sealing::update).
    pub fn finish(&self) -> Answer<Vec<u8>> {
        let mut out = Vec::new();
        self.finished(self.take()?.finish(&mut out)?);
        Ok(out)
    }

    /// Signs, where that was asked for, once it is finished: the very end of the envelope, or
    /// nothing.
    ///
    /// # Errors
    /// What the KMS says.
    pub async fn trailer(&self) -> Answer<Vec<u8>> {
        Ok(self.sign().await?)
    }
}

/// An envelope that is being opened.
#[derive(uniffi::Object)]
pub struct Opening {
    threads: Threads,
    unlocked: Cell<Unlocked>,
    opener: Cell<Opener>,
    /// Whether ranges are read whose signature stays unproven.
    unproven: bool,
}

impl Opening {
    /// Begins with a header, and the length of its body where that is known.
    pub(crate) fn begin(
        client: &Arc<Shared>,
        spec: &Arc<Parsed>,
        header: Header,
        body_len: Option<u64>,
        unproven: bool,
    ) -> Result<Self> {
        let mut demands: Demands = spec.demands.clone();
        if unproven && demands.signers.is_none() && header.signature().is_some() {
            // Whoever accepts that a signature stays unproven accepts any.
            demands = demands.signed_by(SignerPolicy::Anyone);
        }
        let task = client.unlock(spec.clone(), header, body_len, demands);
        Ok(Opening {
            threads: client.threads.clone(),
            unlocked: Cell::new(Stage::begin(task)?),
            opener: Cell::new(Stage::Away),
            unproven,
        })
    }

    #[cfg(feature = "jni")]
    pub(crate) fn is_waiting(&self) -> bool {
        self.unlocked.is_waiting()
    }

    pub(crate) async fn wait(&self) -> Result<()> {
        self.unlocked.wait().await
    }

    /// The machine that opens from the start to the end, whole.
    pub(crate) fn take(&self) -> Result<Opener> {
        match self.unlocked.take() {
            Ok(unlocked) => Ok(unlocked.into_opener().with_threads(&self.threads)),
            Err(error) => self.opener.take().map_err(|_| error),
        }
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Opener) -> R) -> Result<R> {
        let mut opener = self.take()?;
        let done = work(&mut opener);
        self.opener.replace(Stage::Ready(opener));
        Ok(done)
    }

    pub(crate) fn begin_ranges(&self, prefix: &[u8], body_len: u64) -> Result<Ranges> {
        let prefix: &[u8; PREFIX_LEN] = prefix.first_chunk().ok_or_else(|| {
            Error::new(keyfold::ErrorCode::Truncated, "the body ends before its first segment")
        })?;
        let unlocked = self.unlocked.take()?;
        let opener = if self.unproven {
            unlocked.into_unproven_ranges(prefix, body_len)
        } else {
            unlocked.into_ranges(prefix, body_len)
        };
        Ok(Ranges(opener?.with_threads(&self.threads)))
    }
}

#[uniffi::export]
impl Opening {
    /// Opens more of the body; answers the plaintext of whole segments.
    ///
    /// # Errors
    /// `authentication_failed`; `invalid_argument` at its end.
    pub fn update(&self, sealed: &[u8]) -> Answer<Vec<u8>> {
        let mut out = Vec::new();
        self.with(|opener| opener.update(sealed, &mut out))??;
        Ok(out)
    }

    /// Proves the end; answers the last bytes.
    ///
    /// # Errors
    /// As [`update`](Opening::update); `truncated`; `signature_invalid`.
    pub fn finish(&self) -> Answer<Vec<u8>> {
        let mut out = Vec::new();
        self.take()?.finish(&mut out)?;
        Ok(out)
    }

    /// Opens parts of the body, which begins with these bytes (72 are enough) and has this length.
    ///
    /// # Errors
    /// `truncated`; `authentication_failed`; `invalid_argument` where a signature is demanded,
    /// which no part proves.
    pub fn ranges(&self, start: &[u8], body_length: u64) -> Answer<Arc<Ranges>> {
        Ok(Arc::new(self.begin_ranges(start, body_length)?))
    }
}

/// An envelope of which parts are opened, from any thread.
#[derive(uniffi::Object)]
pub struct Ranges(pub(crate) RangeOpener);

/// Which bytes of a body hold a part of the plaintext.
#[derive(Clone, Copy, Debug, uniffi::Record)]
pub struct Fetch {
    /// Where they start in the body.
    pub start: u64,
    /// Where they end.
    pub end: u64,
}

#[uniffi::export]
impl Ranges {
    /// Bytes of plaintext, as the length of the body tells it: proven by nothing yet.
    pub fn plaintext_length(&self) -> u64 {
        self.0.layout().plaintext_len()
    }

    /// Which bytes of the body [`open`](Ranges::open) wants for this range of the plaintext.
    ///
    /// # Errors
    /// `invalid_argument` where it ends before it starts.
    pub fn fetch(&self, start: u64, end: u64) -> Answer<Fetch> {
        let fetch = self.0.layout().plan(start..end)?.fetch();
        Ok(Fetch { start: fetch.start, end: fetch.end })
    }

    /// Which bytes of the body prove its end: [`open`](Ranges::open) wants them for a range of
    /// nothing behind it.
    pub fn fetch_end(&self) -> Fetch {
        let fetch = self.0.layout().end().fetch();
        Fetch { start: fetch.start, end: fetch.end }
    }

    /// The plaintext of a range, out of the bytes that [`fetch`](Ranges::fetch) named.
    ///
    /// # Errors
    /// `authentication_failed`; `truncated` where they are fewer.
    pub fn open(&self, start: u64, end: u64, sealed: &[u8]) -> Answer<Vec<u8>> {
        let mut out = Vec::new();
        self.0.open(&self.0.layout().plan(start..end)?, sealed, &mut out)?;
        Ok(out)
    }
}

/// Waits until the stream of this number has its data key.
///
/// # Errors
/// What the KMS says; `invalid_argument` where there is no such stream.
#[uniffi::export]
pub async fn stream_ready(handle: u64) -> Answer<()> {
    if let Ok(sealing) = table::sealing(handle) {
        return Ok(sealing.wait().await?);
    }
    Ok(table::opening(handle)?.wait().await?)
}

/// Signs the stream of this number, once it is finished: the end of the envelope, or nothing.
///
/// # Errors
/// As [`stream_ready`].
#[uniffi::export]
pub async fn stream_trailer(handle: u64) -> Answer<Vec<u8>> {
    Ok(table::sealing(handle)?.sign().await?)
}

/// A number for a stream.
#[cfg(feature = "jni")]
pub(crate) fn numbered(entry: table::Entry) -> u64 {
    table::insert(entry)
}
