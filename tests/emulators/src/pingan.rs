//! Ping An Cloud: KMS 2017-01-01 under HMAC-SHA1 in small letters, and the password safe under its
//! applications' own signatures.
//!
//! There is no kit to prove this by: it follows the vendor's documents. What they leave open is
//! chosen here, and told in the README.

use std::collections::{BTreeMap, BTreeSet};

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyInit, KeyIvInit};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::backend::{Failure, KeySpec, KeyUsage};
use crate::clock::{COMPACT, Clock, SECONDS_OF_DAY, SPACED, format, parse};
use crate::encoding::{b64, hex, hmac_sha1, percent, unhex};
use crate::keys::{self, Key, World, frame, unframe};
use crate::wire::{Parameters, Protocol, Reply, Request, variables};

const ACCESS_KEY: &str = "PAEXAMPLEACCESSKEYID";
const SECRET: &str = "PaExampleAccessKeySecret";
const MAGIC: &[u8] = b"PAK1";
/// How far a request's time may be away, in seconds.
const SKEW: i64 = 900;
/// China's clocks, in seconds ahead of UTC.
const CHINA: i64 = 8 * 3600;

const ACTIONS: &[&str] = &[
    "CancelKeyDeletion",
    "CreateCmk",
    "Decrypt",
    "DeleteKeyMaterial",
    "DescribeKey",
    "DisableKey",
    "EnableKey",
    "Encrypt",
    "GenerateDataKey",
    "GetKeychainPassword",
    "GetParametersForImport",
    "ImportKeyMaterial",
    "ImportKeychain",
    "ScheduleKeyDeletion",
];

/// The services of Ping An Cloud.
pub(crate) struct PingAn {
    state: Mutex<State>,
}

struct State {
    world: World,
    nonces: BTreeSet<String>,
    applications: Vec<Application>,
}

/// Whoever may read one password.
struct Application {
    id: String,
    key: String,
    account: String,
    /// The name of the password in the engine.
    password: String,
}

/// A failure; its status is 200.
struct Refusal(&'static str, String);

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        use Failure as F;
        let refusal = |code, text: &str| Refusal(code, text.to_owned());
        match failure {
            F::KeyNotFound => refusal("KeyNotFound", "The key does not exist."),
            F::Disabled | F::Archived => refusal("KeyDisabled", "The key is disabled."),
            F::PendingDeletion => refusal("KeyPendingDeletion", "The key is pending deletion."),
            F::PendingImport => refusal("KeyPendingImport", "The key has no material."),
            F::Ciphertext => refusal("InvalidCiphertext", "The ciphertext is invalid."),
            F::Missing(name) => Refusal("MissingParameter", format!("{name} is missing.")),
            F::Invalid(what) | F::Unsupported(what) | F::State(what) | F::Exists(what) => {
                refusal("InvalidParameter", what)
            }
            F::UnknownOperation => refusal("ActionNotFound", "The action does not exist."),
            F::Internal(what) => Refusal("InternalError", what),
            F::SecretNotFound | F::SecretDisabled | F::SecretDeleted => {
                refusal("KeychainNotFound", "The password does not exist.")
            }
        }
    }
}

type Answer = Result<Value, Refusal>;

impl PingAn {
    pub(crate) fn new() -> Self {
        let state =
            State { world: World::new(), nonces: BTreeSet::new(), applications: Vec::new() };
        PingAn { state: Mutex::new(state) }
    }

    fn perform(&self, clock: &Clock, request: &Request) -> Answer {
        let mut state = self.state.lock();
        let given = Parameters::from_pairs(request.query());
        authenticate(&mut state, clock, request, &given)?;
        if given.text("version") != "2017-01-01" {
            return Err(Failure::Invalid("version").into());
        }
        let action = given.required("action")?;
        if !ACTIONS.contains(&action) {
            return Err(Failure::UnknownOperation.into());
        }
        match action {
            "ImportKeychain" | "GetKeychainPassword" => {
                safe(&mut state, clock.seconds(), action, &given)
            }
            _ => act(&mut state.world, clock.seconds(), action, &given),
        }
    }
}

