//! Questions to a person.

use std::io::{self, BufRead, IsTerminal, Write};

use keyfold::{Error, ErrorCode, SecretBytes};

use crate::fault::{self, Result};

/// Whether somebody is there to answer.
pub(crate) fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a confirmation; without a terminal nobody is asked.
///
/// # Errors
/// `cancelled` where the answer is no.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<()> {
    if yes || !is_attended() {
        return Ok(());
    }
    let mut stderr = io::stderr();
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Cancelled, "nothing was changed"))
}

/// Asks for a passphrase without showing it.
pub(crate) fn passphrase(prompt: &str) -> Result<SecretBytes> {
    if !is_attended() {
        return Err(fault::invalid(
            "there is no terminal to ask for the passphrase: set KEYFOLD_PASSPHRASE, or name a \
             file with --passphrase-file",
        ));
    }
    let answer = rpassword::prompt_password(prompt)?;
    Ok(SecretBytes::new(answer.into_bytes()))
}

/// Asks for a new passphrase, twice.
pub(crate) fn new_passphrase() -> Result<SecretBytes> {
    let first = passphrase("New passphrase: ")?;
    if first.is_empty() {
        return Err(fault::invalid("the passphrase is empty"));
    }
    if first != passphrase("Once more: ")? {
        return Err(fault::invalid("the two passphrases differ"));
    }
    Ok(first)
}
