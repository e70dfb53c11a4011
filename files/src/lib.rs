//! Envelopes in files, for hosts that have files: the command line and the bindings.
//!
//! The core opens no file. Here are the loops that move one through it in batches, and a file
//! that appears under its name only when it is complete.
//!
//! ```
//! use keyfold::{Client, EncryptionContext, Keyring, SealOptions};
//! use keyfold_files::{Options, Pace, PartFile, pump};
//! # use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};
//! # pollster::block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let kms = EmbeddedKms::in_memory()?;
//! # let docs = kms.create_key("alias/docs", SymmetricDefault)?;
//! # let (kf, ring) = (Client::new(kms), Keyring::generate_with(docs));
//! # let context = EncryptionContext::new();
//! let path = folder.path().join("report.kf");
//! let mut input = &b"figures"[..];
//! let mut output = PartFile::create(&path, Options::default())?;
//!
//! let sealer = kf.sealer(&ring, &context, &SealOptions::default()).await?;
//! std::io::Write::write_all(&mut output, sealer.header())?;
//! let batch = Pace::new(1, Some(7))?.batch;
//! pump::seal(sealer, batch, &mut input, &mut output, &mut |_| Ok(()))?;
//! assert!(!path.exists());
//! output.commit()?;
//! assert!(path.exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod part;
pub mod pump;
pub mod whole;

pub use part::{Options, PartFile, follow, is_same};
pub use pump::Pace;
