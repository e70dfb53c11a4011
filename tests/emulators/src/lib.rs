//! The key management services of the clouds, on this machine: each speaks its vendor's protocol,
//! checks its vendor's signatures, and is proven by its vendor's own kit (`sdk/`). Behind all of
//! them is keyfold's one engine; they differ in wire and signing only.
//!
//! They are written from the vendors' documents and share no code with the providers that are
//! tested against them.
//!
//! ```
//! use keyfold_emulators::{Emulator, Options, Provider};
//!
//! let cloud = Emulator::start(Provider::Tencent, Options::default())?;
//! let url = cloud.url(); // http://127.0.0.1:…
//! cloud.throttle(2); // the next two calls are refused
//! assert!(url.starts_with("http://127.0.0.1:") && cloud.calls().is_empty());
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(clippy::too_many_lines, reason = "one match over the operations of a service")]

mod alibaba;
mod azure;
mod backend;
mod clock;
mod encoding;
mod google;
mod host;
mod huawei;
mod jwt;
mod keys;
mod pingan;
mod secrets;
mod spki;
mod tencent;
mod vault;
#[cfg(test)]
mod vectors;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use host::{Host, Shared};

/// A cloud whose services are imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Tencent Cloud KMS and SSM.
    Tencent,
    /// Huawei Cloud DEW (KMS) and CSMS.
    Huawei,
    /// Alibaba Cloud KMS with its secrets.
    Alibaba,
    /// HashiCorp Vault and OpenBao: Transit, KV version 2, logins.
    Vault,
    /// Google Cloud KMS and Secret Manager, over REST, with the endpoints of tokens.
    Google,
    /// Azure Key Vault: keys, secrets, and the endpoints of tokens.
    Azure,
    /// Ping An Cloud KMS and its password safe.
    PingAn,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Provider; 7] = [
        Provider::Tencent,
        Provider::Huawei,
        Provider::Alibaba,
        Provider::Vault,
        Provider::Google,
        Provider::Azure,
        Provider::PingAn,
    ];

    /// Its name: `tencent`, `huawei`, `alibaba`, `google`, `azure`, `vault`, `pingan`.
    pub const fn name(self) -> &'static str {
        match self {
            Provider::Tencent => "tencent",
            Provider::PingAn => "pingan",
            Provider::Azure => "azure",
            Provider::Google => "google",
            Provider::Vault => "vault",
            Provider::Alibaba => "alibaba",
            Provider::Huawei => "huawei",
        }
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Provider::ALL.into_iter().find(|provider| provider.name() == name);
        found.ok_or_else(|| format!("no provider {name:?}"))
    }
}

/// How an emulator runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Serves TLS, with a certificate of its own for `127.0.0.1` and `localhost`
    /// ([`Emulator::certificate`]).
    pub tls: bool,
    /// How many seconds its clock is ahead of this machine's (negative: behind).
    pub clock_offset: i64,
    /// Huawei: speaks the older dialect, where the context is an object `encryption_context` and
    /// data keys have 512 bits.
    pub older_dialect: bool,
    /// Azure: is a Managed HSM, which has no secrets and wants tokens of its own.
    pub managed_hsm: bool,
}

/// A failure on demand, instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The vendor's own answer to whoever asks too often.
    Throttled,
    /// The vendor's own answer where it cannot work.
    Unavailable,
    /// Status 200 with a page of HTML, as a proxy that wants a login answers.
    Html,
    /// Status 302 to another address.
    Redirect,
    /// The right answer, cut in the middle of its body.
    Truncated,
    /// Status 200 and 64 MiB of JSON.
    Huge,
    /// The connection is closed without an answer.
    Closed,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Fault; 7] = [
        Fault::Throttled,
        Fault::Unavailable,
        Fault::Html,
        Fault::Redirect,
        Fault::Truncated,
        Fault::Huge,
        Fault::Closed,
    ];

    /// Its name at `/_emulator/fault?kind=…`.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Throttled => "throttled",
            Fault::Unavailable => "unavailable",
            Fault::Html => "html",
            Fault::Redirect => "redirect",
            Fault::Truncated => "truncated",
            Fault::Huge => "huge",
            Fault::Closed => "closed",
        }
    }
}

/// A service that runs in threads of its own until it is dropped.
pub struct Emulator {
    shared: Arc<Shared>,
    host: Host,
}

impl Emulator {
    /// Starts one on a free port of 127.0.0.1, with nothing in it.
    ///
    /// # Errors
    /// Where no port, thread or certificate can be had.
    pub fn start(provider: Provider, options: Options) -> io::Result<Self> {
        let (shared, host) = host::start(provider, &options)?;
        Ok(Emulator { shared, host })
    }

    /// `http://127.0.0.1:PORT`, or `https://…`; no slash at the end.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.host.address
    }

    /// The file of the certificate to trust, in PEM, where it serves TLS.
    pub fn certificate(&self) -> Option<PathBuf> {
        self.host.certificate.clone()
    }

    /// What a program that uses it needs to know, under the vendor's own names of environment
    /// variables: credentials, regions, projects; and `EMULATOR_URL`, `EMULATOR_CERTIFICATE`.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut variables = self.shared.protocol.environment(&self.shared.url);
        variables.insert("EMULATOR_URL".to_owned(), self.shared.url.clone());
        if let Some(certificate) = &self.host.certificate {
            variables.insert("EMULATOR_CERTIFICATE".to_owned(), certificate.display().to_string());
        }
        variables
    }

    /// How often each operation was called, whatever was answered, by the vendor's names; without
    /// the calls of this interface.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.control.lock().calls.clone()
    }

    /// [`Emulator::calls`], which then starts again at 0.
    pub fn take_calls(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.shared.control.lock().calls)
    }

    /// Query and body of the last request, with a line break between them.
    pub fn last_request(&self) -> String {
        String::from_utf8_lossy(&self.shared.control.lock().last).into_owned()
    }

    /// Every operation that it answers, by the vendor's names, as [`Emulator::calls`] counts them.
    pub fn operations(&self) -> Vec<String> {
        self.shared.protocol.operations()
    }

    /// Refuses the next calls as the vendor does to whoever asks too often.
    pub fn throttle(&self, times: u32) {
        self.fault(Fault::Throttled, times);
    }

    /// Answers the next calls with a fault.
    pub fn fault(&self, fault: Fault, times: u32) {
        self.shared.control.lock().faults = (times > 0).then_some((fault, times));
    }

    /// Sets its clock, in seconds ahead of this machine's.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.clock.set_offset(seconds);
    }

    /// Ends every token that it has given out; the next use of one is refused.
    pub fn expire_tokens(&self) {
        self.shared.protocol.expire_tokens();
    }
}
