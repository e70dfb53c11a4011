//! Alibaba Cloud: KMS 2016-01-20 with its secrets, under HMAC-SHA1 (RPC v1) or ACS3-HMAC-SHA256.

mod actions;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::backend::Failure;
use crate::clock::{Clock, EXTENDED, parse};
use crate::encoding::{b64, hex, hmac_sha1, hmac_sha256, pairs, percent, sha256};
use crate::keys::World;
use crate::wire::{Parameters, Protocol, Reply, Request, variables};

const ACCESS_KEY: &str = "LTAI5tEXAMPLEAccessKeyId";
const SECRET: &str = "ExampleAccessKeySecret0123456789";
const TEMPORARY_ACCESS_KEY: &str = "STS.EXAMPLETemporaryKeyId";
const TEMPORARY_SECRET: &str = "TemporaryAccessKeySecret01234567";
const SECURITY_TOKEN: &str = "CAISEXAMPLE+/token==";
const REGION: &str = "cn-hangzhou";
const ACCOUNT: &str = "1540355698841234";
/// How far a request's time may be away, in seconds.
const SKEW: i64 = 900;

/// The services of Alibaba Cloud.
pub(crate) struct Alibaba {
    world: Mutex<World>,
    /// A nonce may be used once.
    nonces: Mutex<BTreeSet<String>>,
    expired: AtomicBool,
}

/// A failure in the vendor's words.
struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Refusal { status, code, message: message.into() }
    }

    fn body(&self, id: &str) -> Value {
        json!({
            "HttpStatus": self.status, "Code": self.code, "Message": self.message,
            "RequestId": id, "HostId": "kms.cn-hangzhou.aliyuncs.com",
        })
    }

    fn reply(&self, id: &str) -> Reply {
        Reply::json(self.status, &self.body(id))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        use Failure as F;
        match failure {
            F::KeyNotFound => {
                Refusal::new(404, "Forbidden.KeyNotFound", "The specified Key is not found.")
            }
            F::Disabled => Refusal::new(409, "Rejected.Disabled", "The CMK is disabled."),
            F::PendingDeletion => {
                Refusal::new(409, "Rejected.PendingDeletion", "The CMK is pending deletion.")
            }
            F::PendingImport => {
                Refusal::new(409, "Rejected.PendingImport", "The CMK has no material.")
            }
            F::Archived => Refusal::new(409, "Rejected.Disabled", "The CMK is archived."),
            F::State(what) => Refusal::new(409, "Rejected.StateModifiedFailed", what),
            F::Ciphertext => Refusal::new(
                400,
                "InvalidParameter",
                "The specified parameter CiphertextBlob or EncryptionContext is not valid.",
            ),
            F::Missing(name) => Refusal::new(
                400,
                "MissingParameter",
                format!("The parameter {name} is needed but no provided."),
            ),
            F::Invalid(what) => Refusal::new(
                400,
                "InvalidParameter",
                format!("The specified parameter {what} is not valid."),
            ),
            F::Unsupported(what) => Refusal::new(400, "UnsupportedOperation", what),
            F::Exists(what) => Refusal::new(409, "Rejected.ResourceExist", what),
            F::SecretNotFound => Refusal::new(
                404,
                "Forbidden.ResourceNotFound",
                "Resource not found for the specified parameter.",
            ),
            F::SecretDisabled | F::SecretDeleted => {
                Refusal::new(409, "Rejected.PendingDeletion", "The secret is pending deletion.")
            }
            F::UnknownOperation => {
                Refusal::new(404, "InvalidAction.NotFound", "Specified api is not found.")
            }
            F::Internal(what) => Refusal::new(500, "InternalFailure", what),
        }
    }
}

type Answer = Result<Value, Refusal>;

impl Alibaba {
    pub(crate) fn new() -> Self {
        Alibaba {
            world: Mutex::new(World::new()),
            nonces: Mutex::default(),
            expired: AtomicBool::new(false),
        }
    }

    fn perform(&self, clock: &Clock, request: &Request) -> Answer {
        if request.path != "/" {
            return Err(Failure::UnknownOperation.into());
        }
        let mut all = request.query();
        all.extend(request.form());
        let given = Parameters::from_pairs(all);
        let acs3 = request.header("authorization").starts_with("ACS3-");
        if acs3 {
            self.authenticate_acs3(clock, request)?;
        } else {
            self.authenticate_rpc(clock, request, &given)?;
        }
        let (action, version) = if acs3 {
            (request.header("x-acs-action"), request.header("x-acs-version"))
        } else {
            if !given.text("Format").eq_ignore_ascii_case("json") {
                return Err(Refusal::new(400, "UnsupportedFormat", "Only JSON is emulated."));
            }
            (given.text("Action"), given.text("Version"))
        };
        if version != "2016-01-20" {
            return Err(Refusal::new(400, "InvalidVersion", "Specified version is not valid."));
        }
        let mut world = self.world.lock();
        let now = clock.seconds();
        match secrets::perform(&mut world, now, action, &given) {
            Some(answer) => answer,
            None => actions::perform(&mut world, now, action, &given),
        }
    }