fn authenticate(
    state: &mut State,
    clock: &Clock,
    request: &Request,
    given: &Parameters,
) -> Result<(), Refusal> {
    let refusal = |code, text: &str| Err(Refusal(code, text.to_owned()));
    if given.required("accessKeyId")? != ACCESS_KEY {
        return refusal("InvalidAccessKeyId", "The access key does not exist.");
    }
    if given.required("signatureMethod")? != "HMAC-SHA1"
        || given.required("signatureVersion")? != "1.0"
    {
        return refusal("InvalidSignatureMethod", "Only HMAC-SHA1, version 1.0.");
    }
    if sign(request, SECRET) != given.required("signature")? {
        return refusal("SignatureDoesNotMatch", "The signature does not match.");
    }
    // Milliseconds.
    let moment = given.required("timestamp")?.parse::<i64>().ok();
    if moment.is_none_or(|moment| (clock.millis() - moment).abs() > SKEW * 1000) {
        return refusal("TimestampExpired", "The timestamp is expired.");
    }
    let nonce = given.required("signatureNonce")?;
    if !nonce.bytes().all(|byte| byte.is_ascii_digit()) || !state.nonces.insert(nonce.to_owned()) {
        return refusal("SignatureNonceUsed", "The nonce was used already.");
    }
    Ok(())
}

/// The signature of a request: over its parameters in small letters.
fn sign(request: &Request, secret: &str) -> String {
    let mut pairs: Vec<_> = request
        .query()
        .into_iter()
        .filter(|(name, _)| name != "signature")
        .map(|(name, value)| (percent(&name).to_lowercase(), percent(&value).to_lowercase()))
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    b64(hmac_sha1(secret.as_bytes(), pairs.join("&").as_bytes()))
}

/// The signature of an application, or of an answer to it.
fn sign_application(id: &str, key: &str, time: &str) -> String {
    hex(Sha256::digest(format!("{id}&{key}&{time}"))).to_uppercase()
}

fn act(world: &mut World, now: i64, action: &str, given: &Parameters) -> Answer {
    let id = given.text("keyId");
    let known = |world: &World| -> Result<(), Failure> {
        given.required("keyId")?;
        world.key(id).map(drop)
    };
    let none = json!({});
    match action {
        "CreateCmk" => create(world, now, given),
        "DescribeKey" => {
            known(world)?;
            Ok(json!({ "keyMetadata": metadata(world.key(id)?) }))
        }
        "EnableKey" | "DisableKey" => {
            known(world)?;
            world.enable(id, action == "EnableKey")?;
            Ok(none)
        }
        "ScheduleKeyDeletion" => {
            let days = given.required_in("pendingWindowInDays", 7..=30)?;
            known(world)?;
            world.schedule_deletion(id, now + days * SECONDS_OF_DAY)?;
            Ok(none)
        }
        "CancelKeyDeletion" => {
            known(world)?;
            world.cancel_deletion(id, false)?;
            Ok(none)
        }
        "GetParametersForImport" => {
            known(world)?;
            if given.required("wrappingKeySpec")? != "RSA_2048" {
                return Err(Failure::Invalid("wrappingKeySpec").into());
            }
            let algorithm = given.required("wrappingAlgorithm")?;
            let (public, token) = world.import_parameters(id, algorithm)?;
            Ok(json!({ "keyId": id, "publicKey": hex(public), "importToken": hex(token) }))
        }
        "ImportKeyMaterial" => {
            known(world)?;
            let bytes = |name| -> Result<Vec<u8>, Failure> {
                unhex(given.required(name)?).ok_or(Failure::Invalid(name))
            };
            world.import(id, &bytes("importToken")?, &bytes("encryptedKeyMaterial")?)?;
            Ok(none)
        }
        "DeleteKeyMaterial" => {
            known(world)?;
            world.delete_material(id)?;
            Ok(none)
        }
        _ => cryptography(world, action, id, given),
    }
}

