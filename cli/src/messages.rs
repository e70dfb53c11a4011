//! Messages to sign and verify: hashed as they are read, or held where the algorithm demands it.

use keyfold::sign::{MessageHasher, SignatureAlgorithm};
use keyfold_files::pump::read_full;
use zeroize::Zeroizing;

use crate::console::Console;
use crate::fault::{self, Result};
use crate::input::Input;
use crate::progress::Progress;

/// A message as an algorithm takes it.
pub(crate) enum Message {
    Digest(Vec<u8>),
    /// Pure Ed25519 has no digest.
    Whole(Zeroizing<Vec<u8>>),
}

impl Message {
    /// Reads the input to its end; `limit` is the longest whole message, in bytes.
    pub(crate) fn read(
        mut input: Input,
        algorithm: SignatureAlgorithm,
        limit: usize,
        console: Console,
    ) -> Result<Self> {
        if algorithm.digest_len().is_none() {
            let what = format!("a message for {algorithm}, which cannot be signed piece by piece,");
            return input.read_all(limit, &what).map(Message::Whole);
        }
        let progress = Progress::new(console, input.len());
        let mut hasher = MessageHasher::new(algorithm)?;
        let mut buffer = Zeroizing::new(vec![0; 256 * 1024]);
        loop {
            let len = read_full(&mut input, &mut buffer)?;
            hasher.update(&buffer[..len]);
            progress.add(len);
            if len < buffer.len() {
                return Ok(Message::Digest(hasher.finish()));
            }
        }
    }
}

/// The two forms of an ECDSA signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// ASN.1 DER, as most libraries and every KMS write it
    Der,
    /// r and s one after the other, as JWS and WebCrypto write it
    Raw,
}

/// The longest signature that is read, in bytes: RSA-4096 has 512.
const MAX_SIGNATURE: usize = 6144;

/// Reads a signature.
pub(crate) fn signature(path: &std::path::Path) -> Result<Vec<u8>> {
    let bytes = Input::open(path)?.read_all(MAX_SIGNATURE, "a signature")?;
    if bytes.is_empty() {
        let detail = format!("{} is empty: it holds no signature", path.display());
        return Err(keyfold::Error::new(keyfold::ErrorCode::SignatureInvalid, detail));
    }
    Ok(bytes.to_vec())
}

/// Two inputs cannot both be standard input.
pub(crate) fn one_stdin(a: &std::path::Path, b: &std::path::Path) -> Result<()> {
    if crate::input::is_dash(a) && crate::input::is_dash(b) {
        return Err(fault::invalid("only one input can be standard input"));
    }
    Ok(())
}
