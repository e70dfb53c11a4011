//! [`AwsKms`] over a transport, and keyrings over several KMS.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use keyfold::credentials::{Credentials, CredentialsProvider};
use keyfold::kms::aws::{AwsConfig, AwsKms, Service};
use keyfold::kms::{Kms, Request, Response};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::TransportError;
use keyfold::{Client, EncryptionContext, Error, ErrorCode, Header, KeyUri, Keyring, RouterKms};
use keyfold_kms::EmbeddedKms;
use keyfold_kms::types::KeySpec;
use pollster::block_on;

use crate::support::*;

fn kms(transport: &Canned, credentials: Arc<dyn CredentialsProvider>) -> AwsKms<Canned> {
    let config = AwsConfig::aws("us-east-1").expect("a configuration");
    AwsKms::new(transport.clone(), Noon, credentials, config)
}

fn resolve() -> Request {
    Request::ResolveKey { key: "aws:alias/docs".parse().expect("a key URI") }
}

fn resolved() -> keyfold::transport::HttpResponse {
    answer(200, &format!(r#"{{"KeyMetadata":{{"Arn":"{ARN}"}}}}"#))
}

/// Gives other credentials after each refusal.
#[derive(Default)]
struct Renewing {
    current: Mutex<Option<Arc<Credentials>>>,
    made: AtomicUsize,
}

impl CredentialsProvider for Renewing {
    fn credentials(&self) -> BoxFuture<'_, keyfold::Result<Option<Arc<Credentials>>>> {
        let mut current = self.current.lock().expect("no panic");
        let credentials = current.get_or_insert_with(|| {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            Arc::new(bearer(&format!("token-{number}")))
        });
        Box::pin(std::future::ready(Ok(Some(credentials.clone()))))
    }

    fn refused(&self, refused: &Arc<Credentials>) {
        let mut current = self.current.lock().expect("no panic");
        current.take_if(|known| Arc::ptr_eq(known, refused));
    }
}

struct Nobody;

impl CredentialsProvider for Nobody {
    fn credentials(&self) -> BoxFuture<'_, keyfold::Result<Option<Arc<Credentials>>>> {
        Box::pin(async { Ok(None) })
    }
}

#[test]
fn a_call_is_sent_again_for_a_clock_and_for_credentials_only() {
    let skewed = with(exception("RequestTimeTooSkewed"), "date", "Tue, 14 Nov 2023 23:13:20 GMT");
    let transport = Canned::new([skewed, resolved(), resolved()]);
    let remote = kms(&transport, fixed());
    assert!(matches!(block_on(remote.call(&resolve())), Ok(Response::Key(_))));
    assert!(matches!(block_on(remote.call(&resolve())), Ok(Response::Key(_))));
    let dates: Vec<_> =
        transport.sent().iter().map(|http| header(http, "x-amz-date").map(str::to_owned)).collect();
    let dates: Vec<&str> = dates.iter().flatten().map(String::as_str).collect();
    assert_eq!(dates, ["20231114T221320Z", "20231114T231320Z", "20231114T231320Z"]);

    let transport = Canned::new([exception("ExpiredTokenException"), resolved()]);
    let remote = kms(&transport, Arc::new(Renewing::default()));
    assert!(block_on(remote.call(&resolve())).is_ok());
    let tokens = transport.sent();
    assert_eq!(header(&tokens[0], "authorization"), Some("Bearer token-0"));
    assert_eq!(header(&tokens[1], "authorization"), Some("Bearer token-1"));

    // Whose provider has no others is told, and nothing is sent again.
    let transport = Canned::new([exception("ExpiredTokenException")]);
    let error = block_on(kms(&transport, fixed()).call(&resolve())).expect_err("refused");
    assert_eq!((error.code(), transport.sent().len()), (ErrorCode::KmsDenied, 1));

    let transport = Canned::new([exception("KMSInternalException")]);
    let error = block_on(kms(&transport, fixed()).call(&resolve())).expect_err("refused");
    assert_eq!((error.code(), transport.sent().len()), (ErrorCode::KmsUnavailable, 1));

    let transport = Canned::default();
    let error = block_on(kms(&transport, Arc::new(Nobody)).call(&resolve())).expect_err("refused");
    assert_eq!((error.code(), transport.sent().len()), (ErrorCode::KmsDenied, 0));

    let down = TransportError::new(ErrorCode::KmsUnavailable, "no route");
    let error = block_on(kms(&Canned::failing(down), fixed()).call(&resolve()));
    assert_eq!(error.expect_err("refused").to_string(), "kms_unavailable: no route");
}