/// What uses key material.
fn cryptography(world: &World, action: &str, id: &str, given: &Parameters) -> Answer {
    let context = given.text("encryptionContext").as_bytes();
    match action {
        "Encrypt" => {
            let plaintext = given.bytes("plainText")?;
            if plaintext.len() >= 4096 {
                return Err(Failure::Invalid("plainText").into());
            }
            let version = world.usable(given.required("keyId")?)?.current();
            let sealed = world.backend.encrypt(&version.engine, &plaintext, context)?;
            let blob = frame(MAGIC, id, &version.id, &sealed);
            Ok(json!({ "cipherTextBlob": b64(blob), "keyId": id }))
        }
        "Decrypt" => {
            let blob = given.bytes("cipherTextBlob").map_err(|failure| match failure {
                Failure::Invalid(_) => Failure::Ciphertext,
                other => other,
            })?;
            let (id, version, sealed) = unframe(MAGIC, &blob)?;
            let version = world.usable(&id)?.version(&version)?;
            let plaintext = world.backend.decrypt(&version.engine, &sealed, context)?;
            Ok(json!({ "keyId": id, "plainText": b64(plaintext) }))
        }
        _ => {
            let bytes =
                match (given.number_in("numberOfBytes", 1..=1024)?, given.optional("keySpec")) {
                    (Some(bytes), _) => usize::try_from(bytes).unwrap_or(0),
                    (None, None | Some("AES_256")) => 32,
                    (None, Some("AES_128")) => 16,
                    _ => return Err(Failure::Invalid("keySpec").into()),
                };
            let version = world.usable(given.required("keyId")?)?.current();
            let (plaintext, sealed) = world.backend.data_key(&version.engine, bytes, context)?;
            let blob = frame(MAGIC, id, &version.id, &sealed);
            Ok(json!({
                "keyId": id, "plainText": b64(plaintext), "cipherTextBlob": b64(blob),
            }))
        }
    }
}

fn create(world: &mut World, now: i64, given: &Parameters) -> Answer {
    if given.required("keyUsage")? != "0" {
        return Err(Failure::Invalid("keyUsage").into());
    }
    let alias = given.text("alias");
    if !alias.is_empty() && world.keys.iter().any(|key| key.aliases[0] == alias) {
        return Err(Refusal("AliasAlreadyExists", "The alias exists already.".to_owned()));
    }
    let external = match given.optional("origin").unwrap_or("0") {
        "0" => false,
        "1" => true,
        _ => return Err(Failure::Invalid("origin").into()),
    };
    let id = world.backend.uuid();
    let spec = (KeySpec::SymmetricDefault, KeyUsage::EncryptDecrypt);
    let key = world.create_key(id, "1".to_owned(), spec, now)?;
    key.aliases = vec![alias.to_owned()];
    given.text("description").clone_into(&mut key.description);
    key.external = external;
    if external {
        key.state = keys::State::PendingImport;
    }
    Ok(json!({ "keyMetadata": metadata(key) }))
}

fn metadata(key: &Key) -> Value {
    let state = match key.state {
        keys::State::Enabled => 0,
        keys::State::PendingDeletion => 2,
        _ => 1,
    };
    let date = |seconds: i64| format(seconds + CHINA, SPACED);
    json!({
        "keyId": key.id, "alias": key.aliases[0], "keyUsage": "ENCRYPT_DECRYPT",
        "description": key.description, "creationDate": date(key.created),
        "deleteDate": key.deletion.map(date).unwrap_or_default(), "ownerId": "100000000001",
        "keyState": state, "origin": i32::from(key.external),
    })
}

