//! The KMS of any cloud over the host's `fetch`, and several KMSs behind one.

use std::rc::Rc;
use std::sync::Arc;

use js_sys::{Array, Function};
use keyfold::credentials::{
    AzureAuthority, AzureClientCredentials, CachedCredentials, CredentialsChain,
    CredentialsProvider, GoogleServiceAccount, GoogleServiceAccountCredentials, StaticCredentials,
};
use keyfold::kms::azure::AzureConfig;
use keyfold::kms::cloud::{CloudUri, ConnectedCloud, Places, check_places, connect};
use keyfold::kms::remote::RemoteOptions;
use keyfold::transport::Transport;
use keyfold::{Error, ErrorCode, Result, RetryLimits, SecretBytes};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::clock::HostClock;
use crate::errors::{Js, milliseconds, to_js};
use crate::foreign::{Foreign, ForeignKms};
use crate::host::{HostCredentials, HostTransport, read_credentials};
use crate::task::{begin, perform};
use crate::wire::bytes;

/// A KMS of a cloud.
#[wasm_bindgen]
pub struct CloudKms(Arc<ConnectedCloud>);

#[wasm_bindgen]
impl CloudKms {
    /// `places` are `[name, member, value]` in turn; the rest is as at `RemoteKms`, but for `fixed`,
    /// which may be of the kind `google` (the JSON of a service account's key) or `azure` (the id of
    /// an application, its secret, its tenant) too.
    #[wasm_bindgen(constructor)]
    pub fn new(
        uri: &str,
        places: Vec<String>,
        timeout: f64,
        retries: u32,
        credentials: Function,
        fixed: JsValue,
        send: Function,
    ) -> Js<CloudKms> {
        let options = RemoteOptions {
            retry: RetryLimits { max_retries: retries as usize, ..RetryLimits::default() },
            deadline: milliseconds(timeout),
            ..RemoteOptions::default()
        };
        let make = || -> Result<CloudKms> {
            let places = read_places(&places)?;
            let transport: Arc<dyn Transport> = Arc::new(HostTransport(Foreign(send)));
            let provider: Arc<dyn CredentialsProvider> = if fixed.is_undefined() {
                Arc::new(CachedCredentials::new(HostCredentials(Foreign(credentials)), HostClock))
            } else {
                who(&fixed, uri, &places, &transport)?
            };
            let kms = connect(uri, &places, provider, transport, &HostClock, &options)?;
            Ok(CloudKms(Arc::new(kms)))
        };
        make().map_err(|error| to_js(&error))
    }

    /// Performs a request of `js/kms.ts`.
    pub fn call(&self, request: &JsValue) -> Js {
        perform(self.0.clone(), request)
    }

    /// Performs an operation by its name, JSON in and JSON out.
    pub fn operation(&self, name: String, body: Vec<u8>) -> Js {
        let kms = self.0.clone();
        begin(async move {
            let body = Zeroizing::new(body);
            let answer = kms.operation(&name, &body).await;
            answer.map(|answer| bytes(&answer)).map_err(|error| to_js(&error))
        })
    }

    /// What it can, in JSON.
    pub fn capabilities(&self) -> String {
        serde_json::to_string(self.0.kms().config().capabilities()).unwrap_or_default()
    }
}

fn read_places(words: &[String]) -> Result<Places> {
    let mut places = Places::new();
    let mut tables = std::collections::BTreeMap::<&str, Vec<(String, String)>>::new();
    for [name, member, value] in words.as_chunks::<3>().0 {
        let table = tables.entry(name).or_default();
        // A place without anything is one of the vendor's, and its name is checked all the same.
        if !member.is_empty() {
            table.push((member.clone(), value.clone()));
        }
    }
    for (name, table) in tables {
        places.insert(name.to_owned(), table.into_iter().collect());
    }
    check_places(&places)?;
    Ok(places)
}

/// Credentials that do not change, or that are exchanged for a token.
fn who(
    fixed: &JsValue,
    uri: &str,
    places: &Places,
    transport: &Arc<dyn Transport>,
) -> Result<Arc<dyn CredentialsProvider>> {
    let given = Array::from(fixed);
    let text = |place| given.get(place).as_string().unwrap_or_default();
    let source: Box<dyn CredentialsProvider> = match text(0).as_str() {
        "google" => {
            let account = GoogleServiceAccount::parse(&SecretBytes::new(text(1).into_bytes()))?;
            let (transport, clock) = (transport.clone(), HostClock);
            Box::new(GoogleServiceAccountCredentials::new(transport, clock, account))
        }
        "azure" => {
            let uri = CloudUri::parse(uri)?;
            if uri.scheme() != "azure" {
                let detail = "an application with a secret is for azure";
                return Err(Error::new(ErrorCode::InvalidArgument, detail));
            }
            let place = places.get(&format!("azure://{}", uri.place())).cloned();
            let config = AzureConfig::of_place(uri.place(), &place.unwrap_or_default())?;
            let (tenant, resource) = (text(3), config.resource());
            let authority = match given.get(4).as_string() {
                Some(host) => AzureAuthority::at(host.trim_end_matches('/'), &tenant, resource)?,
                None => AzureAuthority::new(&tenant, resource)?,
            };
            let secret = SecretBytes::new(text(2).into_bytes());
            let made = AzureClientCredentials::with_secret(
                transport.clone(),
                HostClock,
                authority,
                &text(1),
                secret,
            );
            Box::new(made?)
        }
        _ => return Ok(Arc::new(StaticCredentials::new(read_credentials(fixed)?))),
    };
    Ok(Arc::new(CachedCredentials::new(CredentialsChain::new(vec![source]), HostClock)))
}

/// Several KMSs of JavaScript behind one.
#[wasm_bindgen]
pub struct Router(Rc<keyfold::RouterKms>);

#[wasm_bindgen]
impl Router {
    /// `calls` are functions as `Client` takes them, one for each prefix, and one more for all other
    /// keys where there is one.
    #[wasm_bindgen(constructor)]
    pub fn new(prefixes: Vec<String>, calls: Vec<Function>) -> Router {
        let mut router = keyfold::RouterKms::new();
        let mut prefixes = prefixes.into_iter();
        for call in calls {
            let kms = ForeignKms(Foreign(call));
            router = match prefixes.next() {
                Some(prefix) => router.route(prefix, kms),
                None => router.otherwise(kms),
            };
        }
        Router(Rc::new(router))
    }

    /// Performs a request of `js/kms.ts`.
    pub fn call(&self, request: &JsValue) -> Js {
        perform(self.0.clone(), request)
    }
}
