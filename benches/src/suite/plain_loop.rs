//! What a program with no format would do: read 1 MiB, encrypt it with aws-lc-rs, write it.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const PIECE: usize = 1 << 20;
const TAG: usize = 16;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Open what the loop has sealed.
    #[arg(long)]
    decrypt: bool,
    from: PathBuf,
    to: PathBuf,
}

/// Runs the loop over a file.
pub(crate) fn run(args: &Args) -> Result<()> {
    let bad = |_| anyhow!("the cipher refused");
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(bad)?);
    let (mut from, mut to) = (File::open(&args.from)?, File::create(&args.to)?);
    let mut buffer = vec![0; PIECE + TAG];
    let piece = if args.decrypt { PIECE + TAG } else { PIECE };
    for number in 0_u32.. {
        let len = read_full(&mut from, &mut buffer[..piece])?;
        if len == 0 {
            break;
        }
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        if args.decrypt {
            let plain = key.open_in_place(nonce, Aad::empty(), &mut buffer[..len]).map_err(bad)?;
            to.write_all(plain)?;
        } else {
            let (data, rest) = buffer.split_at_mut(len);
            let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), data).map_err(bad)?;
            rest[..TAG].copy_from_slice(tag.as_ref());
            to.write_all(&buffer[..len + TAG])?;
        }
    }
    Ok(())
}

fn read_full(from: &mut File, buffer: &mut [u8]) -> Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match from.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(len)
}
