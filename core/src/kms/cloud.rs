//! What the clouds share: one driver for every provider, names of keys, capabilities, records,
//! contexts, errors.
//!
//! A provider is configuration, a signer, requests and replies, a classifier of errors, and its
//! [`Capabilities`] as data; it stands in a module of its own beside this one, such as
//! [`tencent`](super::tencent). [`CloudKms`] drives any of them over a [`Transport`], and
//! [`connect`] puts around it what belongs around a KMS at the other end of a network.
//!
//! How a data key that a provider wrapped is kept is specified in `docs/spec/providers.md`. What they
//! share is in `docs/providers.md`; what each needs and offers is in its page, in `docs/providers`.

pub(crate) mod bearer;
mod capabilities;
mod connect;
pub(crate) mod context;
mod exchange;
pub(crate) mod fault;
mod operation;
mod places;
pub(crate) mod record;
mod site;
mod uri;

use std::sync::Arc;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::admin::{AdminRequest, AdminResponse, KmsAdmin};
use super::driver::Driver;
pub(crate) use super::wire::not_understood;
use super::{DataKeyReply, Kms, Request, Response};
use crate::clock::WallClock;
use crate::credentials::{Credentials, CredentialsProvider};
use crate::crypto::rng::Rng;
use crate::envelope::MAX_WRAPPED_LEN;
use crate::error::{Error, ErrorCode, Result};
use crate::keys::{DataKey, KeyUri, ProviderParams, WrappedKey};
use crate::maybe_send::{BoxFuture, MaybeSendSync};
use crate::sign::{KeySpec, PublicKey, SignatureAlgorithm, ecdsa_der_to_raw, ecdsa_raw_to_der};
use crate::transport::{HttpRequest, HttpResponse, Transport};

pub use capabilities::{Capabilities, Capability, ContextForm, Support, Unsupported};
pub use connect::{ConnectedCloud, SCHEMES, capabilities, config, connect};
pub use exchange::Service;
pub(crate) use exchange::{Ask, Stamp};
use fault::Fault;
pub use places::{Place, Places, check_places};
pub(crate) use site::Site;
pub use uri::CloudUri;

/// The longest ciphertext, in bytes: small data with all that a service adds to it.
const MAX_CIPHERTEXT: usize = 64 * 1024;

/// One cloud, as far as it differs from the others.
pub(crate) trait Provider: MaybeSendSync {
    fn capabilities(&self) -> &'static Capabilities;

    /// Where its services answer.
    fn site(&self) -> &Site;

    /// The HTTP request, signed.
    fn sign(&self, ask: &Ask, credentials: &Credentials, stamp: &Stamp) -> Result<HttpRequest>;

    /// What is wrong, where the answer is an error; `now` is for a pause that it asks for. An
    /// answer that is neither is left to whoever reads it.
    fn fault(&self, ask: &Ask, response: &HttpResponse, now: Duration) -> Option<Fault>;

    /// Performs a request that the capabilities allow.
    fn call<'a>(&'a self, link: Link<'a>, request: &'a Request) -> BoxFuture<'a, Result<Response>>;

    /// Performs a request of administration that the capabilities allow.
    fn administer<'a>(
        &'a self,
        link: Link<'a>,
        request: &'a AdminRequest,
    ) -> BoxFuture<'a, Result<AdminResponse>>;
}

/// What a provider's operations send by.
#[derive(Clone, Copy)]
pub(crate) struct Link<'a> {
    provider: &'a dyn Provider,
    driver: &'a Driver<Arc<dyn Transport>>,
    pub(crate) rng: &'a dyn Rng,
}

