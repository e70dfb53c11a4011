//! Huawei Cloud: DEW's KMS and CSMS, under SDK-HMAC-SHA256, V11-HMAC-SHA256 or a token of IAM.

mod crypto;
mod grants;
mod operations;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::backend::Failure;
use crate::clock::{BASIC, Clock, parse};
use crate::encoding::{hex, hmac_sha256, pairs, percent, sha256, unpercent};
use crate::keys::World;
use crate::wire::{Parameters, Protocol, Reply, Request, variables};

use grants::Grant;

const ACCESS_KEY: &str = "HWEXAMPLEACCESSKEY01";
const SECRET_KEY: &str = "HwExampleSecretKey0123456789abcdefghijkl";
const TEMPORARY_ACCESS_KEY: &str = "HWTEMPORARYACCESSKEY";
const TEMPORARY_SECRET_KEY: &str = "HwTemporarySecretKey0123456789abcdefghij";
const SECURITY_TOKEN: &str = "EXAMPLE+TOKEN==";
const PROJECT: &str = "0123456789abcdef0123456789abcdef";
const DOMAIN: &str = "b168fe00ff56492495a7d22974df2d0b";
const REGION: &str = "cn-north-4";
const USER: (&str, &str) = ("keyfold-user", "Huawei-Example-Password");
/// How far a request's time may be away, in seconds.
const SKEW: i64 = 900;

/// The services of Huawei Cloud.
pub(crate) struct Huawei {
    state: Mutex<State>,
    older_dialect: bool,
}

struct State {
    world: World,
    grants: Vec<Grant>,
    /// Those of IAM that are valid.
    tokens: BTreeSet<String>,
    /// The temporary access key is over.
    expired: bool,
}

/// A failure in the vendor's words.
struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Refusal { status: 400, code, message: message.into() }
    }

    fn status(self, status: u16) -> Self {
        Refusal { status, ..self }
    }

    fn authentication(message: &str) -> Self {
        let message = format!("Incorrect IAM authentication information: {message}");
        Refusal::new("APIGW.0301", message).status(401)
    }

    /// KMS nests its errors; the gateway and CSMS do not.
    fn reply(&self, id: &str) -> Reply {
        let error = json!({ "error_code": self.code, "error_msg": self.message });
        let error = if self.code.starts_with("KMS.") { json!({ "error": error }) } else { error };
        Reply::json(self.status, &error).with("x-request-id", id)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        use Failure as F;
        match failure {
            F::KeyNotFound => Refusal::new("KMS.0207", "The key does not exist."),
            F::Disabled => Refusal::new("KMS.0209", "The key is disabled."),
            F::PendingDeletion => Refusal::new("KMS.0210", "The key is pending deletion."),
            F::PendingImport => Refusal::new("KMS.0313", "The key has no material."),
            F::Archived => Refusal::new("KMS.0320", "The key is frozen."),
            F::State(what) => Refusal::new("KMS.0317", what),
            F::Ciphertext => Refusal::new("KMS.2201", "Failed to decrypt."),
            F::Missing(name) => Refusal::new("KMS.0202", format!("{name} is missing.")),
            F::Invalid(what) => Refusal::new("KMS.0205", format!("Invalid: {what}.")),
            F::Unsupported(what) => Refusal::new("KMS.0106", what),
            F::Exists(what) => Refusal::new("KMS.1104", what),
            F::SecretNotFound => {
                Refusal::new("CSMS.0205", "The secret does not exist.").status(404)
            }
            F::SecretDisabled => Refusal::new("CSMS.0108", "The secret is not enabled."),
            F::SecretDeleted => Refusal::new("CSMS.0103", "The secret is pending deletion."),
            F::UnknownOperation => {
                Refusal::new("APIGW.0101", "The API does not exist or has not been published.")
                    .status(404)
            }
            F::Internal(what) => Refusal::new("KMS.0101", what).status(500),
        }
    }
}

/// Status and body, or none.
type Answer = Result<(u16, Option<Value>), Refusal>;