    /// The secret of an access key.
    fn secret(&self, access_key: &str, token: &str) -> Result<&'static str, Refusal> {
        match (access_key, token) {
            (ACCESS_KEY, "") => Ok(SECRET),
            (TEMPORARY_ACCESS_KEY, SECURITY_TOKEN) if !self.expired.load(Ordering::Relaxed) => {
                Ok(TEMPORARY_SECRET)
            }
            (TEMPORARY_ACCESS_KEY, SECURITY_TOKEN) => Err(Refusal::new(
                400,
                "InvalidSecurityToken.Expired",
                "Specified SecurityToken is expired.",
            )),
            (ACCESS_KEY | TEMPORARY_ACCESS_KEY, _) => Err(Refusal::new(
                400,
                "InvalidSecurityToken.Malformed",
                "Specified SecurityToken is malformed.",
            )),
            _ => Err(Refusal::new(
                404,
                "InvalidAccessKeyId.NotFound",
                "Specified access key is not found.",
            )),
        }
    }

    fn fresh(
        &self,
        clock: &Clock,
        time: &str,
        nonce: &str,
        code: &'static str,
    ) -> Result<(), Refusal> {
        let skewed = || Refusal::new(400, code, "Specified time stamp or date value is expired.");
        let moment = parse(time, EXTENDED).ok_or_else(skewed)?;
        if (clock.seconds() - moment).abs() > SKEW {
            return Err(skewed());
        }
        if nonce.is_empty() {
            return Err(Failure::Missing("SignatureNonce").into());
        }
        if !self.nonces.lock().insert(nonce.to_owned()) {
            let message = "Specified signature nonce was used already.";
            return Err(Refusal::new(400, "SignatureNonceUsed", message));
        }
        Ok(())
    }

    fn authenticate_rpc(
        &self,
        clock: &Clock,
        request: &Request,
        given: &Parameters,
    ) -> Result<(), Refusal> {
        let access_key = given.required("AccessKeyId")?;
        let signature = given.required("Signature")?;
        let secret = self.secret(access_key, given.text("SecurityToken"))?;
        if given.required("SignatureMethod")? != "HMAC-SHA1"
            || given.required("SignatureVersion")? != "1.0"
        {
            return Err(Refusal::new(400, "IncompleteSignature", "Only HMAC-SHA1, version 1.0."));
        }
        let expected = sign_rpc(request, secret);
        if expected != signature {
            return Err(mismatch());
        }
        let (time, nonce) = (given.text("Timestamp"), given.text("SignatureNonce"));
        self.fresh(clock, time, nonce, "IllegalTimestamp")
    }

    fn authenticate_acs3(&self, clock: &Clock, request: &Request) -> Result<(), Refusal> {
        let incomplete = || {
            let message = "The request signature does not conform to Aliyun standards.";
            Refusal::new(400, "IncompleteSignature", message)
        };
        let parts = request.header("authorization").strip_prefix("ACS3-HMAC-SHA256 ");
        let parts = parts.ok_or_else(incomplete)?;
        // Commas without spaces.
        let part = |name: &str| {
            let found =
                parts.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(incomplete)
        };
        let access_key = part("Credential")?;
        let secret = self.secret(access_key, request.header("x-acs-security-token"))?;
        if sign_acs3(request, secret, part("SignedHeaders")?).as_deref() != Some(part("Signature")?)
        {
            return Err(mismatch());
        }
        let (time, nonce) = (request.header("x-acs-date"), request.header("x-acs-signature-nonce"));
        self.fresh(clock, time, nonce, "InvalidTimeStamp.Expired")
    }
}

fn mismatch() -> Refusal {
    let message = "Specified signature is not matched with our calculation.";
    Refusal::new(400, "SignatureDoesNotMatch", message)
}

fn encoded(mut pairs: Vec<(String, String)>) -> String {
    pairs.sort();
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    pairs.join("&")
}

