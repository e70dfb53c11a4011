//! Exit codes: one for each class of errors. The table for users is in `docs/cli.md`; a test
//! compares the two.

use keyfold::ErrorCode;

/// The reader of our output has gone, as a shell reports a death by SIGPIPE.
pub(crate) const BROKEN_PIPE: u8 = 141;
/// Interrupted, as a shell reports a death by SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;
/// A wrong command line; the same as `invalid_argument`.
pub(crate) const USAGE: u8 = 2;

/// The exit code of an error.
pub(crate) fn code(code: ErrorCode) -> u8 {
    use ErrorCode as E;
    match code {
        E::InvalidArgument => USAGE,
        E::Io => 3,
        E::MalformedEnvelope
        | E::UnsupportedVersion
        | E::UnsupportedSuite
        | E::LimitExceeded
        | E::Truncated => 4,
        E::ContextMismatch | E::AuthenticationFailed => 5,
        E::SignatureInvalid => 6,
        E::NoUsableKey | E::KmsDenied | E::KmsKeyUnavailable => 7,
        E::KmsThrottled | E::KmsUnavailable | E::KmsProtocol => 8,
        E::SecretNotFound => 9,
        E::VersionConflict => 10,
        E::Cancelled => INTERRUPTED,
        // `internal`, and codes that a later core may add.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_code_with_its_exit_code() {
        let document = include_str!("../../docs/cli.md");
        for error in ErrorCode::ALL {
            let name = format!("`{error}`");
            let row = format!("| {} |", code(*error));
            assert!(
                document.lines().any(|line| line.starts_with(&row) && line.contains(&name)),
                "docs/cli.md lacks {error} in the row of exit code {}",
                code(*error)
            );
        }
    }
}
