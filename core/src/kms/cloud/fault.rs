//! What goes wrong at a cloud: from each provider's names to keyfold's codes, by one table.

use std::time::Duration;

use crate::error::{Error, ErrorCode, Retry};
use crate::kms::service_error::ServiceError;

/// What an error of a service stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    /// No such key, secret or version.
    NotFound,
    /// Disabled, archived, of another usage.
    InvalidState,
    /// It will be gone.
    PendingDeletion,
    /// This caller may not.
    Denied,
    /// The signature, the key that signs, the token.
    Unauthenticated,
    /// The same, and other credentials may help.
    Expired,
    /// The same, and the date of the request may be why, or else the credentials.
    Clock,
    Throttled,
    Unavailable,
    /// It cannot answer, and repeating is not expected to help.
    Broken,
    Ciphertext,
    Argument,
    /// A quota, which no pause refills.
    Limit,
    Conflict,
    /// The service does not do this, with this key or at all.
    Unsupported,
    /// The service gives it a name that nobody here knows, or none.
    Unknown,
}

/// An answer that is an error.
pub(crate) struct Fault {
    pub(crate) error: ServiceError,
    pub(crate) category: Category,
    /// The pause that the answer asks for.
    pub(crate) pause: Option<Duration>,
}

impl Fault {
    /// The code; `of_secret` where the operation is one of the password safe.
    fn code(&self, of_secret: bool) -> ErrorCode {
        match self.category {
            Category::NotFound | Category::PendingDeletion if of_secret => {
                ErrorCode::SecretNotFound
            }
            Category::NotFound
            | Category::InvalidState
            | Category::PendingDeletion
            | Category::Unsupported => ErrorCode::KmsKeyUnavailable,
            Category::Denied | Category::Unauthenticated | Category::Expired | Category::Clock => {
                ErrorCode::KmsDenied
            }
            Category::Throttled => ErrorCode::KmsThrottled,
            Category::Unavailable | Category::Broken => ErrorCode::KmsUnavailable,
            Category::Ciphertext => ErrorCode::AuthenticationFailed,
            Category::Argument => ErrorCode::InvalidArgument,
            Category::Limit => ErrorCode::LimitExceeded,
            Category::Conflict => ErrorCode::VersionConflict,
            Category::Unknown => self.error.code_of_status(),
        }
    }

    /// The error for the caller.
    pub(crate) fn into_error(self, of_secret: bool) -> Error {
        let (code, category) = (self.code(of_secret), self.category);
        let error = self.error.into_error(code, self.pause);
        match category {
            Category::Broken => error.with_retry(Retry::Never),
            _ => error,
        }
    }
}

/// The category of a name: the first row that has it, or that has the beginning of it before
/// `.*`. Names in a row are separated by blanks.
pub(crate) fn category_of(name: &str, table: &[(Category, &str)]) -> Category {
    let fits = |known: &str| match known.strip_suffix(".*") {
        Some(beginning) => {
            let rest = name.strip_prefix(beginning);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }
        None => known == name,
    };
    let row = table.iter().find(|(_, names)| names.split_ascii_whitespace().any(fits));
    row.map_or(Category::Unknown, |(category, _)| *category)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_that_fits_counts() {
        let table = [(Category::Conflict, "A.B A.C"), (Category::Argument, "A.* B")];
        for (name, category) in [
            ("A.C", Category::Conflict),
            ("A.D", Category::Argument),
            ("A", Category::Argument),
            ("B", Category::Argument),
            ("AB", Category::Unknown),
            ("B.C", Category::Unknown),
            ("", Category::Unknown),
        ] {
            assert_eq!(category_of(name, &table), category, "{name}");
        }
    }
}