impl Link<'_> {
    /// Our own clock, since 1970.
    pub(crate) fn now(self) -> Duration {
        self.driver.now()
    }

    /// Sends and takes the answer; the service's error in the inner place, for an operation that
    /// knows what to do next.
    pub(crate) async fn try_ask(self, ask: Ask) -> Result<Result<HttpResponse, Fault>> {
        let mut exchange = exchange::Exchange::new(self.provider, self.rng, ask);
        self.driver.drive(&mut exchange).await?;
        exchange.outcome.ok_or_else(not_understood)
    }

    /// Who calls, for what an answer is sealed under.
    pub(crate) async fn credentials(self) -> Result<Arc<Credentials>> {
        self.driver.current_credentials().await
    }

    /// Sends and takes the answer.
    pub(crate) async fn ask(self, ask: Ask) -> Result<HttpResponse> {
        let of_secret = ask.service == Service::Secrets;
        self.try_ask(ask).await?.map_err(|fault| fault.into_error(of_secret))
    }
}

/// The configuration of any cloud; made of one cloud's own.
///
/// ```
/// use keyfold::kms::cloud::CloudConfig;
/// use keyfold::kms::tencent::TencentConfig;
///
/// let config = CloudConfig::from(TencentConfig::new("ap-guangzhou")?);
/// assert_eq!(config.capabilities().scheme, "tencent");
/// assert_eq!(config.uri(), "tencent://ap-guangzhou");
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct CloudConfig(Box<dyn Provider>);

impl CloudConfig {
    pub(crate) fn of(provider: impl Provider + 'static) -> Self {
        CloudConfig(Box::new(provider))
    }

    /// What the provider can.
    pub fn capabilities(&self) -> &'static Capabilities {
        self.0.capabilities()
    }

    /// The URI of the KMS; those of its keys go on with `/`.
    pub fn uri(&self) -> String {
        format!("{}://{}", self.0.capabilities().scheme, self.0.site().place())
    }
}

/// A KMS and password safe of any cloud over a [`Transport`].
///
/// It repeats nothing but what a wrong clock or ended credentials spoilt; [`connect`] puts around
/// it what does.
///
/// ```
/// use std::sync::Arc;
/// use keyfold::credentials::{Credentials, StaticCredentials};
/// use keyfold::kms::cloud::CloudKms;
/// use keyfold::kms::tencent::TencentConfig;
/// use keyfold::{Client, EncryptionContext, Keyring, SystemRng};
/// # use keyfold::maybe_send::BoxFuture;
/// # use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
/// # struct Http;
/// # impl Transport for Http {
/// #     fn send(&self, _: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
/// #         let body = format!(
/// #             r#"{{"Response":{{"KeyId":"23e8","Plaintext":"{}=","CiphertextBlob":"AQID"}}}}"#,
/// #             "A".repeat(43)
/// #         );
/// #         let answer = HttpResponse { status: 200, headers: vec![], body: body.into_bytes() };
/// #         Box::pin(async { Ok(answer) })
/// #     }
/// # }
/// # struct HostTime;
/// # impl keyfold::WallClock for HostTime {
/// #     fn unix_time(&self) -> std::time::Duration { std::time::Duration::from_secs(1 << 30) }
/// # }
///
/// let secret = b"EXAMPLEsecretKEYexampleSECRET001".to_vec().into();
/// let key = Credentials::access_key("AKIDEXAMPLEexampleEXAMPLEexample0001", &secret, None)?;
/// let credentials = Arc::new(StaticCredentials::new(key));
/// let config = TencentConfig::new("ap-guangzhou")?;
/// let kms = CloudKms::new(config, Arc::new(Http), HostTime, credentials, SystemRng);
///
/// # pollster::block_on(async {
/// let kf = Client::new(kms);
/// let ring = Keyring::generate_with("tencent://ap-guangzhou/23e8".parse()?);
/// let context = EncryptionContext::from([("tenant", "acme")]);
/// let sealed = kf.encrypt(b"hello", &ring, &context).await?;
/// # assert_eq!(kf.decrypt(&sealed, &ring, &context).await?, b"hello");
/// # Ok::<(), keyfold::Error>(())
/// # })?;
/// # Ok::<(), keyfold::Error>(())
/// ```
pub struct CloudKms {
    config: CloudConfig,
    driver: Driver<Arc<dyn Transport>>,
    rng: Box<dyn Rng>,
}

