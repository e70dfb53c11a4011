//! `keyfold provider check`: what can be tried at a real service without changing anything there.

use std::fmt::Write as _;
use std::time::Instant;

use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyState, KmsAdmin as _};
use keyfold::kms::cloud::{Capability, CloudUri, ConnectedCloud, ContextForm, Support};
use keyfold::kms::{Kms as _, Request, Response, SignInput};
use keyfold::sign::{MessageHasher, PublicKey, SignatureAlgorithm};
use keyfold::{
    DataKey, EncryptionContext, Error, ErrorCode, KeyUri, SecretBytes, SystemRng, WrappedKey,
};
use pollster::block_on;
use serde_json::{Value, json};

use crate::cloud::wrong_answer;
use crate::fault::{self, Result};
use crate::names::{self, KeyName};
use crate::session::Session;

/// Try at the real service what can be tried without changing anything, and show what differs
/// from what keyfold expects
///
/// Some twenty calls, which the service charges for and records. Exit code 0 says that everything
/// is as expected; otherwise it is that of the first error, or 8 where something else differs.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A key for data keys, SCHEME://PLACE/NAME; or a KMS, SCHEME://PLACE, of which less can be
    /// tried
    #[arg(value_name = "URI")]
    uri: String,
    /// A key there that signs; without it no signature is made
    #[arg(long, value_name = "KEY", value_parser = names::key)]
    signing_key: Option<KeyName>,
    /// A secret there to read; its value is not shown
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
}

/// What one trial shows.
enum Finding {
    /// As expected; perhaps with a remark.
    Same(Option<String>),
    /// The service does something else.
    Differs(String),
    /// It does not do it.
    Failed(Error),
    /// The provider does not have it, as is known.
    Absent,
}

/// A trial goes wrong by an error, or by an answer that differs.
type Trial<T> = Result<T, Finding>;

impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        Finding::Failed(error)
    }
}

struct Row {
    what: String,
    finding: Finding,
    millis: u128,
}

struct Checks<'a> {
    cloud: &'a ConnectedCloud,
    rows: Vec<Row>,
    /// The kind of the key, where the service has told it.
    spec: Option<String>,
}

pub(crate) fn run(session: &Session, args: &Args) -> Result<()> {
    let uri = CloudUri::parse(&args.uri)?;
    let kms = format!("{}://{}", uri.scheme(), uri.place());
    let cloud = session.cloud(&kms)?;
    let mut checks = Checks { cloud: &cloud, rows: Vec::new(), spec: None };
    let key = uri.name().map(|_| KeyUri::new(args.uri.clone())).transpose()?;
    checks.lists(key.as_ref());
    if let Some(key) = &key {
        checks.data_keys(key);
        checks.small_data(key);
    }
    if let Some(key) = &args.signing_key {
        checks.signatures(&session.uri(key)?);
    }
    if let Some(name) = &args.secret {
        checks.secret(name);
    }
    checks.report(session, &kms)
}

/// The context of the trials. It appears in the service's audit log.
fn context() -> EncryptionContext {
    EncryptionContext::from([("keyfold", "provider check"), ("text", "\u{fc}\u{4e2d}\"\\")])
}

fn other() -> EncryptionContext {
    EncryptionContext::from([("keyfold", "another context")])
}

/// Refused, and as what was changed must be.
fn refused<T>(answer: Result<T>, what: &str) -> Trial<()> {
    match answer {
        Ok(_) => Err(Finding::Differs(format!("it opens {what}"))),
        Err(error) if error.code() == ErrorCode::AuthenticationFailed => Ok(()),
        Err(error) => Err(Finding::Differs(format!(
            "it is refused as {} and not as authentication_failed: {}",
            error.code(),
            fault::words(&error)
        ))),
    }
}

fn same(fits: bool, otherwise: &str) -> Trial<()> {
    if fits { Ok(()) } else { Err(Finding::Differs(otherwise.to_owned())) }
}

