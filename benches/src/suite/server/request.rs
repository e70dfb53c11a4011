//! Signed requests as bytes, ready to be sent any number of times.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use keyfold::SecretBytes;
use keyfold::credentials::Credentials;
use keyfold::kms::aws;
use keyfold::transport::HttpRequest;
use serde_json::Value;

/// The region of every server here.
const REGION: &str = "us-east-1";

/// Where a server is and who calls it.
pub(crate) struct Endpoint {
    address: String,
    credentials: Credentials,
}

impl Endpoint {
    pub(crate) fn new(address: &str, credentials: Credentials) -> Self {
        Endpoint { address: address.to_owned(), credentials }
    }

    /// A request as it goes over the wire. It is good for a few minutes.
    pub(crate) fn request(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>> {
        let mut request = HttpRequest {
            method: "POST".into(),
            url: format!("http://{}/", self.address),
            headers: vec![
                ("content-type".into(), "application/x-amz-json-1.1".into()),
                ("x-amz-target".into(), format!("TrentService.{operation}")),
            ],
            body: body.to_vec(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        aws::sign(&mut request, &self.credentials, REGION, "kms", now)?;
        let mut bytes = format!("POST / HTTP/1.1\r\nhost: {}\r\n", self.address).into_bytes();
        for (name, value) in &request.headers {
            write!(bytes, "{name}: {value}\r\n")?;
        }
        write!(bytes, "content-length: {}\r\n\r\n", body.len())?;
        bytes.extend_from_slice(body);
        Ok(bytes)
    }

    /// Sends one request over a connection of its own and reads the answer.
    pub(crate) fn call(&self, operation: &str, body: &Value) -> Result<Value> {
        let mut request = self.request(operation, body.to_string().as_bytes())?;
        let close = b"connection: close\r\n";
        let at = request.windows(2).position(|bytes| bytes == b"\r\n").context("a request")? + 2;
        request.splice(at..at, close.iter().copied());
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(&request)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let text = String::from_utf8(answer)?;
        let (head, body) = text.split_once("\r\n\r\n").context("no answer")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{operation}: {text}");
        Ok(serde_json::from_str(body)?)
    }
}

/// Credentials that nobody checks.
pub(crate) fn dummy() -> Result<Credentials> {
    Ok(Credentials::access_key("AKIDEXAMPLE", &SecretBytes::from(&b"secret"[..]), None)?)
}

/// What `keyfold access-key create --json` prints.
pub(crate) fn parse(json: &[u8]) -> Result<Credentials> {
    let made: Value = serde_json::from_slice(json)?;
    let text = |name: &str| made[name].as_str().with_context(|| format!("no {name}"));
    let secret = SecretBytes::from(text("secret_access_key")?.as_bytes());
    Ok(Credentials::access_key(text("access_key_id")?, &secret, None)?)
}
