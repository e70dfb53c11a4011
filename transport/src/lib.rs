//! The native network of keyfold: HTTP behind the core's one-method
//! [`Transport`](keyfold::Transport), the system's clock, and credentials from files and the
//! environment. Without its feature `http` there are the credentials alone, over any [`Network`].
//!
//! ```no_run
//! use keyfold::{Client, EncryptionContext, Keyring};
//! use keyfold_transport::{Environment, HttpOptions, HttpTransport, RemoteOptions, connect};
//!
//! let transport = HttpTransport::new(&HttpOptions::default())?;
//! let credentials = keyfold_transport::keyfold_credentials(&Environment::of_process())?;
//! let credentials = credentials.expect("KEYFOLD_TOKEN or an access key");
//! let options = RemoteOptions::default();
//! let kms = connect("keyfold://kms.example.com", credentials, transport, &options)?;
//! let kf = Client::new(kms);
//! # let ring = Keyring::generate_with("keyfold:alias/docs".parse()?);
//! # let context = EncryptionContext::new();
//! // No runtime is needed: any executor will do.
//! let sealed = pollster::block_on(kf.encrypt(b"hello", &ring, &context))?;
//! # Ok::<(), keyfold::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]

#[cfg(feature = "http")]
mod clock;
mod cloud_credentials;
mod cloud_login;
mod credentials;
#[cfg(feature = "http")]
mod http;
mod network;
#[cfg(feature = "http")]
mod remote;
#[cfg(feature = "http")]
mod tls;
#[cfg(feature = "http")]
mod worker;

#[cfg(feature = "http")]
pub use clock::SystemClock;
pub use cloud_credentials::{CloudChoice, cloud_credentials, complete_place};
pub use credentials::{Environment, FileToken, aws_credentials, keyfold_credentials};
#[cfg(feature = "http")]
pub use http::{HttpOptions, HttpTransport, Proxy};
pub use network::Network;
#[cfg(feature = "http")]
pub use remote::{RemoteKms, RemoteOptions, connect, connect_cloud, connect_over};

/// The examples in the README, run as tests: here, where everything that they use is at hand.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