impl CloudKms {
    /// A KMS behind `transport`; `credentials` are asked for each request, `rng` gives what is
    /// used once in a signature, and the data keys of providers that make none.
    pub fn new(
        config: impl Into<CloudConfig>,
        transport: Arc<dyn Transport>,
        clock: impl WallClock + 'static,
        credentials: Arc<dyn CredentialsProvider>,
        rng: impl Rng + 'static,
    ) -> Self {
        let driver = Driver::new(transport, clock, credentials);
        CloudKms { config: config.into(), driver, rng: Box::new(rng) }
    }

    /// Which cloud, and where.
    pub fn config(&self) -> &CloudConfig {
        &self.config
    }

    fn link(&self) -> Link<'_> {
        Link { provider: &*self.config.0, driver: &self.driver, rng: &*self.rng }
    }
}

impl Kms for CloudKms {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response>> {
        Box::pin(async move {
            let capabilities = self.config.capabilities();
            capabilities.check(Capability::of(request))?;
            let too_long = match request {
                Request::Encrypt { plaintext, .. } => plaintext.len() > capabilities.max_plaintext,
                Request::PutSecret { value, .. } => value.len() > capabilities.max_secret,
                _ => false,
            };
            if too_long {
                return Err(Error::limit("the value is longer than this service takes"));
            }
            let answer = self.config.0.call(self.link(), request).await?;
            match &answer {
                Response::DataKey { wrapped, .. } | Response::Wrapped(wrapped)
                    if wrapped.ciphertext.len() > MAX_WRAPPED_LEN =>
                {
                    Err(not_understood())
                }
                _ => Ok(answer),
            }
        })
    }
}

impl KmsAdmin for CloudKms {
    fn administer<'a>(&'a self, request: &'a AdminRequest) -> BoxFuture<'a, Result<AdminResponse>> {
        Box::pin(async move {
            let capabilities = self.config.capabilities();
            capabilities.check(Capability::of_admin(request))?;
            if let AdminRequest::ScheduleKeyDeletion { days, .. } = request {
                let (least, most) = capabilities.key_deletion_days;
                if !(least..=most).contains(days) {
                    let detail = format!("the waiting period is {least} to {most} days");
                    return Err(Error::invalid(detail));
                }
            }
            self.config.0.administer(self.link(), request).await
        })
    }
}

/// The provider's name of a key.
///
/// # Errors
/// `invalid_argument` for a key of another KMS.
pub(crate) fn name_of<'k>(provider: &dyn Provider, key: &'k KeyUri) -> Result<&'k str> {
    let uri = CloudUri::parse(key.as_str())?;
    let ours =
        uri.scheme() == provider.capabilities().scheme && uri.place() == provider.site().place();
    match uri.name() {
        Some(name) if ours => Ok(name),
        _ => Err(Error::invalid("the key is of another KMS than the one that is asked")),
    }
}

/// The URI of a key that the provider has named.
pub(crate) fn uri_of(provider: &dyn Provider, name: &str) -> Result<KeyUri> {
    CloudUri::of_key(provider.capabilities().scheme, provider.site().place(), name)
}

/// What goes into the envelope, or into the record of small data.
///
/// # Errors
/// `kms_protocol` for a ciphertext of a length that no service makes.
pub(crate) fn wrapped(key: KeyUri, params: ProviderParams, text: &str) -> Result<WrappedKey> {
    if text.is_empty() || text.len() > MAX_CIPHERTEXT {
        return Err(not_understood());
    }
    Ok(WrappedKey { key, params, ciphertext: text.as_bytes().to_vec() })
}

