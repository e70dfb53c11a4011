//! A client of the server that shares nothing with ours: a socket, SigV4 and JSON, no retries.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use keyfold::crypto::hash::{Sha256, hmac_sha256};
use keyfold_kms::Timestamp;
use serde_json::Value;

use crate::hex;
use crate::server::AccessKey;

const REGION: &str = "us-east-1";
/// A whole minute for one answer would be a hang.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Which service an operation is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Kms,
    Secrets,
}

impl Service {
    /// Its name in the scope of a signature, and the prefix of its targets.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Service::Kms => ("kms", "TrentService"),
            Service::Secrets => ("secretsmanager", "secretsmanager"),
        }
    }
}

/// Why there is no good answer.
#[derive(Debug)]
pub enum CallError {
    /// The server refused, with this status and `__type`.
    Refused { status: u16, name: String, message: String },
    /// The connection broke: nobody knows what became of the call.
    Broken(io::Error),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused { status, name, message } => write!(f, "{status} {name}: {message}"),
            CallError::Broken(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        CallError::Broken(error)
    }
}

/// One caller with one connection, which is kept alive.
pub struct Client {
    address: String,
    key: AccessKey,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// Connects at the first call.
    pub fn new(address: &str, key: &AccessKey) -> Self {
        Client { address: address.to_owned(), key: key.clone(), connection: None }
    }

    /// Calls one operation of the KMS.
    ///
    /// # Errors
    /// A refusal, or a connection that broke.
    pub fn kms(&mut self, operation: &str, request: &Value) -> Result<Value, CallError> {
        self.call(Service::Kms, operation, request)
    }

    /// Calls one operation on secrets.
    ///
    /// # Errors
    /// A refusal, or a connection that broke.
    pub fn secrets(&mut self, operation: &str, request: &Value) -> Result<Value, CallError> {
        self.call(Service::Secrets, operation, request)
    }

    fn call(
        &mut self,
        service: Service,
        operation: &str,
        request: &Value,
    ) -> Result<Value, CallError> {
        let body = request.to_string();
        let head = self.head(service, operation, &body);
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            BufReader::new(stream)
        };
        connection.get_mut().write_all([head.as_bytes(), body.as_bytes()].concat().as_slice())?;
        let (status, answer) = read_response(&mut connection)?;
        self.connection = Some(connection);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let answer: Value = if answer.is_empty() {
            Value::Object(serde_json::Map::new())
        } else {
            serde_json::from_slice(&answer).map_err(invalid)?
        };
        if status == 200 {
            return Ok(answer);
        }
        let text = |names: [&str; 2]| {
            names.iter().find_map(|name| answer[*name].as_str()).unwrap_or_default().to_owned()
        };
        Err(CallError::Refused {
            status,
            name: text(["__type", "__type"]),
            message: text(["message", "Message"]),
        })
    }

    /// The request line and the headers, signed.
    fn head(&self, service: Service, operation: &str, body: &str) -> String {
        let (service, prefix) = service.names();
        let time = now();
        let date = &time[..8];
        let headers = format!(
            "content-type:application/x-amz-json-1.1\nhost:{}\nx-amz-date:{time}\n\
             x-amz-target:{prefix}.{operation}\n",
            self.address
        );
        let signed = "content-type;host;x-amz-date;x-amz-target";
        let hash = hex::encode(&Sha256::digest(body.as_bytes()));
        let canonical = format!("POST\n/\n\n{headers}\n{signed}\n{hash}");
        let scope = format!("{date}/{REGION}/{service}/aws4_request");
        let canonical = hex::encode(&Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical}");
        let mut key = format!("AWS4{}", self.key.secret).into_bytes();
        for part in [date, REGION, service, "aws4_request"] {
            key = hmac_sha256(&key, &[part.as_bytes()]).to_vec();
        }
        let signature = hex::encode(&hmac_sha256(&key, &[to_sign.as_bytes()]));
        format!(
            "POST / HTTP/1.1\r\n{}authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, \
             SignedHeaders={signed}, Signature={signature}\r\ncontent-length: {}\r\n\r\n",
            headers.replace('\n', "\r\n"),
            self.key.id,
            body.len()
        )
    }
}

/// The time as signatures have it: `20261122T000000Z`.
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or_default();
    let text = Timestamp::from_millis(millis).to_string();
    let mut digits: String = text.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    digits.truncate("20261122T000000".len());
    digits + "Z"
}

/// Status and body; every answer of the server says how long it is.
fn read_response(connection: &mut impl BufRead) -> io::Result<(u16, Vec<u8>)> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let (mut status, mut length) = (None, None);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if status.is_none() {
            status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        } else if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    let length: usize = length.ok_or_else(|| invalid("no length"))?;
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok((status.ok_or_else(|| invalid("no status"))?, body))
}
