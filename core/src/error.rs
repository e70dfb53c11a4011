//! The one error type of keyfold, with stable codes that are the same in every language.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What every fallible operation of keyfold returns.
///
/// ```
/// fn scheme(key: &str) -> keyfold::Result<String> {
///     Ok(keyfold::KeyUri::new(key)?.scheme().to_owned())
/// }
/// assert_eq!(scheme("keyfold:alias/docs")?, "keyfold");
/// # Ok::<(), keyfold::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal => $retry:expr;)+) => {
        /// A stable error code; the table in `docs/spec/errors.md` is its specification.
        ///
        /// ```
        /// use keyfold::{ErrorCode, Retry};
        ///
        /// assert_eq!(ErrorCode::NoUsableKey.as_str(), "no_usable_key");
        /// assert_eq!(ErrorCode::KmsThrottled.default_retry(), Retry::Later(None));
        /// assert!(ErrorCode::ALL.contains(&ErrorCode::NoUsableKey));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of `docs/spec/errors.md`.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The code as it is written in every language and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $name,)+ }
            }

            /// Whether a call that failed with this code may succeed later.
            pub const fn default_retry(self) -> Retry {
                match self { $(ErrorCode::$variant => $retry,)+ }
            }
        }
    };
}

error_codes! {
    /// A call was made with values that can never be right.
    InvalidArgument = "invalid_argument" => Retry::Never;
    /// The bytes are not an envelope of a known form.
    MalformedEnvelope = "malformed_envelope" => Retry::Never;
    /// The envelope's version is not 1.
    UnsupportedVersion = "unsupported_version" => Retry::Never;
    /// The suite is unknown, reserved, or not among those the caller accepts.
    UnsupportedSuite = "unsupported_suite" => Retry::Never;
    /// A size or count is above a documented limit.
    LimitExceeded = "limit_exceeded" => Retry::Never;
    /// The input ended before the envelope did.
    Truncated = "truncated" => Retry::Never;
    /// The encryption context is not the one the caller demands.
    ContextMismatch = "context_mismatch" => Retry::Never;
    /// No recipient of the envelope could be unwrapped by the keyring.
    NoUsableKey = "no_usable_key" => Retry::AfterChange;
    /// Something decided with a key did not hold: wrong key or altered data.
    AuthenticationFailed = "authentication_failed" => Retry::Never;
    /// A signature is missing, wrong, or by a signer that is not accepted.
    SignatureInvalid = "signature_invalid" => Retry::Never;
    /// The KMS refuses this caller.
    KmsDenied = "kms_denied" => Retry::AfterChange;
    /// The KMS key is unknown, disabled, pending deletion or of another usage.
    KmsKeyUnavailable = "kms_key_unavailable" => Retry::AfterChange;
    /// The KMS asks to slow down.
    KmsThrottled = "kms_throttled" => Retry::Later(None);
    /// The KMS cannot be reached or cannot answer now.
    KmsUnavailable = "kms_unavailable" => Retry::Later(None);
    /// The KMS answered something that its protocol does not allow.
    KmsProtocol = "kms_protocol" => Retry::Never;
    /// No such secret, version or stage.
    SecretNotFound = "secret_not_found" => Retry::Never;
    /// Something changed meanwhile, or exists already.
    VersionConflict = "version_conflict" => Retry::AfterChange;
    /// The caller cancelled the operation.
    Cancelled = "cancelled" => Retry::Never;
    /// Reading or writing failed outside keyfold.
    Io = "io" => Retry::Never;
    /// A defect of keyfold itself; please report it.
    Internal = "internal" => Retry::Never;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether, and when, the same call may succeed.
///
/// ```
/// use keyfold::{Error, ErrorCode, Retry};
/// use std::time::Duration;
///
/// fn pause_before_retry(error: &Error) -> Option<Duration> {
///     match error.retry() {
///         Retry::Later(at_least) => Some(at_least.unwrap_or(Duration::from_millis(100))),
///         Retry::Never | Retry::AfterChange => None,
///     }
/// }
/// let denied = Error::new(ErrorCode::KmsDenied, "the policy does not allow it");
/// assert_eq!(pause_before_retry(&denied), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same call will fail again.
    Never,
    /// The same call may succeed later, at the earliest after the given time.
    Later(Option<Duration>),
    /// Somebody has to change a policy, a credential or a key first.
    AfterChange,
}

/// A failure, safe to log: `detail` never holds key bytes, plaintext, context values or a
/// server's answer.
///
/// ```
/// use keyfold::{Error, ErrorCode, Header};
///
/// let error = Header::parse(b"not an envelope").unwrap_err();
/// assert_eq!(error.code(), ErrorCode::MalformedEnvelope);
/// assert_eq!(error.to_string(), "malformed_envelope: this is not a keyfold envelope");
///
/// // `?` carries it through `std::io`, and it comes back as it was.
/// let back = Error::from(std::io::Error::from(error.clone()));
/// assert_eq!(back, error); // compared by code
/// ```
// One pointer: every fallible function moves it, and what moves it is a third of a small program.
#[derive(Clone)]
pub struct Error(Box<Parts>);

#[derive(Clone)]
struct Parts {
    code: ErrorCode,
    detail: Cow<'static, str>,
    retry: Retry,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this code, with a text for people and the code's own retry class.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::of(code, detail.into(), None)
    }

    #[cold]
    fn of(
        code: ErrorCode,
        detail: Cow<'static, str>,
        source: Option<Arc<dyn StdError + Send + Sync>>,
    ) -> Self {
        Error(Box::new(Parts { code, detail, retry: code.default_retry(), source }))
    }

    /// Replaces the retry class, where the cause knows better than the code.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Keeps the cause, for `source()`.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// An error with a cause that is shared already.
    pub(crate) fn caused(
        code: ErrorCode,
        detail: String,
        source: Option<Arc<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::of(code, detail.into(), source)
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What happened, in words.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Whether, and when, the same call may succeed.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The one answer for everything that was decided with a key (docs/spec/errors.md).
    pub(crate) fn authentication() -> Self {
        Error::new(ErrorCode::AuthenticationFailed, "the data or its key is not authentic")
    }

    pub(crate) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorCode::InvalidArgument, detail)
    }

    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorCode::MalformedEnvelope, detail)
    }

    pub(crate) fn limit(detail: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorCode::LimitExceeded, detail)
    }

    pub(crate) fn truncated(detail: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorCode::Truncated, detail)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not by `debug_struct`: in a program that shows nothing else by Debug it is all of it.
        write!(f, "Error({self}; retry: {:?})", self.0.retry)
    }
}

/// Errors are compared by their code alone.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.0.code == other.0.code
    }
}

impl Eq for Error {}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        // An adapter's own error comes back as it went in (stream::io).
        match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(error) => Error::new(ErrorCode::Io, error.kind().to_string()).with_source(error),
        }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error.0.code {
            ErrorCode::Truncated => ErrorKind::UnexpectedEof,
            ErrorCode::InvalidArgument | ErrorCode::LimitExceeded => ErrorKind::InvalidInput,
            _ => ErrorKind::InvalidData,
        };
        std::io::Error::new(kind, error)
    }
}