/// A provider's ciphertext text, as a record has it.
///
/// # Errors
/// `authentication_failed` where it is no printable ASCII: no provider made it.
pub(crate) fn ciphertext_text(ciphertext: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(ciphertext).map_err(|_| Error::authentication())?;
    let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if printable { Ok(text) } else { Err(Error::authentication()) }
}

/// A data key that the service made, or one that it unwrapped: of another length, the first is a
/// wrong answer and the second is something else that was encrypted under this key.
pub(crate) fn data_key(bytes: Vec<u8>, made: bool) -> Result<DataKeyReply> {
    let mut bytes = Zeroizing::new(bytes);
    DataKey::take(&mut bytes).map(DataKeyReply).map_err(|_| {
        let detail = "the KMS made a data key of another length";
        if made { Error::new(ErrorCode::KmsProtocol, detail) } else { Error::authentication() }
    })
}

/// The public key that a data key is to be sealed to.
///
/// # Errors
/// `invalid_argument` unless it is one of RSA with 2048 bits.
pub(crate) fn recipient(spki: &[u8]) -> Result<PublicKey> {
    let key = PublicKey::from_spki_der(spki).ok().filter(|key| key.spec() == KeySpec::Rsa2048);
    key.ok_or_else(|| Error::invalid("a data key is sealed to a public key of RSA with 2048 bits"))
}

/// The algorithm that it is sealed by.
pub(crate) const SEALED_BY: &str = "RSAES_OAEP_SHA_256";

/// The service says which key decrypted: it is the one that was demanded.
///
/// # Errors
/// `authentication_failed` for another one, as if it had not decrypted.
pub(crate) fn demand_key(answered: &str, demanded: Option<&str>) -> Result<()> {
    match demanded {
        Some(demanded) if demanded != answered => Err(Error::authentication()),
        _ => Ok(()),
    }
}

/// An ECDSA signature in DER, whichever of its two forms the service writes; any other as it is.
///
/// # Errors
/// `kms_protocol` for an ECDSA signature of neither form.
pub(crate) fn der_signature(algorithm: SignatureAlgorithm, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let spec = match algorithm {
        SignatureAlgorithm::EcdsaSha256 => KeySpec::EccNistP256,
        SignatureAlgorithm::EcdsaSha384 => KeySpec::EccNistP384,
        SignatureAlgorithm::EcdsaSha512 => KeySpec::EccNistP521,
        _ => return Ok(bytes),
    };
    // The lengths of raw signatures: one of DER has another, or begins with its tag and length.
    if ecdsa_der_to_raw(spec, &bytes).is_ok() {
        return Ok(bytes);
    }
    ecdsa_raw_to_der(spec, &bytes).map_err(|_| not_understood())
}

/// A public key as SubjectPublicKeyInfo in DER, out of PEM or of Base64.
///
/// # Errors
/// `kms_protocol` for anything else.
pub(crate) fn spki(text: &str) -> Result<Vec<u8>> {
    let text = text.trim();
    let (begin, end) = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----");
    let inside = match text.strip_prefix(begin) {
        Some(rest) => rest.strip_suffix(end).ok_or_else(not_understood)?,
        None => text,
    };
    let digits: String = inside.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let der = Base64::decode_vec(&digits).map_err(|_| not_understood())?;
    if der.first() == Some(&0x30) { Ok(der) } else { Err(not_understood()) }
}

/// # Errors
/// `invalid_argument` for a name of a secret that the service does not take: 1 to `max` letters,
/// digits and characters of `others`.
pub(crate) fn check_secret_name(name: &str, max: usize, others: &[u8]) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
    if (1..=max).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let others = String::from_utf8_lossy(others);
    Err(Error::invalid(format!(
        "the name of a secret has 1 to {max} letters, digits and characters of {others} here"
    )))
}

/// A signature does not hold.
pub(crate) fn bad_signature() -> Error {
    Error::new(ErrorCode::SignatureInvalid, "the signature does not hold")
}
