//! A process over a shared store that does one operation at a time, as it is told.
//!
//! One JSON object on each line: `{"operation", "principal", "request"}` in, `{"ok"}` or
//! `{"error"}` out. A test drives two of them against one database.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use keyfold_kms::engine::Operation;
use keyfold_kms::root::{EngineOptions, FileSealer};
use keyfold_kms::store::{PostgresStore, PostgresUrl, StoreError};
use keyfold_kms::types::{
    CancelKeyDeletionRequest, CreateAliasRequest, CreateGrantRequest, CreateKeyRequest,
    CreateSecretRequest, DecryptRequest, DescribeKeyRequest, DisableKeyRequest, EnableKeyRequest,
    EncryptRequest, GetSecretValueRequest, ListGrantsRequest, ListKeyRotationsRequest,
    ListSecretVersionIdsRequest, PutKeyPolicyRequest, PutSecretValueRequest, RevokeGrantRequest,
    RotateKeyOnDemandRequest, ScheduleKeyDeletionRequest, UpdateAliasRequest,
};
use keyfold_kms::{Caller, Engine, KmsError, OpenError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is asked.
#[derive(Serialize, Deserialize)]
struct Ask {
    operation: String,
    /// The owner of the store unless it is named.
    principal: Option<String>,
    request: Value,
}

/// Opens the store at a URL with the secret in a file.
///
/// # Panics
/// Where it does not open.
pub fn open(url: &str, secret: &Path) -> Engine {
    let url = PostgresUrl::parse(url).unwrap_or_else(|error| panic!("{error}"));
    let store = PostgresStore::open(&url).unwrap_or_else(|error| panic!("{error}"));
    let sealer = FileSealer::new(secret);
    Engine::open(Box::new(store), &[&sealer], EngineOptions::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Opens the store at a URL, and makes it where it is not there yet or was left half made. Of
/// several that make it at once, one does.
///
/// # Panics
/// Where it can neither be opened nor made.
pub fn make(url: &str, sealer: &FileSealer) -> Engine {
    let url = PostgresUrl::parse(url).unwrap_or_else(|error| panic!("{error}"));
    let open = || PostgresStore::open(&url).unwrap_or_else(|error| panic!("{error}"));
    let store = match PostgresStore::create(&url) {
        Err(StoreError::Exists(_)) => open(),
        made => made.unwrap_or_else(|error| panic!("{error}")),
    };
    match Engine::create(Box::new(store), &[("file", sealer)], EngineOptions::default()) {
        Err(OpenError::Exists) => {
            Engine::open(Box::new(open()), &[sealer], EngineOptions::default())
                .unwrap_or_else(|error| panic!("{error}"))
        }
        made => made.unwrap_or_else(|error| panic!("{error}")),
    }
}

/// Does what its input says, until that ends.
///
/// # Errors
/// Where input or output fail.
///
/// # Panics
/// Where the store does not open or an operation is not known.
pub fn serve(url: &str, secret: &Path) -> io::Result<()> {
    let engine = open(url, secret);
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let ask: Ask = serde_json::from_str(&line?)?;
        let caller = match &ask.principal {
            Some(arn) => Caller::new(arn, &engine.realm().account),
            None => engine.owner(),
        };
        let answer = match answer(&engine, &caller, &ask.operation, &ask.request) {
            Ok(response) => json!({ "ok": response }),
            Err(error) => json!({ "error": error.code().as_str() }),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn one<O>(engine: &Engine, caller: &Caller, request: &Value) -> Result<Value, KmsError>
where
    O: Operation + DeserializeOwned,
    O::Response: Serialize,
{
    let request: O = serde_json::from_value(request.clone()).expect("a request of the known form");
    let response = engine.call(caller, &request)?;
    Ok(serde_json::to_value(response).expect("an answer is plain data"))
}

fn answer(
    engine: &Engine,
    caller: &Caller,
    operation: &str,
    request: &Value,
) -> Result<Value, KmsError> {
    macro_rules! dispatch {
        ($($operation:ty),+ $(,)?) => {
            match operation {
                $(<$operation as Operation>::NAME => one::<$operation>(engine, caller, request),)+
                unknown => panic!("{unknown} is not among the operations of this process"),
            }
        };
    }
    dispatch!(
        CancelKeyDeletionRequest,
        CreateAliasRequest,
        CreateGrantRequest,
        CreateKeyRequest,
        CreateSecretRequest,
        DecryptRequest,
        DescribeKeyRequest,
        DisableKeyRequest,
        EnableKeyRequest,
        EncryptRequest,
        GetSecretValueRequest,
        ListGrantsRequest,
        ListKeyRotationsRequest,
        ListSecretVersionIdsRequest,
        PutKeyPolicyRequest,
        PutSecretValueRequest,
        RevokeGrantRequest,
        RotateKeyOnDemandRequest,
        ScheduleKeyDeletionRequest,
        UpdateAliasRequest,
    )
}

/// Such a process; it ends when this is dropped.
pub struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts one.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn start(program: &str, url: &str, secret: &Path) -> Self {
        let mut child = Command::new(program)
            .arg(url)
            .arg(secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Worker { child, input, output }
    }

    /// Performs an operation, for the owner or another principal; the name of the error where it
    /// fails.
    ///
    /// # Errors
    /// The name of the exception.
    ///
    /// # Panics
    /// Where the process is gone.
    pub fn call(
        &mut self,
        operation: &str,
        principal: Option<&str>,
        request: &Value,
    ) -> Result<Value, String> {
        let ask = Ask {
            operation: operation.to_owned(),
            principal: principal.map(str::to_owned),
            request: request.clone(),
        };
        let mut line = serde_json::to_string(&ask).expect("plain data");
        line.push('\n');
        let input = self.input.as_mut().expect("it runs");
        input.write_all(line.as_bytes()).expect("the worker listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the worker answers");
        let mut said: Value = serde_json::from_str(&line).expect("an answer");
        match said["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(said["ok"].take()),
        }
    }

    /// An operation of the owner that must succeed.
    ///
    /// # Panics
    /// Where it does not.
    pub fn own(&mut self, operation: &str, request: &Value) -> Value {
        self.call(operation, None, request).unwrap_or_else(|error| panic!("{operation}: {error}"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends with its input; where a test panics it may be in the middle of something.
        if std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