impl Huawei {
    pub(crate) fn new(older_dialect: bool) -> Self {
        let state = State {
            world: World::new(),
            grants: Vec::new(),
            tokens: BTreeSet::new(),
            expired: false,
        };
        Huawei { state: Mutex::new(state), older_dialect }
    }

    fn perform(&self, clock: &Clock, request: &Request) -> Result<Reply, Refusal> {
        let mut state = self.state.lock();
        if request.path == "/v3/auth/tokens" && request.method == "POST" {
            return Ok(state.token(request));
        }
        let (api, parts) = route(request).ok_or(Failure::UnknownOperation)?;
        state.authenticate(clock, request)?;
        if request.segments().get(1).map(String::as_str) != Some(PROJECT) {
            return Err(Refusal::new("KMS.0307", "Not a project of yours.").status(403));
        }
        if !["", "application/json", "application/json;charset=utf-8"]
            .contains(&request.header("content-type").to_lowercase().as_str())
        {
            return Err(Refusal::new("KMS.0201", "The body is not JSON."));
        }
        let body = request.json().filter(Value::is_object);
        let body =
            body.ok_or_else(|| Refusal::new("KMS.0201", "The body is not a JSON object."))?;
        let given = if request.method == "GET" {
            Parameters::from_pairs(request.query())
        } else {
            Parameters(body)
        };
        let now = clock.seconds();
        let (status, body) = match api {
            Api::Kms(name) if grants::NAMES.contains(&name) => {
                grants::perform(&mut state, now, name, &given)?
            }
            Api::Kms(name) => {
                operations::perform(&mut state.world, now, name, &given, self.older_dialect)?
            }
            Api::Csms(name) => secrets::perform(&mut state.world, now, name, &parts, &given)?,
        };
        Ok(body.map_or_else(|| Reply::empty(status), |body| Reply::json(status, &body)))
    }
}

