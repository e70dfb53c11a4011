//! Errors on their way between the core and the languages.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use keyfold::kms::ServiceError;
use keyfold::kms::cloud::Unsupported;
use keyfold::{Error, ErrorCode};

/// For what answers a language.
pub(crate) type Answer<T> = Result<T, Failure>;

/// Whether the same call may succeed another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Retry {
    /// It fails again.
    Never,
    /// Later; after so many milliseconds, where that is known.
    Later {
        /// How long to wait at least.
        after_millis: Option<u64>,
    },
    /// When somebody has changed a policy, a credential, a key or a state.
    AfterChange,
}

/// Every failure, of keyfold and of what a language implements for it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Error)]
pub enum Failure {
    /// The only kind: its code tells them apart.
    Failed {
        /// One of `docs/spec/errors.md`. Where a language reports a failure of its own without one:
        /// empty, for what fits the place.
        code: String,
        /// What happened, without any secret.
        detail: String,
        /// Whether it may be tried again.
        retry: Retry,
        /// The language's own number for the exception behind it; 0 for none.
        origin: u64,
        /// What a service said about it.
        said: Option<String>,
        /// Whether the service does not have what was asked for; then nothing was sent.
        unsupported: bool,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure::Failed { code, detail, .. } = self;
        write!(f, "{code}: {detail}")
    }
}

impl StdError for Failure {}

/// What a failure has beside its code and text.
#[derive(Debug)]
struct Cause {
    /// An exception that stays where its language keeps it; 0 for none.
    origin: u64,
    unsupported: bool,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.origin {
            0 => "the service does not have this",
            _ => "an exception of the caller's",
        })
    }
}

impl StdError for Cause {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let retry = match error.retry() {
            keyfold::Retry::Never => Retry::Never,
            keyfold::Retry::Later(after) => Retry::Later {
                after_millis: after
                    .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            },
            keyfold::Retry::AfterChange => Retry::AfterChange,
        };
        let cause = of::<Cause>(&error);
        let said = of::<ServiceError>(&error).and_then(|said| said.message().map(str::to_owned));
        Failure::Failed {
            code: error.code().as_str().to_owned(),
            detail: error.detail().to_owned(),
            retry,
            origin: cause.map_or(0, |cause| cause.origin),
            said,
            unsupported: cause.is_some_and(|cause| cause.unsupported)
                || of::<Unsupported>(&error).is_some(),
        }
    }
}

/// The first of a kind among the causes of an error.
fn of<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

impl Failure {
    /// What a language's own code failed with, as an error of the core. `otherwise` is its code and
    /// text where the language names none.
    pub(crate) fn into_error(self, otherwise: ErrorCode, what: &'static str) -> Error {
        let Failure::Failed { code, detail, retry, origin, unsupported, .. } = self;
        let known = ErrorCode::ALL.iter().copied().find(|known| known.as_str() == code);
        let error = match known {
            Some(code) => Error::new(code, detail).with_retry(match retry {
                Retry::Never => keyfold::Retry::Never,
                Retry::Later { after_millis } => {
                    keyfold::Retry::Later(after_millis.map(Duration::from_millis))
                }
                Retry::AfterChange => keyfold::Retry::AfterChange,
            }),
            None => Error::new(otherwise, what),
        };
        match (origin, unsupported) {
            (0, false) => error,
            _ => error.with_source(Cause { origin, unsupported }),
        }
    }
}

/// What a language did not turn into a failure itself. Its text may hold anything, so it ends here.
impl From<uniffi::UnexpectedUniFFICallbackError> for Failure {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Failure::Failed {
            code: String::new(),
            detail: String::new(),
            retry: Retry::Never,
            origin: 0,
            said: None,
            unsupported: false,
        }
    }
}

/// A wrong call.
pub(crate) fn invalid(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidArgument, detail.into())
}

/// Something that no KMS of a kind has.
pub(crate) fn unsupported(detail: impl Into<String>) -> Error {
    invalid(detail).with_source(Cause { origin: 0, unsupported: true })
}