/// The password safe.
fn safe(state: &mut State, now: i64, action: &str, given: &Parameters) -> Answer {
    let account = given.text("keychainAccount");
    if action == "ImportKeychain" {
        for name in ["productName", "productCode", "keychainAccount", "algorithm"] {
            given.required(name)?;
        }
        let password = given.required("keychainPassword")?;
        let password = state.world.backend.put_value(password.as_bytes())?;
        let id = format!("APP_KMS_{}", &state.world.backend.hex_id()[..8]);
        let key = state.world.backend.hex_id()[..16].to_owned();
        let answer = json!({ "appId": id, "appKey": key, "keychainAccount": account });
        let account = account.to_owned();
        state.applications.push(Application { id, key, account, password });
        return Ok(answer);
    }
    let refusal = |code, text: &str| Err(Refusal(code, text.to_owned()));
    let (id, time) = (given.required("appId")?, given.required("requestTime")?);
    let application = state.applications.iter().find(|application| application.id == id);
    let Some(application) = application else {
        return refusal("AppIdSignInvalid", "The application does not exist.");
    };
    if sign_application(id, &application.key, time) != given.required("sign")? {
        return refusal("AppSignDoesNotMatch", "The signature of the application does not match.");
    }
    // Of which place the time is, is not said: China's is likely, UTC will do.
    let moment = parse_compact(time).ok_or(Failure::Invalid("requestTime"))?;
    if ![0, CHINA].iter().any(|zone| (now + zone - moment).abs() <= SKEW) {
        return refusal("RequestTimeExpired", "requestTime is expired.");
    }
    if !account.is_empty() && account != application.account {
        return Err(Failure::SecretNotFound.into());
    }
    let password = state.world.backend.value(&application.password)?;
    let key = application.key.as_bytes();
    let wrong = |_| Failure::Internal("a key has 16 characters".to_owned());
    let sealed = match given.optional("encryptVersion") {
        None | Some("1.0") => ecb::Encryptor::<Aes128>::new_from_slice(key)
            .map_err(wrong)?
            .encrypt_padded_vec::<Pkcs7>(&password),
        Some("2.0") => cbc::Encryptor::<Aes128>::new_from_slices(key, &[0; 16])
            .map_err(wrong)?
            .encrypt_padded_vec::<Pkcs7>(&password),
        Some(_) => return Err(Failure::Invalid("encryptVersion").into()),
    };
    let response_time = format(now + CHINA, COMPACT);
    Ok(json!({
        "keychainPassword": b64(sealed), "keychainAccount": application.account,
        "region": "cn-shanghai", "reason": given.text("reason"), "responseTime": response_time,
        "sign": sign_application(id, &application.key, &response_time),
    }))
}

fn parse_compact(time: &str) -> Option<i64> {
    (time.len() == 17).then(|| parse(time, COMPACT)).flatten()
}

fn refuse(refusal: &Refusal, id: &str) -> Reply {
    let body = json!({ "code": refusal.0, "message": refusal.1, "requestId": id });
    Reply::json(200, &body)
}

impl Protocol for PingAn {
    fn operation(&self, request: &Request) -> String {
        request.parameter("action").unwrap_or_default()
    }

    fn operations(&self) -> Vec<String> {
        ACTIONS.iter().map(|name| (*name).to_owned()).collect()
    }

    fn answer(&self, clock: &Clock, request: &Request) -> Reply {
        let answer = self.perform(clock, request);
        let id = self.state.lock().world.backend.uuid();
        match answer {
            Ok(mut fields) => {
                fields["code"] = json!("SUCCESS");
                fields["requestId"] = json!(id);
                Reply::json(200, &fields)
            }
            Err(refusal) => refuse(&refusal, &id),
        }
    }

    fn throttled(&self) -> Reply {
        refuse(&Refusal("Throttling", "Too many requests.".to_owned()), "0")
    }

    fn unavailable(&self) -> Reply {
        refuse(&Refusal("InternalError", "The system is busy.".to_owned()), "0")
    }

    fn environment(&self, _url: &str) -> BTreeMap<String, String> {
        variables([("PINGAN_ACCESS_KEY_ID", ACCESS_KEY), ("PINGAN_ACCESS_KEY_SECRET", SECRET)])
    }
}

#[cfg(test)]
mod tests {
    use super::{sign, sign_application};
    use crate::vectors;

    #[test]
    fn signatures_are_the_vendors() {
        let (mut requests, mut applications) = (0, 0);
        for case in vectors::of("pingan") {
            let expected = case.text("/expected_signature");
            let id = case.text("/credentials/appId");
            if id.is_empty() {
                requests += 1;
                let secret = case.text("/credentials/access_key_secret");
                assert_eq!(sign(&case.request(), &secret), expected, "{}", case.id);
            } else {
                applications += 1;
                let (key, time) = (case.text("/credentials/appKey"), case.text("/request_time"));
                assert_eq!(sign_application(&id, &key, &time), expected);
            }
        }
        assert_eq!((requests, applications), (2, 1));
    }
}