/// An operation, by the last part of its path or, for secrets, by the name that the kit gives it.
#[derive(Clone, Copy)]
enum Api {
    Kms(&'static str),
    Csms(&'static str),
}

/// The operation of a path, and the variable parts of it.
fn route(request: &Request) -> Option<(Api, Vec<String>)> {
    let segments = request.segments();
    let words: Vec<_> = segments.iter().map(String::as_str).collect();
    match words[..] {
        ["v1.0", _, "kms", ref rest @ ..] => {
            let path = rest.join("/");
            let (_, _, name) = operations::PATHS
                .iter()
                .chain(grants::PATHS)
                .find(|(method, found, _)| request.method == *method && *found == path)?;
            Some((Api::Kms(name), Vec::new()))
        }
        ["v1", _, ref rest @ ..] => {
            let matches = |pattern: &str| {
                let pattern: Vec<_> = pattern.split('/').collect();
                let fits = |(part, word): (&&str, &&str)| *part == "*" || part == word;
                pattern.len() == rest.len() && pattern.iter().zip(rest).all(fits)
            };
            let (_, pattern, name) = secrets::PATHS
                .iter()
                .find(|(method, pattern, _)| request.method == *method && matches(pattern))?;
            let variable = pattern.split('/').zip(rest).filter(|(part, _)| *part == "*");
            Some((Api::Csms(name), variable.map(|(_, word)| (*word).to_owned()).collect()))
        }
        _ => None,
    }
}

impl State {
    /// IAM: a token for a user's name and password.
    fn token(&mut self, request: &Request) -> Reply {
        let body = request.json().unwrap_or_default();
        let user = &body["auth"]["identity"]["password"]["user"];
        let scope = &body["auth"]["scope"]["project"];
        let known = user["name"] == USER.0 && user["password"] == USER.1;
        if !known || (scope["name"] != REGION && scope["id"] != PROJECT) {
            let error = json!({ "error": {
                "code": 401, "title": "Unauthorized",
                "message": "The username or password is wrong.",
            } });
            return Reply::json(401, &error);
        }
        // Real ones have several KiB.
        let parts: Vec<_> = (0..100).map(|_| self.world.backend.hex_id()).collect();
        let token = format!("MII{}", parts.join(""));
        self.tokens.insert(token.clone());
        let body = json!({ "token": { "methods": ["password"], "project": { "id": PROJECT } } });
        Reply::json(201, &body).with("x-subject-token", token)
    }

    fn authenticate(&self, clock: &Clock, request: &Request) -> Result<(), Refusal> {
        let token = request.header("x-auth-token");
        if !token.is_empty() {
            if self.tokens.contains(token) {
                return Ok(());
            }
            // Said with the status of something else.
            return Err(Refusal::new("KMS.0303", "Invalid or expired token.").status(403));
        }
        let authorization = request.header("authorization");
        let (scheme, parts) = authorization.split_once(' ').unwrap_or_default();
        let part = |name: &str| {
            let found =
                parts.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| Refusal::authentication("verify aksk signature fail"))
        };
        let (access, scope) = match scheme {
            "SDK-HMAC-SHA256" => (part("Access")?, None),
            "V11-HMAC-SHA256" => {
                let malformed = || Refusal::authentication("malformed credential");
                let credential = part("Credential")?.split_once('/');
                let (access, scope) = credential.ok_or_else(malformed)?;
                (access, Some(scope))
            }
            _ => return Err(Refusal::authentication("no authorization header of a known form")),
        };
        let secret = match (access, request.header("x-security-token")) {
            (ACCESS_KEY, "") => SECRET_KEY,
            (TEMPORARY_ACCESS_KEY, SECURITY_TOKEN) if !self.expired => TEMPORARY_SECRET_KEY,
            (TEMPORARY_ACCESS_KEY, SECURITY_TOKEN) => {
                return Err(Refusal::authentication("the securityToken is expired"));
            }
            (ACCESS_KEY | TEMPORARY_ACCESS_KEY, _) => {
                return Err(Refusal::authentication("decrypt token fail"));
            }
            _ => {
                return Err(Refusal::authentication(&format!("Get secretKey failed,ak:{access}")));
            }
        };
        let moment = parse(request.header("x-sdk-date"), BASIC)
            .ok_or_else(|| Refusal::authentication("x-sdk-date is not a time"))?;
        if (clock.seconds() - moment).abs() > SKEW {
            return Err(Refusal::authentication("x-sdk-date is expired"));
        }
        let made = sign(request, access, secret, scope, part("SignedHeaders")?);
        if made.as_deref() != Some(part("Signature")?) {
            return Err(Refusal::authentication("verify aksk signature fail"));
        }
        Ok(())
    }
}

/// The signature that the holder of a key makes, with a derived key where a scope is given; none
/// where it does not cover what it must.
fn sign(
    request: &Request,
    access: &str,
    secret: &str,
    scope: Option<&str>,
    signed: &str,
) -> Option<String> {
    let names: Vec<_> = signed.split(';').collect();
    if !names.is_sorted() || !["host", "x-sdk-date"].iter().all(|name| names.contains(name)) {
        return None;
    }
    let segments: Vec<_> =
        request.path.split('/').map(|segment| percent(&unpercent(segment))).collect();
    let mut path = segments.join("/");
    // The path that is signed ends with a slash; the one that is asked for does not.
    if !path.ends_with('/') {
        path.push('/');
    }
    let mut query = pairs(&request.query);
    query.sort();
    let query: Vec<_> =
        query.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
    let headers = request.header_lines(&names);
    let payload = match request.header("x-sdk-content-sha256") {
        "" => hex(sha256(&request.body)),
        given => given.to_owned(),
    };
    let canonical =
        format!("{}\n{path}\n{}\n{headers}\n{signed}\n{payload}", request.method, query.join("&"));
    let digest = hex(sha256(canonical.as_bytes()));
    let date = request.header("x-sdk-date");
    let Some(scope) = scope else {
        let to_sign = format!("SDK-HMAC-SHA256\n{date}\n{digest}");
        return Some(hex(hmac_sha256(secret.as_bytes(), to_sign.as_bytes())));
    };
    let to_sign = format!("V11-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    // HKDF of one block, whose text is the key.
    let extracted = hmac_sha256(access.as_bytes(), secret.as_bytes());
    let mut expand = Hmac::<Sha256>::new_from_slice(&extracted).ok()?;
    expand.update(scope.as_bytes());
    expand.update(&[1]);
    let derived = hex(expand.finalize().into_bytes());
    Some(hex(hmac_sha256(derived.as_bytes(), to_sign.as_bytes())))
}

impl Protocol for Huawei {
    fn operation(&self, request: &Request) -> String {
        match route(request) {
            Some((Api::Kms(name) | Api::Csms(name), _)) => name.to_owned(),
            None => request.path.clone(),
        }
    }

    fn operations(&self) -> Vec<String> {
        let all = operations::PATHS.iter().chain(grants::PATHS).chain(secrets::PATHS);
        all.map(|(_, _, name)| (*name).to_owned()).collect()
    }

    fn answer(&self, clock: &Clock, request: &Request) -> Reply {
        let answer = self.perform(clock, request);
        let id = self.state.lock().world.backend.hex_id();
        match answer {
            Ok(reply) => reply.with("x-request-id", id),
            Err(refusal) => refusal.reply(&id),
        }
    }

    fn throttled(&self) -> Reply {
        let message = "The throttling threshold has been reached: policy user over ratelimit";
        Refusal::new("APIGW.0308", message).status(429).reply("0")
    }

    fn unavailable(&self) -> Reply {
        Refusal::new("KMS.0101", "KMS error.").status(500).reply("0")
    }

    fn environment(&self, url: &str) -> BTreeMap<String, String> {
        variables([
            ("HUAWEICLOUD_SDK_AK", ACCESS_KEY),
            ("HUAWEICLOUD_SDK_SK", SECRET_KEY),
            ("HUAWEICLOUD_SDK_PROJECT_ID", PROJECT),
            ("HUAWEICLOUD_SDK_REGION_ID", REGION),
            ("HUAWEICLOUD_SDK_IAM_ENDPOINT", url),
            ("EMULATOR_TEMPORARY_AK", TEMPORARY_ACCESS_KEY),
            ("EMULATOR_TEMPORARY_SK", TEMPORARY_SECRET_KEY),
            ("EMULATOR_SECURITY_TOKEN", SECURITY_TOKEN),
            ("EMULATOR_IAM_USER", USER.0),
            ("EMULATOR_IAM_PASSWORD", USER.1),
            ("EMULATOR_DIALECT", if self.older_dialect { "older" } else { "newer" }),
        ])
    }

    fn expire_tokens(&self) {
        let mut state = self.state.lock();
        state.tokens.clear();
        state.expired = true;
    }
}

#[cfg(test)]
mod tests {
    use super::sign;
    use crate::vectors;
    use crate::wire::Request;

    #[test]
    fn signatures_are_the_vendors() {
        // The one of SM3 is not emulated.
        let cases: Vec<_> = vectors::of("huawei")
            .into_iter()
            .filter(|case| case.text("/algorithm") != "SDK-HMAC-SM3")
            .collect();
        assert_eq!(cases.len(), 5);
        for case in cases {
            let authorization = case.header("Authorization");
            let (head, signature) = authorization.split_once(", Signature=").expect("a signature");
            let (head, signed) = head.split_once(", SignedHeaders=").expect("names");
            let scope = head.split_once("Credential=").map(|(_, credential)| credential);
            let scope = scope.and_then(|credential| Some(credential.split_once('/')?.1));
            let (ak, sk) = (case.text("/credentials/ak"), case.text("/credentials/sk"));
            let made = sign(&case.request(), &ak, &sk, scope, signed);
            assert_eq!(made.as_deref(), Some(signature), "{}", case.id);
            for change in [Request::grow_body, Request::grow_path, Request::grow_query] {
                let mut other = case.request();
                change(&mut other);
                assert_ne!(sign(&other, &ak, &sk, scope, signed), made, "{}", case.id);
            }
            assert_eq!(sign(&case.request(), &ak, &sk, scope, "content-type;host"), None);
        }
    }
}