#[test]
fn any_operation_can_be_called_by_its_name() {
    let transport =
        Canned::new([answer(200, r#" {"Secrets":[]}"#), answer(200, ""), answer(200, "null")]);
    let remote = kms(&transport, fixed());
    let listed = block_on(remote.operation(Service::Secrets, "ListSecrets", b"{}".to_vec()));
    assert_eq!(&**listed.expect("an answer"), br#" {"Secrets":[]}"#);
    let body = br#"{"KeyId":"k"}"#.to_vec();
    let enabled = block_on(remote.operation(Service::Kms, "EnableKey", body));
    assert!(enabled.expect("an answer").is_empty());
    let named = block_on(remote.operation(Service::Kms, "CreateAlias", b"{}".to_vec()));
    assert_eq!(&**named.expect("an answer"), b"null");
    let sent = transport.sent();
    assert_eq!(header(&sent[0], "x-amz-target"), Some("secretsmanager.ListSecrets"));
    assert_eq!(sent[1].body, br#"{"KeyId":"k"}"#);
}

/// Counts how many calls are under way at once. Each waits until it has been polled twice.
struct Counting {
    inner: EmbeddedKms,
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Kms for Counting {
    fn call<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Error>> {
        Box::pin(async {
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            Yield(false).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            self.inner.call(request).await
        })
    }
}

#[test]
fn the_keys_of_a_keyring_wrap_at_the_same_time_and_in_their_order() {
    let inner = EmbeddedKms::in_memory().expect("a KMS");
    let names = ["alias/a", "alias/b", "alias/c", "alias/d", "alias/e"];
    let keys: Vec<KeyUri> = names
        .iter()
        .map(|name| inner.create_key(name, KeySpec::SymmetricDefault).expect("a key"))
        .collect();
    let kms = Counting { inner, now: AtomicUsize::new(0), most: AtomicUsize::new(0) };
    let kf = Client::new(&kms);
    let ring = |keys: &[KeyUri]| {
        let first = Keyring::generate_with(keys[0].clone());
        keys[1..].iter().fold(first, |ring, key| ring.also_wrap_with(key.clone()))
    };
    let none = EncryptionContext::new();
    let sealed = block_on(kf.encrypt(b"hello", &ring(&keys), &none)).expect("sealed");
    // One makes the data key, the four others wrap it together.
    assert_eq!(kms.most.swap(0, Ordering::SeqCst), 4);
    let (header, _) = Header::parse(&sealed).expect("a header");
    let recipients: Vec<_> = header.recipients().iter().map(|r| r.key.clone()).collect();
    assert_eq!(recipients, keys);

    let mut reversed = keys.clone();
    reversed.reverse();
    let header = block_on(kf.rewrap(&header, &ring(&keys), &ring(&reversed))).expect("rewrapped");
    assert_eq!(kms.most.load(Ordering::SeqCst), 4);
    let recipients: Vec<_> = header.recipients().iter().map(|r| r.key.clone()).collect();
    assert_eq!(recipients, reversed);
}

#[test]
fn a_keyring_spans_several_kms() {
    let (here, there) =
        (EmbeddedKms::in_memory().expect("a KMS"), EmbeddedKms::in_memory().expect("a KMS"));
    let docs = here.create_key("alias/docs", KeySpec::SymmetricDefault).expect("a key");
    let backup = there.create_key("alias/backup", KeySpec::SymmetricDefault).expect("a key");
    let (here, there) = (Arc::new(here), Arc::new(there));
    let router = RouterKms::new()
        .route("keyfold:", here.clone())
        .route(backup.as_str(), there.clone())
        .otherwise(here.clone());
    let kf = Client::new(router);
    let none = EncryptionContext::new();
    let ring = Keyring::generate_with(docs.clone()).also_wrap_with(backup.clone());
    let sealed = block_on(kf.encrypt(b"hello", &ring, &none)).expect("sealed");
    // Each of them opens it alone.
    for (kms, key) in [(&here, &docs), (&there, &backup)] {
        let alone = Client::new(kms.clone());
        let ring = Keyring::unwrap_with([key.clone()]);
        assert_eq!(block_on(alone.decrypt(&sealed, &ring, &none)).expect("opened"), b"hello");
    }
    // From one to the other no service can rewrap: it is unwrapped and wrapped.
    let (header, body) = Header::parse(&sealed).expect("a header");
    let moved = Keyring::generate_with(backup.clone());
    let from = Keyring::unwrap_with([docs]);
    let header = block_on(kf.rewrap(&header, &from, &moved)).expect("rewrapped");
    assert_eq!(header.recipients().len(), 1);
    let body = &sealed[body..];
    let opened = block_on(Client::new(there.clone()).decrypt_body(&header, body, &moved, &none));
    assert_eq!(opened.expect("opened"), b"hello");

    let alone = Client::new(RouterKms::new().route(backup.as_str(), there));
    let other = Keyring::generate_with("keyfold:alias/docs".parse().expect("a key URI"));
    let error = block_on(alone.encrypt(b"hello", &other, &none)).expect_err("no route");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let error = block_on(alone.secrets().get("name")).expect_err("no route");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}
