//! Tencent Cloud: KMS 2019-01-18 and SSM 2019-09-23, under TC3-HMAC-SHA256.

mod actions;
mod crypto;
mod secrets;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::backend::Failure;
use crate::clock::{Clock, DAY, format};
use crate::encoding::{hex, hmac_sha256, sha256};
use crate::keys::World;
use crate::wire::{Parameters, Protocol, Reply, Request, variables};

const SECRET_ID: &str = "AKIDEXAMPLEexampleEXAMPLEexample0001";
const SECRET_KEY: &str = "EXAMPLEsecretKEYexampleSECRET001";
const TEMPORARY_ID: &str = "AKIDTEMPORARYexampleEXAMPLEtemporary0002";
const TEMPORARY_KEY: &str = "TEMPORARYsecretKEYexampleSECRET2";
const TOKEN: &str = "exampletokenEXAMPLEtoken/AND+more==";
const REGIONS: [&str; 3] = ["ap-guangzhou", "ap-shanghai", "ap-beijing"];
/// How far a request's time may be away, in seconds.
const SKEW: i64 = 300;

/// The services of Tencent Cloud.
pub(crate) struct Tencent {
    world: Mutex<World>,
    expired: AtomicBool,
}

/// A failure in the vendor's words.
struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Refusal { code: code.into(), message: message.into() }
    }

    fn authentication(code: &str, message: &str) -> Self {
        Refusal::new(format!("AuthFailure.{code}"), message)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        use Failure as F;
        match failure {
            F::KeyNotFound => {
                Refusal::new("ResourceUnavailable.CmkNotFound", "The CMK does not exist.")
            }
            F::Disabled => Refusal::new("ResourceUnavailable.CmkDisabled", "The CMK is disabled."),
            F::PendingDeletion => {
                Refusal::new("ResourceUnavailable.KeyPendingDelete", "The key is pending deletion.")
            }
            F::Archived => Refusal::new("ResourceUnavailable.CmkArchived", "The CMK is archived."),
            F::PendingImport => Refusal::new(
                "ResourceUnavailable.CmkStateNotSupport",
                "The key has no material in this state.",
            ),
            F::State(message) => Refusal::new("ResourceUnavailable.CmkStateNotSupport", message),
            F::Ciphertext => Refusal::new("FailedOperation.DecryptError", "Decryption failed."),
            F::Missing(name) => {
                Refusal::new("MissingParameter", format!("The parameter {name} is missing."))
            }
            F::Invalid(what) => Refusal::new("InvalidParameterValue", what),
            F::Unsupported(what) => Refusal::new("UnsupportedOperation", what),
            F::Exists(what) => Refusal::new("InvalidParameterValue.AliasAlreadyExists", what),
            F::SecretNotFound => {
                Refusal::new("ResourceNotFound.SecretNotExist", "The secret does not exist.")
            }
            F::SecretDisabled => {
                Refusal::new("ResourceUnavailable.ResourceDisabled", "The secret is disabled.")
            }
            F::SecretDeleted => Refusal::new(
                "ResourceUnavailable.ResourcePendingDeleted",
                "The secret is pending deletion.",
            ),
            F::UnknownOperation => {
                Refusal::new("InvalidAction", "The action is not of this service.")
            }
            F::Internal(what) => Refusal::new("InternalError", what),
        }
    }
}

type Answer = Result<Value, Refusal>;

impl Tencent {
    pub(crate) fn new() -> Self {
        Tencent { world: Mutex::new(World::new()), expired: AtomicBool::new(false) }
    }

    fn perform(&self, clock: &Clock, request: &Request) -> Answer {
        let service = self.authenticate(clock, request)?;
        let action = request.header("x-tc-action");
        let versions = [("kms", "2019-01-18"), ("ssm", "2019-09-23")];
        if !versions.contains(&(service.as_str(), request.header("x-tc-version"))) {
            return Err(Refusal::new("NoSuchVersion", "The version is not of this service."));
        }
        if !REGIONS.contains(&request.header("x-tc-region")) {
            return Err(Refusal::new("UnsupportedRegion", "The region is not served."));
        }
        let parameters = if request.method == "GET" {
            Parameters::from_pairs(request.query())
        } else {
            let body = request.json().filter(Value::is_object);
            Parameters(body.ok_or_else(|| Refusal::new("InvalidRequest", "The body is not JSON."))?)
        };
        let mut world = self.world.lock();
        if service == "ssm" {
            secrets::perform(&mut world, clock.seconds(), action, &parameters)
        } else {
            actions::perform(&mut world, clock.seconds(), action, &parameters)
        }
    }

