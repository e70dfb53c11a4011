//! What goes wrong on the way: keys, tokens, clocks, too many calls, answers that are none.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keyfold::credentials::{Credentials, CredentialsProvider};
use keyfold::kms::Request;
use keyfold::kms::admin::AdminRequest;
use keyfold::maybe_send::BoxFuture;
use keyfold::{Error, ErrorCode, KeyUri, Kms, Retry};
use keyfold_emulators::{Fault, Provider};
use pollster::block_on;

use crate::rig::{About, Rig, context, generate, refused, secret, unwrap};
use crate::{alibaba, azure, google, huawei, pingan, tencent};

pub(crate) const ALL: [About; 8] = [
    tencent::ABOUT,
    huawei::ABOUT,
    alibaba::ABOUT,
    alibaba::RPC,
    pingan::ABOUT,
    google::ABOUT,
    azure::VAULT,
    azure::HSM,
];

/// Those that sign each request, and how far a request's time may be away, in seconds.
const SIGNED: [(About, i64); 5] = [
    (tencent::ABOUT, 300),
    (huawei::ABOUT, 900),
    (alibaba::ABOUT, 900),
    (alibaba::RPC, 900),
    (pingan::ABOUT, 900),
];

/// A key, and one call that has logged in where that is needed.
fn ready(about: About) -> (Rig, KeyUri) {
    let rig = Rig::new(about);
    let key = rig.wrapping_key("docs");
    generate(&rig, &key, &context()).expect("a data key");
    rig.requests();
    (rig, key)
}

/// All that an error says, to whoever prints it in whatever way.
fn said(error: &Error) -> String {
    let mut all = format!("{error} {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        // Writing to a String cannot fail.
        let _ = write!(all, " {inner} {inner:?}");
        cause = inner.source();
    }
    all
}

/// An error says nothing of what is secret.
#[track_caller]
fn tells_nothing(rig: &Rig, error: &Error) {
    let said = said(error);
    let variables = rig.emulator.environment();
    let secrets = variables.iter().filter(|(name, _)| {
        ["KEY", "SECRET", "TOKEN", "SK", "PASSWORD", "CERTIFICATE", "ACCOUNT"]
            .iter()
            .any(|part| name.ends_with(part))
    });
    for (name, value) in secrets {
        assert!(!said.contains(value.as_str()), "{name} in {said}");
    }
    for word in ["acme", "Bearer ", "ya29.", "eyJ", "hunter2", "signature=", "pqWlpaWl", "http://"]
    {
        assert!(!said.contains(word), "{word} in {said}");
    }
}

#[test]
fn a_wrong_secret_is_denied_and_not_tried_again() {
    let wrong = "this-is-not-the-right-secret-0001";
    for (about, variable) in [
        (tencent::ABOUT, "TENCENTCLOUD_SECRET_KEY"),
        (huawei::ABOUT, "HUAWEICLOUD_SDK_SK"),
        (alibaba::ABOUT, "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        (alibaba::RPC, "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
        (pingan::ABOUT, "PINGAN_ACCESS_KEY_SECRET"),
        (azure::VAULT, "AZURE_CLIENT_SECRET"),
        (azure::HSM, "AZURE_CLIENT_SECRET"),
    ] {
        let (rig, key) = ready(about);
        let rig = Rig { kms: rig.again(&[(variable, wrong)]), ..rig };
        let error = generate(&rig, &key, &context()).expect_err("denied");
        assert_eq!(error.code(), ErrorCode::KmsDenied, "{}: {error}", about.uri);
        assert_eq!(error.retry(), Retry::AfterChange, "{}: {error}", about.uri);
        assert_eq!(rig.requests(), 1, "{}: {error}", about.uri);
        assert!(!said(&error).contains(wrong));
        tells_nothing(&rig, &error);
    }
    // Another account's key.
    let (rig, key) = ready(google::ABOUT);
    let other = Rig::new(google::ABOUT);
    let account = rig.variable("EMULATOR_SERVICE_ACCOUNT");
    let other = other.variable("EMULATOR_SERVICE_ACCOUNT");
    let part = |text: &str, name: &str| {
        let account: serde_json::Value = serde_json::from_str(text).expect("JSON");
        account[name].as_str().expect("text").to_owned()
    };
    let mut wrong: serde_json::Value = serde_json::from_str(&account).expect("JSON");
    wrong["private_key"] = part(&other, "private_key").into();
    let path = rig.file("wrong.json", &wrong.to_string());
    let rig = Rig { kms: rig.again(&[("GOOGLE_APPLICATION_CREDENTIALS", &path)]), ..rig };
    let error = generate(&rig, &key, &context()).expect_err("denied");
    assert_eq!((error.code(), rig.requests()), (ErrorCode::KmsDenied, 1), "{error}");
    tells_nothing(&rig, &error);
}

/// Credentials that are got anew when they are refused; how often they were got.
struct Renewing<F> {
    get: F,
    kept: std::sync::Mutex<Option<Arc<Credentials>>>,
    got: AtomicUsize,
}

impl<F: Fn(usize) -> Credentials + Send + Sync> Renewing<F> {
    fn new(get: F) -> Arc<Self> {
        Arc::new(Renewing { get, kept: std::sync::Mutex::default(), got: AtomicUsize::new(0) })
    }

    fn got(&self) -> usize {
        self.got.load(Ordering::Relaxed)
    }
}

impl<F: Fn(usize) -> Credentials + Send + Sync> CredentialsProvider for Renewing<F> {
    fn credentials(&self) -> BoxFuture<'_, keyfold::Result<Option<Arc<Credentials>>>> {
        let mut kept = self.kept.lock().expect("no panic");
        let found = kept
            .get_or_insert_with(|| Arc::new((self.get)(self.got.fetch_add(1, Ordering::Relaxed))));
        let found = found.clone();
        Box::pin(async { Ok(Some(found)) })
    }

    fn refused(&self, credentials: &Arc<Credentials>) {
        let mut kept = self.kept.lock().expect("no panic");
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, credentials)) {
            *kept = None;
        }
    }
}