impl Checks<'_> {
    fn has(&self, capability: Capability) -> bool {
        self.cloud.kms().config().capabilities().support(capability) != Support::Absent
    }

    /// Tries something that the provider may lack; the value of a trial that went well.
    fn try_out<T>(
        &mut self,
        what: impl Into<String>,
        capability: Capability,
        trial: impl FnOnce(&Self) -> Trial<(T, Option<String>)>,
    ) -> Option<T> {
        let started = Instant::now();
        let (value, finding) = if self.has(capability) {
            match trial(self) {
                Ok((value, remark)) => (Some(value), Finding::Same(remark)),
                Err(finding) => (None, finding),
            }
        } else {
            (None, Finding::Absent)
        };
        let millis = started.elapsed().as_millis();
        self.rows.push(Row { what: what.into(), finding, millis });
        value
    }

    fn call(&self, request: &Request) -> Result<Response> {
        block_on(self.cloud.call(request))
    }

    fn administer(&self, request: &AdminRequest) -> Result<AdminResponse> {
        block_on(self.cloud.administer(request))
    }

    fn lists(&mut self, key: Option<&KeyUri>) {
        let mut full_name = None;
        if let Some(key) = key {
            let described = self.try_out("describe key", Capability::DescribeKey, |checks| {
                let request = AdminRequest::DescribeKey { key: key.clone() };
                let AdminResponse::Key(info) = checks.administer(&request)? else {
                    return Err(wrong_answer().into());
                };
                let spec = info.spec().map(str::to_owned);
                let state = info.state.map_or("in no known state", KeyState::as_str);
                let kind = spec.as_deref().unwrap_or("of no known spec");
                let remark = format!("{}, {kind}, {state}", info.key);
                Ok(((info.key.clone(), spec), Some(remark)))
            });
            if let Some((name, spec)) = described {
                (full_name, self.spec) = (Some(name), spec);
            }
            let described = full_name.clone();
            self.try_out("resolve key", Capability::ResolveKey, |checks| {
                let request = Request::ResolveKey { key: key.clone() };
                let Response::Key(name) = checks.call(&request)? else {
                    return Err(wrong_answer().into());
                };
                let equal = described.is_none_or(|described| described == name);
                same(equal, &format!("it is {name} here, and another name where it is described"))?;
                Ok(((), None))
            });
            self.try_out("get rotation", Capability::GetRotation, |checks| {
                let request = AdminRequest::GetRotation { key: key.clone() };
                match checks.administer(&request)? {
                    AdminResponse::Rotation { on, .. } => {
                        Ok(((), Some(if on { "on" } else { "off" }.to_owned())))
                    }
                    _ => Err(wrong_answer().into()),
                }
            });
        }
        self.try_out("list keys", Capability::ListKeys, |checks| {
            let (mut page, mut count, mut found) = (None, 0, full_name.is_none());
            loop {
                let request = AdminRequest::ListKeys { page };
                let AdminResponse::Keys { keys, next } = checks.administer(&request)? else {
                    return Err(wrong_answer().into());
                };
                count += keys.len();
                found |= keys.iter().any(|info| Some(&info.key) == full_name.as_ref());
                page = next;
                if page.is_none() {
                    break;
                }
            }
            same(found, &format!("the key is not among the {count} that are listed"))?;
            Ok(((), Some(format!("{count} keys"))))
        });
        self.try_out("list secrets", Capability::ListSecrets, |checks| {
            match checks.administer(&AdminRequest::ListSecrets { page: None })? {
                AdminResponse::Secrets { secrets, next } => {
                    let more = if next.is_some() { "more than " } else { "" };
                    Ok(((), Some(format!("{more}{} secrets", secrets.len()))))
                }
                _ => Err(wrong_answer().into()),
            }
        });
        self.try_out("random", Capability::Random, |checks| {
            match checks.administer(&AdminRequest::Random { len: 32 })? {
                AdminResponse::Random(bytes) => {
                    same(bytes.len() == 32, "it has another length")?;
                    Ok(((), None))
                }
                _ => Err(wrong_answer().into()),
            }
        });
    }

    fn unwrap(&self, wrapped: &WrappedKey, context: EncryptionContext) -> Result<DataKey> {
        let request = Request::Unwrap { wrapped: wrapped.clone(), context, key: None };
        match self.call(&request)? {
            Response::Unwrapped(key) => Ok(key.0),
            _ => Err(wrong_answer()),
        }
    }

    /// What is wrapped opens to this data key.
    fn opens(&self, wrapped: &WrappedKey, context: EncryptionContext, key: &DataKey) -> Trial<()> {
        let opened = self.unwrap(wrapped, context)?;
        same(opened.expose() == key.expose(), "it opens to another data key")
    }

    fn data_keys(&mut self, key: &KeyUri) {
        let form = self.cloud.kms().config().capabilities().context;
        let generate = |checks: &Self, context: EncryptionContext| -> Trial<_> {
            let request = Request::GenerateDataKey { key: key.clone(), context };
            match checks.call(&request)? {
                Response::DataKey { data_key, wrapped } => Ok((data_key.0, wrapped)),
                _ => Err(wrong_answer().into()),
            }
        };
        let made = self.try_out("generate data key", Capability::GenerateDataKey, |checks| {
            let made = generate(checks, context())?;
            let remark = format!("a wrapped key of {} bytes", made.1.ciphertext.len());
            Ok((made, Some(remark)))
        });
        if let Some((data_key, wrapped)) = &made {
            self.try_out("unwrap", Capability::Unwrap, |checks| {
                checks.opens(wrapped, context(), data_key)?;
                Ok(((), None))
            });
            if form != ContextForm::Never {
                self.try_out("unwrap under another context", Capability::Unwrap, |checks| {
                    refused(checks.unwrap(wrapped, other()), "under another context")?;
                    refused(checks.unwrap(wrapped, EncryptionContext::new()), "without a context")?;
                    Ok(((), Some("refused".to_owned())))
                });
            }
            self.try_out("unwrap what was altered", Capability::Unwrap, |checks| {
                let mut altered = wrapped.clone();
                // Within its alphabet, so that it is the service that refuses.
                let middle = altered.ciphertext.len() / 2;
                let byte = &mut altered.ciphertext[middle];
                *byte = if *byte == b'0' { b'1' } else { b'0' };
                refused(checks.unwrap(&altered, context()), "what was altered")?;
                Ok(((), Some("refused".to_owned())))
            });
            self.try_out("rewrap", Capability::Rewrap, |checks| {
                let request = Request::Rewrap {
                    wrapped: wrapped.clone(),
                    context: context(),
                    key: None,
                    to: key.clone(),
                };
                let Response::Wrapped(again) = checks.call(&request)? else {
                    return Err(wrong_answer().into());
                };
                checks.opens(&again, context(), data_key)?;
                Ok(((), None))
            });
        }
        self.try_out("data key without a context", Capability::GenerateDataKey, |checks| {
            let (data_key, wrapped) = generate(checks, EncryptionContext::new())?;
            checks.opens(&wrapped, EncryptionContext::new(), &data_key)?;
            Ok(((), None))
        });
        if let ContextForm::Text { max } = form {
            self.try_out("data key with a long context", Capability::GenerateDataKey, |checks| {
                let long = EncryptionContext::from([("long", "x".repeat(max).as_str())]);
                let (data_key, wrapped) = generate(checks, long.clone())?;
                checks.opens(&wrapped, long, &data_key)?;
                Ok(((), Some("as a digest".to_owned())))
            });
        }
        self.try_out("wrap", Capability::Wrap, |checks| {
            let data_key = DataKey::make(&SystemRng)?;
            let request = Request::Wrap {
                key: key.clone(),
                data_key: SecretBytes::from(data_key.expose().as_slice()),
                context: context(),
            };
            let Response::Wrapped(wrapped) = checks.call(&request)? else {
                return Err(wrong_answer().into());
            };
            checks.opens(&wrapped, context(), &data_key)?;
            Ok(((), None))
        });
    }

    fn small_data(&mut self, key: &KeyUri) {
        let capabilities = self.cloud.kms().config().capabilities();
        let bound = capabilities.context != ContextForm::Never;
        let bind = || if bound { context() } else { EncryptionContext::new() };
        let encrypt = |checks: &Self, plaintext: &[u8]| -> Trial<_> {
            let request =
                Request::Encrypt { key: key.clone(), plaintext: plaintext.into(), context: bind() };
            match checks.call(&request)? {
                Response::Ciphertext { ciphertext, .. } => Ok(ciphertext),
                _ => Err(wrong_answer().into()),
            }
        };
        let decrypt = |checks: &Self, ciphertext: &[u8], context| {
            let ciphertext = ciphertext.to_vec();
            match checks.call(&Request::Decrypt { key: Some(key.clone()), ciphertext, context })? {
                Response::Plaintext { plaintext, .. } => Ok(plaintext),
                _ => Err(wrong_answer()),
            }
        };
        let sealed = self.try_out("encrypt", Capability::Encrypt, |checks| {
            Ok((encrypt(checks, b"keyfold provider check")?, None))
        });
        if let Some(sealed) = &sealed {
            self.try_out("decrypt", Capability::Decrypt, |checks| {
                let opened = decrypt(checks, sealed, bind())?;
                same(opened.expose() == b"keyfold provider check", "it opens to something else")?;
                Ok(((), None))
            });
            if bound {
                self.try_out("decrypt under another context", Capability::Decrypt, |checks| {
                    refused(decrypt(checks, sealed, other()), "under another context")?;
                    Ok(((), Some("refused".to_owned())))
                });
            }
        }
        // An RSA key takes as much as is left of it by OAEP with SHA-256.
        let bits = self.spec.as_deref().and_then(|spec| spec.strip_prefix("RSA_")?.parse().ok());
        let longest = bits.map_or(usize::MAX, |bits: usize| (bits / 8).saturating_sub(66));
        let longest = longest.min(capabilities.max_plaintext);
        self.try_out(format!("encrypt {longest} bytes"), Capability::Encrypt, |checks| {
            let plaintext = vec![0x5a; longest];
            let sealed = encrypt(checks, &plaintext)?;
            let opened = decrypt(checks, &sealed, bind())?;
            same(opened.expose() == plaintext, "it opens to something else")?;
            Ok(((), None))
        });
    }

    fn signatures(&mut self, key: &KeyUri) {
        const MESSAGE: &[u8] = b"keyfold provider check";
        let public = self.try_out("get public key", Capability::GetPublicKey, |checks| {
            let request = Request::GetPublicKey { key: key.clone() };
            let Response::PublicKey { spki, .. } = checks.call(&request)? else {
                return Err(wrong_answer().into());
            };
            let public = PublicKey::from_spki_der(&spki)?;
            let remark = public.spec().to_string();
            Ok((public, Some(remark)))
        });
        let Some(public) = public else { return };
        for algorithm in public.spec().algorithms() {
            let digest = |message: &[u8]| {
                let mut hasher = MessageHasher::new(*algorithm).ok()?;
                hasher.update(message);
                Some(hasher.finish())
            };
            let mut inputs =
                vec![(Capability::SignMessage, "message", SignInput::Message(MESSAGE.to_vec()))];
            let of_digest = |digest| (Capability::SignDigest, "digest", SignInput::Digest(digest));
            inputs.extend(digest(MESSAGE).map(of_digest));
            for (capability, what, input) in inputs {
                self.signature(key, &public, *algorithm, (capability, what), &input);
            }
        }
    }

    fn signature(
        &mut self,
        key: &KeyUri,
        public: &PublicKey,
        algorithm: SignatureAlgorithm,
        (capability, what): (Capability, &str),
        input: &SignInput,
    ) {
        let signed = self.try_out(format!("sign a {what}, {algorithm}"), capability, |checks| {
            let request = Request::Sign { key: key.clone(), algorithm, input: input.clone() };
            let Response::Signature(signature) = checks.call(&request)? else {
                return Err(wrong_answer().into());
            };
            let verified = input.verify(public, algorithm, &signature);
            same(verified.is_ok(), "the signature does not hold under the public key")?;
            Ok((signature, None))
        });
        let Some(signature) = signed else { return };
        self.try_out(format!("verify a {what}, {algorithm}"), Capability::Verify, |checks| {
            let verify = |input: SignInput| {
                let (key, signature) = (key.clone(), signature.clone());
                checks.call(&Request::Verify { key, algorithm, input, signature })
            };
            verify(input.clone())?;
            let wrong = match input {
                SignInput::Message(_) => SignInput::Message(b"another message".to_vec()),
                SignInput::Digest(digest) => SignInput::Digest(vec![0x5a; digest.len()]),
            };
            match verify(wrong) {
                Ok(_) => Err(Finding::Differs("a wrong signature holds".to_owned())),
                Err(error) if error.code() == ErrorCode::SignatureInvalid => Ok(((), None)),
                Err(error) => Err(Finding::Differs(format!(
                    "a wrong signature is refused as {} and not as signature_invalid: {}",
                    error.code(),
                    fault::words(&error)
                ))),
            }
        });
    }

    fn secret(&mut self, name: &str) {
        let name = || name.to_owned();
        self.try_out("describe secret", Capability::DescribeSecret, |checks| {
            match checks.administer(&AdminRequest::DescribeSecret { name: name() })? {
                AdminResponse::Secret(_) => Ok(((), None)),
                _ => Err(wrong_answer().into()),
            }
        });
        self.try_out("list secret versions", Capability::ListSecretVersions, |checks| {
            let request = AdminRequest::ListSecretVersions { name: name(), page: None };
            match checks.administer(&request)? {
                AdminResponse::SecretVersions { versions, .. } => {
                    let current =
                        |stages: &[String]| stages.iter().any(|stage| stage == "AWSCURRENT");
                    let there = versions.iter().any(|version| current(&version.stages));
                    same(there, "none of the versions is the current one")?;
                    Ok(((), Some(format!("{} versions", versions.len()))))
                }
                _ => Err(wrong_answer().into()),
            }
        });
        self.try_out("get secret", Capability::GetSecret, |checks| {
            let request = Request::GetSecret { name: name(), version: None, stage: None };
            match checks.call(&request)? {
                Response::Secret { value, .. } => {
                    Ok(((), Some(format!("a value of {} bytes", value.len()))))
                }
                _ => Err(wrong_answer().into()),
            }
        });
    }

    /// Shows all rows; an error where one of them is none as expected.
    fn report(self, session: &Session, kms: &str) -> Result<()> {
        let (mut text, mut values, mut wrong) = (String::new(), Vec::new(), Vec::new());
        for row in &self.rows {
            let (word, detail, code) = match &row.finding {
                Finding::Same(remark) => ("ok", remark.clone(), None),
                Finding::Absent => ("absent", None, None),
                Finding::Differs(detail) => {
                    ("DIFFERS", Some(detail.clone()), Some(ErrorCode::KmsProtocol))
                }
                Finding::Failed(error) => ("FAILED", Some(fault::words(error)), Some(error.code())),
            };
            wrong.extend(code);
            let shown = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            let _ = writeln!(text, "{word:<8} {}{shown}", row.what);
            values.push(json!({
                "operation": row.what,
                "result": word.to_ascii_lowercase(),
                "detail": detail,
                "code": match &row.finding {
                    Finding::Failed(error) => Value::from(error.code().as_str()),
                    _ => Value::Null,
                },
                "milliseconds": u64::try_from(row.millis).unwrap_or(u64::MAX),
            }));
        }
        let answer = json!({ "kms": kms, "wrong": wrong.len(), "checks": values });
        session.console.answer(&answer, text)?;
        match wrong.first() {
            None => Ok(()),
            Some(code) => {
                let (wrong, all) = (wrong.len(), self.rows.len());
                let detail = format!("{wrong} of {all} checks are not as expected at {kms}");
                Err(Error::new(*code, detail))
            }
        }
    }
}