    /// Checks the signature; answers the service that it is for.
    fn authenticate(&self, clock: &Clock, request: &Request) -> Result<String, Refusal> {
        let malformed = || Refusal::authentication("InvalidAuthorization", "Not TC3-HMAC-SHA256.");
        let authorization = request.header("authorization");
        let parts = authorization.strip_prefix("TC3-HMAC-SHA256 ").ok_or_else(malformed)?;
        let part = |name: &str| {
            parts.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let credential: Vec<_> = part("Credential").ok_or_else(malformed)?.split('/').collect();
        let [id, date, service, "tc3_request"] = credential[..] else { return Err(malformed()) };
        let signed = part("SignedHeaders").ok_or_else(malformed)?;
        let signature = part("Signature").ok_or_else(malformed)?;

        let token = request.header("x-tc-token");
        let key = match id {
            SECRET_ID if token.is_empty() => SECRET_KEY,
            TEMPORARY_ID if token == TOKEN && !self.expired.load(Ordering::Relaxed) => {
                TEMPORARY_KEY
            }
            SECRET_ID | TEMPORARY_ID => {
                return Err(Refusal::authentication("TokenFailure", "The token is invalid."));
            }
            _ => {
                return Err(Refusal::authentication(
                    "SecretIdNotFound",
                    "The SecretId is not found.",
                ));
            }
        };

        let timestamp = request.header("x-tc-timestamp");
        let moment: i64 = timestamp.parse().map_err(|_| malformed())?;
        if (clock.seconds() - moment).abs() > SKEW {
            return Err(Refusal::authentication(
                "SignatureExpire",
                "The provided credentials are expired: the timestamp is more than 5 minutes away.",
            ));
        }
        let expected = sign(request, key, timestamp, service, signed);
        if date != format(moment, DAY) || expected.as_deref() != Some(signature) {
            return Err(Refusal::authentication(
                "SignatureFailure",
                "The provided credentials could not be validated. Please check your signature is \
                 correct.",
            ));
        }
        Ok(service.to_owned())
    }
}

/// The signature that the holder of a key makes; none where it does not cover what it must.
fn sign(
    request: &Request,
    key: &str,
    timestamp: &str,
    service: &str,
    signed: &str,
) -> Option<String> {
    let names: Vec<_> = signed.split(';').collect();
    if !names.is_sorted() || !["content-type", "host"].iter().all(|name| names.contains(name)) {
        return None;
    }
    let headers: Vec<_> = names
        .iter()
        .map(|name| {
            let value = request.header(name).trim();
            // Names of actions are signed in small letters.
            let value =
                if *name == "x-tc-action" { value.to_lowercase() } else { value.to_owned() };
            format!("{name}:{value}\n")
        })
        .collect();
    let headers = headers.concat();
    let payload = match request.header("x-tc-content-sha256") {
        "UNSIGNED-PAYLOAD" => hex(sha256("UNSIGNED-PAYLOAD")),
        _ => hex(sha256(&request.body)),
    };
    let canonical =
        format!("{}\n/\n{}\n{headers}\n{signed}\n{payload}", request.method, request.query);
    let date = format(timestamp.parse().ok()?, DAY);
    let scope = format!("{date}/{service}/tc3_request");
    let to_sign =
        format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}", hex(sha256(canonical.as_bytes())));
    let mut derived = hmac_sha256(format!("TC3{key}").as_bytes(), date.as_bytes());
    for part in [service, "tc3_request"] {
        derived = hmac_sha256(&derived, part.as_bytes());
    }
    Some(hex(hmac_sha256(&derived, to_sign.as_bytes())))
}

fn refuse(refusal: &Refusal, id: &str) -> Reply {
    let error = json!({ "Code": refusal.code, "Message": refusal.message });
    // Failures come with status 200.
    Reply::json(200, &json!({ "Response": { "Error": error, "RequestId": id } }))
}

impl Protocol for Tencent {
    fn operation(&self, request: &Request) -> String {
        request.header("x-tc-action").to_owned()
    }

    fn operations(&self) -> Vec<String> {
        let all = actions::ACTIONS.iter().chain(secrets::ACTIONS);
        all.map(|(name, _)| (*name).to_owned()).collect()
    }

    fn answer(&self, clock: &Clock, request: &Request) -> Reply {
        let answer = self.perform(clock, request);
        let id = self.world.lock().backend.uuid();
        match answer {
            Ok(mut fields) => {
                fields["RequestId"] = json!(id);
                Reply::json(200, &json!({ "Response": fields }))
            }
            Err(refusal) => refuse(&refusal, &id),
        }
    }

    fn throttled(&self) -> Reply {
        let message = "Your current request times exceeds the limit of the API.";
        refuse(&Refusal::new("RequestLimitExceeded", message), &self.world.lock().backend.uuid())
    }

    fn unavailable(&self) -> Reply {
        let refusal = Refusal::new("InternalError", "An internal error has occurred.");
        refuse(&refusal, &self.world.lock().backend.uuid())
    }

    fn environment(&self, _url: &str) -> BTreeMap<String, String> {
        variables([
            ("TENCENTCLOUD_SECRET_ID", SECRET_ID),
            ("TENCENTCLOUD_SECRET_KEY", SECRET_KEY),
            ("TENCENTCLOUD_REGION", REGIONS[0]),
            ("EMULATOR_TEMPORARY_SECRET_ID", TEMPORARY_ID),
            ("EMULATOR_TEMPORARY_SECRET_KEY", TEMPORARY_KEY),
            ("EMULATOR_TEMPORARY_TOKEN", TOKEN),
        ])
    }

    fn expire_tokens(&self) {
        self.expired.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::sign;
    use crate::vectors;

    #[test]
    fn signatures_are_the_vendors() {
        let cases = vectors::of("tencent");
        assert_eq!(cases.len(), 6);
        for case in cases {
            let request = case.request();
            let authorization = case.header("Authorization");
            let (_, signed) = authorization.split_once("SignedHeaders=").expect("names");
            let (signed, signature) = signed.split_once(", Signature=").expect("a signature");
            let key = case.text("/credentials/secret_key");
            let (time, service) = (case.time(), case.text("/service"));
            let made = sign(&request, &key, &time.to_string(), &service, signed);
            assert_eq!(made.as_deref(), Some(signature), "{}", case.id);
            let mut other = case.request();
            other.grow_query();
            let other = sign(&other, &key, &time.to_string(), &service, signed);
            assert_ne!(other, made, "{}", case.id);
            let mut other = case.request();
            other.grow_body();
            let other = sign(&other, &key, &time.to_string(), &service, signed);
            // One of them says that it does not sign its body.
            assert_eq!(other == made, case.id.contains("unsigned"), "{}", case.id);
            assert_eq!(sign(&request, &key, &time.to_string(), &service, "host"), None);
        }
    }
}
