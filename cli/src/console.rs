//! What is said to people or, with `--json`, to programs.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use keyfold::{Error, Retry};
use serde::Serialize;
use serde_json::{Value, json};

use crate::fault::{self, Result};

/// Answers go to standard output, errors and warnings to standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    pub(crate) json: bool,
}

impl Console {
    /// Prints an answer: one JSON value on one line, or the text.
    pub(crate) fn answer(self, value: &impl Serialize, text: impl Display) -> Result<()> {
        if !self.json {
            return print(text);
        }
        print(serde_json::to_string(value).map_err(|error| {
            Error::new(keyfold::ErrorCode::Internal, "an answer has no JSON form")
                .with_source(error)
        })?)
    }

    /// Prints a text for people; nothing with `--json`.
    pub(crate) fn note(self, text: impl Display) {
        if !self.json {
            // There is nowhere left to say that standard error is closed.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Prints an error.
    pub(crate) fn error(self, error: &Error) {
        let text = if self.json {
            error_json(error).to_string()
        } else {
            format!("keyfold: {} ({})", fault::words(error), error.code())
        };
        let _ = writeln!(io::stderr(), "{text}");
    }
}

fn print(text: impl Display) -> Result<()> {
    let mut text = text.to_string();
    if text.is_empty() {
        return Ok(());
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| fault::io("write to", Path::new("standard output"), error))
}

/// The form of errors with `--json`.
pub(crate) fn error_json(error: &Error) -> Value {
    let (retry, after) = match error.retry() {
        Retry::Never => ("never", None),
        Retry::Later(after) => ("later", after),
        Retry::AfterChange => ("after_change", None),
    };
    let mut fields = json!({
        "code": error.code().as_str(),
        "detail": fault::words(error),
        "retry": retry,
    });
    if let Some(after) = after {
        fields["retry_after_seconds"] = after.as_secs_f64().into();
    }
    json!({ "error": fields })
}