/// The temporary credentials, then those that do not end.
#[test]
fn an_ended_session_is_replaced_once() {
    for (about, temporary, lasting) in [
        (
            tencent::ABOUT,
            ["_SECRET_ID", "_SECRET_KEY", "_TOKEN"],
            ["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"],
        ),
        (huawei::ABOUT, ["_AK", "_SK", ""], ["HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK"]),
        (
            alibaba::ABOUT,
            ["_ACCESS_KEY_ID", "_ACCESS_KEY_SECRET", ""],
            ["ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        ),
        (
            alibaba::RPC,
            ["_ACCESS_KEY_ID", "_ACCESS_KEY_SECRET", ""],
            ["ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        ),
    ] {
        let (rig, key) = ready(about);
        let name = |part: &str| match part {
            "" => "EMULATOR_SECURITY_TOKEN".to_owned(),
            part => format!("EMULATOR_TEMPORARY{part}"),
        };
        let [id, secret_key, token] = temporary.map(|part| rig.variable(&name(part)));
        let [lasting_id, lasting_key] = lasting.map(|name| rig.variable(name));
        let renewing = Renewing::new(move |times| {
            let of = |id: &str, key: &str, token: Option<&str>| {
                let token = token.map(|token| secret(token.as_bytes()));
                Credentials::access_key(id, &secret(key.as_bytes()), token.as_ref())
            };
            match times {
                0 => of(&id, &secret_key, Some(&token)),
                _ => of(&lasting_id, &lasting_key, None),
            }
            .expect("credentials")
        });
        let rig = Rig { kms: rig.by(renewing.clone()), ..rig };
        generate(&rig, &key, &context()).expect("a data key");
        assert_eq!((rig.requests(), renewing.got()), (1, 1), "{}", about.uri);
        rig.emulator.expire_tokens();
        generate(&rig, &key, &context()).expect("a data key");
        assert_eq!((rig.requests(), renewing.got()), (2, 2), "{}", about.uri);
        generate(&rig, &key, &context()).expect("a data key");
        assert_eq!((rig.requests(), renewing.got()), (1, 2), "{}", about.uri);
    }
}

/// One that has nothing better is told so, after the one attempt.
#[test]
fn an_ended_session_that_nobody_replaces_is_denied() {
    let (rig, key) = ready(tencent::ABOUT);
    let part = |name: &str| rig.variable(&format!("EMULATOR_TEMPORARY_{name}"));
    let (id, secret_key, token) = (part("SECRET_ID"), part("SECRET_KEY"), part("TOKEN"));
    let kms = rig.again(&[
        ("TENCENTCLOUD_SECRET_ID", &id),
        ("TENCENTCLOUD_SECRET_KEY", &secret_key),
        ("TENCENTCLOUD_TOKEN", &token),
    ]);
    let rig = Rig { kms, ..rig };
    rig.emulator.expire_tokens();
    let error = generate(&rig, &key, &context()).expect_err("denied");
    assert_eq!((error.code(), rig.requests()), (ErrorCode::KmsDenied, 1), "{error}");
    tells_nothing(&rig, &error);
}

#[test]
fn an_ended_token_of_iam_is_replaced_once() {
    let (rig, key) = ready(huawei::ABOUT);
    let rig = Arc::new(rig);
    let source = rig.clone();
    let renewing = Renewing::new(move |_| huawei::iam_token(&source));
    let kms = rig.by(renewing.clone());
    let ask = || resolve(&kms, &key);
    ask().expect("known");
    rig.emulator.expire_tokens();
    rig.requests();
    ask().expect("known");
    assert_eq!(renewing.got(), 2);
    // Refused, a token, and again.
    assert_eq!(rig.requests(), 3);
    ask().expect("known");
    assert_eq!((rig.requests(), renewing.got()), (1, 2));
}

/// What logs in by itself does so again, once, and the call that noticed succeeds.
#[test]
fn an_ended_token_is_replaced_by_a_fresh_login() {
    for (about, login) in [(google::ABOUT, "token"), (azure::VAULT, "token"), (azure::HSM, "token")]
    {
        let (rig, key) = ready(about);
        let (made, wrapped) = generate(&rig, &key, &context()).expect("a data key");
        rig.requests();
        rig.emulator.expire_tokens();
        assert_eq!(unwrap(&rig, &wrapped, &context(), None).expect("unwrapped"), made);
        let calls = rig.emulator.take_calls();
        assert_eq!(calls.get(login), Some(&1), "{}: {calls:?}", about.uri);
        assert_eq!(calls.values().sum::<u64>(), 3, "{}: {calls:?}", about.uri);
        unwrap(&rig, &wrapped, &context(), None).expect("unwrapped");
        assert_eq!(rig.requests(), 1, "{}: the new token is kept", about.uri);
    }
}

/// A call by another client of the same service.
fn resolve(kms: &dyn Kms, key: &KeyUri) -> Result<(), Error> {
    let request = Request::ResolveKey { key: key.clone() };
    block_on(kms.call(&request)).map(|_| ())
}

#[test]
fn a_wrong_clock_is_corrected_once() {
    for (about, limit) in SIGNED {
        let (rig, key) = ready(about);
        for offset in [400, -400, 1000, -1000, 86_400_i64] {
            rig.emulator.set_clock_offset(offset);
            let kms = rig.again(&[]);
            let expected = if offset.abs() > limit { 2 } else { 1 };
            resolve(&kms, &key).expect("known");
            assert_eq!(rig.requests(), expected, "{} {offset}", about.uri);
            // It is known from now on.
            resolve(&kms, &key).expect("known");
            assert_eq!(rig.requests(), 1, "{} {offset}", about.uri);
            // And learnt anew when it is set right.
            rig.emulator.set_clock_offset(0);
            resolve(&kms, &key).expect("known");
            assert_eq!(rig.requests(), expected, "{} {offset}", about.uri);
        }
    }
}

/// What is signed to get a token has a time too.
#[test]
fn a_wrong_clock_is_corrected_at_the_login() {
    let certificate =
        |rig: &Rig| rig.file("certificate.pem", &rig.variable("EMULATOR_CLIENT_CERTIFICATE"));
    for about in [google::ABOUT, azure::VAULT] {
        let (rig, key) = ready(about);
        for offset in [400, -400, 86_400, -86_400] {
            rig.emulator.set_clock_offset(offset);
            let kms = match about.provider {
                Provider::Azure => {
                    let path = certificate(&rig);
                    let by =
                        [("AZURE_CLIENT_SECRET", ""), ("AZURE_CLIENT_CERTIFICATE_PATH", &path)];
                    rig.again(&by)
                }
                _ => rig.again(&[]),
            };
            resolve(&kms, &key).unwrap_or_else(|error| panic!("{} {offset}: {error}", about.uri));
            let logins = rig.emulator.take_calls()["token"];
            assert!((1..=2).contains(&logins), "{logins} logins at {offset}");
            // Not once more for each request.
            resolve(&kms, &key).expect("known");
            assert_eq!(rig.requests(), 1, "{} {offset}", about.uri);
        }
    }
}

#[test]
fn throttling_is_waited_for() {
    for about in ALL {
        let (rig, key) = ready(about);
        rig.emulator.throttle(2);
        resolve(&rig.kms, &key).expect("in the end");
        assert_eq!(rig.requests(), 3, "{}", about.uri);
        rig.emulator.throttle(100);
        let error = resolve(&rig.kms, &key).expect_err("throttled");
        assert_eq!(error.code(), ErrorCode::KmsThrottled, "{}: {error}", about.uri);
        assert_eq!(rig.requests(), 4, "{}: once and three times again", about.uri);
        // Administration is sent once, and says for how long to wait where the service does.
        let describe = AdminRequest::DescribeKey { key: key.clone() };
        let error = rig.administer(&describe).expect_err("throttled");
        assert_eq!((error.code(), rig.requests()), (ErrorCode::KmsThrottled, 1), "{error}");
        let says = matches!(about.provider, Provider::Azure | Provider::Alibaba);
        let asked = says.then(|| Duration::from_secs(1));
        assert_eq!(error.retry(), Retry::Later(asked), "{}", about.uri);
        tells_nothing(&rig, &error);
        rig.emulator.throttle(0);
        resolve(&rig.kms, &key).expect("known again");
    }
}

#[test]
fn a_service_that_cannot_answer_is_asked_again() {
    for about in ALL {
        let (rig, key) = ready(about);
        for fault in [Fault::Unavailable, Fault::Closed] {
            rig.emulator.fault(fault, 1);
            resolve(&rig.kms, &key).expect("in the end");
            assert_eq!(rig.requests(), 2, "{} {}", about.uri, fault.name());
            rig.emulator.fault(fault, 100);
            let describe = AdminRequest::DescribeKey { key: key.clone() };
            let error = rig.administer(&describe).expect_err("unavailable");
            let uri = about.uri;
            assert_eq!(error.code(), ErrorCode::KmsUnavailable, "{uri} {}", fault.name());
            assert!(matches!(error.retry(), Retry::Later(_)), "{uri}: {error}");
            tells_nothing(&rig, &error);
            rig.emulator.fault(fault, 0);
            rig.requests();
        }
    }
}

/// Answers that no service gives are told apart, and the call is not repeated.
#[test]
fn what_is_no_answer_is_not_believed() {
    let hostile = [Fault::Html, Fault::Redirect, Fault::Truncated, Fault::Huge];
    for about in ALL {
        let (rig, key) = ready(about);
        let (_, wrapped) = generate(&rig, &key, &context()).expect("a data key");
        let requests = [
            Request::GenerateDataKey { key: key.clone(), context: context() },
            Request::Unwrap { wrapped, context: context(), key: None },
            Request::Wrap { key: key.clone(), data_key: secret(&[0xa5; 32]), context: context() },
            Request::ResolveKey { key: key.clone() },
        ];
        rig.requests();
        for fault in hostile {
            let what = format!("{} {}", about.uri, fault.name());
            for request in &requests {
                rig.emulator.fault(fault, 1);
                let error = rig.call(request).expect_err("no answer");
                assert_eq!(error.code(), ErrorCode::KmsProtocol, "{what} {request:?}: {error}");
                assert_eq!(rig.requests(), 1, "{what}");
                tells_nothing(&rig, &error);
            }
            rig.emulator.fault(fault, 1);
            let describe = AdminRequest::DescribeKey { key: key.clone() };
            let error = rig.administer(&describe).expect_err("no answer");
            assert_eq!(error.code(), ErrorCode::KmsProtocol, "{what}: {error}");
            rig.requests();
            // The source of tokens is not believed either.
            if matches!(about.provider, Provider::Google | Provider::Azure) {
                let kms = rig.again(&[]);
                rig.emulator.fault(fault, 1);
                let error = resolve(&kms, &key).expect_err("no token");
                assert_eq!(error.code(), ErrorCode::KmsProtocol, "login, {what}: {error}");
                assert_eq!(rig.requests(), 1, "login, {what}");
                tells_nothing(&rig, &error);
            }
        }
        // Nothing of it stays.
        generate(&rig, &key, &context()).expect("a data key");
    }
}

/// Errors that a service makes of its own words show neither what was sent nor who sent it.
#[test]
fn refusals_tell_nothing() {
    for about in ALL {
        let (rig, key) = ready(about);
        let (_, wrapped) = generate(&rig, &key, &context()).expect("a data key");
        let disable = AdminRequest::DisableKey { key: key.clone() };
        rig.administer(&disable).expect("disabled");
        let again = unwrap(&rig, &wrapped, &context(), None).expect_err("disabled");
        tells_nothing(&rig, &again);
        let wrap =
            Request::Wrap { key: key.clone(), data_key: secret(&[0xa5; 32]), context: context() };
        let error = rig.call(&wrap).expect_err("disabled");
        assert_eq!(error.code(), ErrorCode::KmsKeyUnavailable, "{}: {error}", about.uri);
        tells_nothing(&rig, &error);
        assert_eq!(refused(generate(&rig, &key, &context())), ErrorCode::KmsKeyUnavailable);
        assert!(!format!("{wrap:?}").contains("pqWlpaWl"));
    }
}