/// The signature of the RPC style, in base64.
fn sign_rpc(request: &Request, secret: &str) -> String {
    let mut all = request.query();
    all.extend(request.form());
    all.retain(|(name, _)| name != "Signature");
    let to_sign = format!("{}&%2F&{}", request.method, percent(&encoded(all)));
    b64(hmac_sha1(format!("{secret}&").as_bytes(), to_sign.as_bytes()))
}

/// The signature of the ACS3 style; none where it does not cover what it must.
fn sign_acs3(request: &Request, secret: &str, signed: &str) -> Option<String> {
    let names: Vec<_> = signed.split(';').collect();
    let covered = |name: &str| names.contains(&name);
    let vendors = request.headers.keys().map(axum::http::HeaderName::as_str);
    let mut vendors = vendors.filter(|name| name.starts_with("x-acs-"));
    if !names.is_sorted() || !covered("host") || !vendors.all(covered) {
        return None;
    }
    let digest = hex(sha256(&request.body));
    if digest != request.header("x-acs-content-sha256") {
        return None;
    }
    let headers = request.header_lines(&names);
    let query = encoded(pairs(&request.query));
    let canonical = format!("{}\n/\n{query}\n{headers}\n{signed}\n{digest}", request.method);
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(sha256(canonical.as_bytes())));
    Some(hex(hmac_sha256(secret.as_bytes(), to_sign.as_bytes())))
}

impl Protocol for Alibaba {
    fn operation(&self, request: &Request) -> String {
        match request.header("x-acs-action") {
            "" => request.parameter("Action").unwrap_or_default(),
            action => action.to_owned(),
        }
    }

    fn operations(&self) -> Vec<String> {
        let all = actions::ACTIONS.iter().chain(secrets::ACTIONS);
        all.map(|name| (*name).to_owned()).collect()
    }

    fn answer(&self, clock: &Clock, request: &Request) -> Reply {
        let answer = self.perform(clock, request);
        let id = self.world.lock().backend.uuid().to_uppercase();
        match answer {
            Ok(mut fields) => {
                fields["RequestId"] = json!(id);
                Reply::json(200, &fields)
            }
            Err(refusal) => refusal.reply(&id),
        }
    }

    fn throttled(&self) -> Reply {
        let message = "The request was denied due to request throttling.";
        Refusal::new(429, "Rejected.Throttling", message).reply("0").with("x-acs-retry-after", "1")
    }

    fn unavailable(&self) -> Reply {
        let message = "Service Unavailable Temporary.";
        Refusal::new(503, "ServiceUnavailableTemporary", message).reply("0")
    }

    fn environment(&self, _url: &str) -> BTreeMap<String, String> {
        variables([
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", ACCESS_KEY),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET),
            ("ALIBABA_CLOUD_REGION_ID", REGION),
            ("EMULATOR_TEMPORARY_ACCESS_KEY_ID", TEMPORARY_ACCESS_KEY),
            ("EMULATOR_TEMPORARY_ACCESS_KEY_SECRET", TEMPORARY_SECRET),
            ("EMULATOR_SECURITY_TOKEN", SECURITY_TOKEN),
        ])
    }

    fn expire_tokens(&self) {
        self.expired.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{sign_acs3, sign_rpc};
    use crate::vectors;
    use crate::wire::Request;

    #[test]
    fn signatures_are_the_vendors() {
        let (mut rpc, mut acs3) = (0, 0);
        for case in vectors::of("alibaba") {
            let (request, secret) = (case.request(), case.text("/credentials/access_key_secret"));
            let authorization = case.header("Authorization");
            if authorization.is_empty() {
                rpc += 1;
                let made = sign_rpc(&request, &secret);
                assert_eq!(made, case.text("/expected_signature"));
                let mut other = case.request();
                other.grow_query();
                assert_ne!(sign_rpc(&other, &secret), made);
            } else if authorization.starts_with("ACS3-HMAC-SHA256") {
                acs3 += 1;
                let (head, signature) = authorization.split_once(",Signature=").expect("parts");
                let (_, signed) = head.split_once(",SignedHeaders=").expect("names");
                let made = sign_acs3(&request, &secret, signed);
                assert_eq!(made.as_deref(), Some(signature), "{}", case.id);
                for change in [Request::grow_body, Request::grow_query] {
                    let mut other = case.request();
                    change(&mut other);
                    assert_ne!(sign_acs3(&other, &secret, signed), made, "{}", case.id);
                }
                assert_eq!(sign_acs3(&case.request(), &secret, "host;x-acs-date"), None);
            }
        }
        // Those of SM3 and ACS4 are not emulated.
        assert_eq!((rpc, acs3), (5, 4));
    }
}
