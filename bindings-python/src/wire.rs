//! Requests and responses between the core and `keyfold.kms`.

use keyfold::kms::{DataKeyReply, Request, Response, SignInput};
use keyfold::sign::SignatureAlgorithm;
use keyfold::{
    DataKey, EncryptionContext, Error, ErrorCode, KeyUri, ProviderParams, SecretBytes, WrappedKey,
};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyModule};
use zeroize::Zeroizing;

use crate::buffer::Input;
use crate::embedded::secret;
use crate::errors::OrRaise;
use crate::keys::{ContextArg, KeyArg};
use crate::secret::Secret;
use crate::sign::AlgorithmArg;

fn module(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import(intern!(py, "keyfold.kms"))
}

fn make<'py>(
    py: Python<'py>,
    class: &str,
    members: &[(&str, Py<PyAny>)],
) -> PyResult<Bound<'py, PyAny>> {
    let options = PyDict::new(py);
    for (name, value) in members {
        options.set_item(name, value)?;
    }
    module(py)?.getattr(class)?.call((), Some(&options))
}

/// Objects out of the parts of a request.
trait ToPython {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>>;
}

impl ToPython for KeyUri {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        crate::keys::to_python(py, self)
    }
}

impl ToPython for str {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.into_pyobject(py)?.into_any().unbind())
    }
}

impl ToPython for [u8] {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(PyBytes::new(py, self).into_any().unbind())
    }
}

impl ToPython for SecretBytes {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let copy = SecretBytes::from(self.expose());
        Ok(Py::new(py, Secret::of(copy, None))?.into_any())
    }
}

impl ToPython for DataKey {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        SecretBytes::from(self.expose().as_slice()).object(py)
    }
}

impl ToPython for EncryptionContext {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let pairs = PyDict::new(py);
        for (name, value) in self.iter() {
            pairs.set_item(name, value)?;
        }
        Ok(pairs.into_any().unbind())
    }
}

impl ToPython for bool {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.into_pyobject(py)?.to_owned().into_any().unbind())
    }
}

impl ToPython for SignatureAlgorithm {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.as_str().object(py)
    }
}

impl ToPython for WrappedKey {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let parameters = PyDict::new(py);
        for (name, value) in &self.params {
            parameters.set_item(name, PyBytes::new(py, value))?;
        }
        let members = [
            ("key", self.key.object(py)?),
            ("ciphertext", self.ciphertext.object(py)?),
            ("parameters", parameters.into_any().unbind()),
        ];
        Ok(make(py, "WrappedKey", &members)?.unbind())
    }
}

impl<T: ToPython> ToPython for Option<T> {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.as_ref().map_or_else(|| Ok(py.None()), |value| value.object(py))
    }
}

impl ToPython for String {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.as_str().object(py)
    }
}

/// What is signed, and whether it is a digest.
fn parts(input: &SignInput) -> (&[u8], bool) {
    match input {
        SignInput::Message(message) => (message, false),
        SignInput::Digest(digest) => (digest, true),
    }
}

/// A request as `keyfold.kms` has it.
pub(crate) fn request<'py>(py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyAny>> {
    macro_rules! make {
        ($class:literal $(, $member:ident)*) => {
            make(py, $class, &[$((stringify!($member), $member.object(py)?)),*])
        };
    }
    match request {
        Request::GenerateDataKey { key, context } => make!("GenerateDataKey", key, context),
        Request::Wrap { key, data_key, context } => make!("Wrap", key, data_key, context),
        Request::Unwrap { wrapped, context, key } => make!("Unwrap", wrapped, context, key),
        Request::Rewrap { wrapped, context, key, to } => {
            make!("Rewrap", wrapped, context, key, to)
        }
        Request::Encrypt { key, plaintext, context } => make!("Encrypt", key, plaintext, context),
        Request::Decrypt { key, ciphertext, context } => {
            make!("Decrypt", key, ciphertext, context)
        }
        Request::Sign { key, algorithm, input } => {
            let (message, is_digest) = parts(input);
            make!("Sign", key, algorithm, message, is_digest)
        }
        Request::Verify { key, algorithm, input, signature } => {
            let (message, is_digest) = parts(input);
            make!("Verify", key, algorithm, message, is_digest, signature)
        }
        Request::GetPublicKey { key } => make!("GetPublicKey", key),
        Request::ResolveKey { key } => make!("ResolveKey", key),
        Request::PutSecret { name, value, key, token } => {
            make!("PutSecret", name, value, key, token)
        }
        Request::GetSecret { name, version, stage } => make!("GetSecret", name, version, stage),
        _ => {
            let detail = "a KMS written in Python does not know this request yet";
            Err(Error::new(ErrorCode::InvalidArgument, detail)).or_raise(py)
        }
    }
}

impl ToPython for Vec<u8> {
    fn object(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.as_slice().object(py)
    }
}

/// A response as `keyfold.kms` has it.
pub(crate) fn response(py: Python<'_>, response: &Response) -> PyResult<Py<PyAny>> {
    macro_rules! make {
        ($class:literal $(, $member:ident)*) => {
            make(py, $class, &[$((stringify!($member), $member.object(py)?)),*])?.unbind()
        };
    }
    Ok(match response {
        Response::DataKey { data_key, wrapped } => {
            let data_key = &data_key.0;
            make!("DataKey", data_key, wrapped)
        }
        Response::Wrapped(wrapped) => wrapped.object(py)?,
        Response::Unwrapped(data_key) => {
            let data_key = &data_key.0;
            make!("Unwrapped", data_key)
        }
        Response::Ciphertext { ciphertext, key } => make!("Ciphertext", ciphertext, key),
        Response::Plaintext { plaintext, key } => make!("Plaintext", plaintext, key),
        Response::Signature(signature) => make!("Signature", signature),
        Response::Verified => make!("Verified"),
        Response::PublicKey { spki, key } => make!("PublicKeyInfo", spki, key),
        Response::Key(key) => make!("Key", key),
        Response::SecretVersion { version } => make!("SecretVersion", version),
        Response::Secret { value, version } => make!("SecretValue", value, version),
        _ => {
            let detail = "Python does not know this response yet";
            return Err(Error::new(ErrorCode::KmsProtocol, detail)).or_raise(py);
        }
    })
}

/// The parts of an object of `keyfold.kms`.
struct Members<'a, 'py>(&'a Bound<'py, PyAny>);

impl Members<'_, '_> {
    fn key(&self, name: &str) -> PyResult<KeyUri> {
        Ok(self.0.getattr(name)?.extract::<KeyArg>()?.0)
    }

    fn optional_key(&self, name: &str) -> PyResult<Option<KeyUri>> {
        Ok(self.0.getattr(name)?.extract::<Option<KeyArg>>()?.map(|key| key.0))
    }

    fn context(&self) -> PyResult<EncryptionContext> {
        Ok((*self.0.getattr("context")?.extract::<ContextArg>()?.0).clone())
    }

    fn bytes(&self, name: &str) -> PyResult<Vec<u8>> {
        Ok(self.0.getattr(name)?.extract::<Input>()?.bytes().to_vec())
    }

    fn secret(&self, name: &str) -> PyResult<SecretBytes> {
        secret(&self.0.getattr(name)?)
    }

    fn text(&self, name: &str) -> PyResult<String> {
        self.0.getattr(name)?.extract()
    }

    fn optional_text(&self, name: &str) -> PyResult<Option<String>> {
        self.0.getattr(name)?.extract()
    }

    fn wrapped(&self) -> PyResult<WrappedKey> {
        Members(&self.0.getattr("wrapped")?).as_wrapped()
    }

    fn as_wrapped(&self) -> PyResult<WrappedKey> {
        let mut params = ProviderParams::new();
        for pair in self.0.getattr("parameters")?.call_method0("items")?.try_iter()? {
            let (name, value) = pair?.extract::<(String, Input)>()?;
            params.insert(name, value.bytes().to_vec());
        }
        Ok(WrappedKey { key: self.key("key")?, params, ciphertext: self.bytes("ciphertext")? })
    }

    fn data_key(&self) -> PyResult<DataKeyReply> {
        let value = self.secret("data_key")?;
        let mut bytes = Zeroizing::new(value.expose().to_vec());
        // A KMS that answers another length breaks its protocol.
        let wrong = |_| Error::new(ErrorCode::KmsProtocol, "a data key has 32 bytes");
        DataKey::take(&mut bytes).map(DataKeyReply).map_err(wrong).or_raise(self.0.py())
    }

    fn input(&self) -> PyResult<SignInput> {
        let message = self.bytes("message")?;
        let is_digest: bool = self.0.getattr("is_digest")?.extract()?;
        Ok(if is_digest { SignInput::Digest(message) } else { SignInput::Message(message) })
    }

    fn class(&self) -> PyResult<String> {
        let class = self.0.get_type();
        // Only the classes of the module count: others may have the same name.
        if class.module()? != "keyfold.kms" {
            return Ok(String::new());
        }
        Ok(class.name()?.to_string())
    }
}

/// The request behind an object of `keyfold.kms`.
pub(crate) fn to_request(object: &Bound<'_, PyAny>) -> PyResult<Request> {
    let members = Members(object);
    Ok(match members.class()?.as_str() {
        "GenerateDataKey" => {
            Request::GenerateDataKey { key: members.key("key")?, context: members.context()? }
        }
        "Wrap" => Request::Wrap {
            key: members.key("key")?,
            data_key: members.secret("data_key")?,
            context: members.context()?,
        },
        "Unwrap" => Request::Unwrap {
            wrapped: members.wrapped()?,
            context: members.context()?,
            key: members.optional_key("key")?,
        },
        "Rewrap" => Request::Rewrap {
            wrapped: members.wrapped()?,
            context: members.context()?,
            key: members.optional_key("key")?,
            to: members.key("to")?,
        },
        "Encrypt" => Request::Encrypt {
            key: members.key("key")?,
            plaintext: members.secret("plaintext")?,
            context: members.context()?,
        },
        "Decrypt" => Request::Decrypt {
            key: members.optional_key("key")?,
            ciphertext: members.bytes("ciphertext")?,
            context: members.context()?,
        },
        "Sign" => Request::Sign {
            key: members.key("key")?,
            algorithm: object.getattr("algorithm")?.extract::<AlgorithmArg>()?.0,
            input: members.input()?,
        },
        "Verify" => Request::Verify {
            key: members.key("key")?,
            algorithm: object.getattr("algorithm")?.extract::<AlgorithmArg>()?.0,
            input: members.input()?,
            signature: members.bytes("signature")?,
        },
        "GetPublicKey" => Request::GetPublicKey { key: members.key("key")? },
        "ResolveKey" => Request::ResolveKey { key: members.key("key")? },
        "PutSecret" => Request::PutSecret {
            name: members.text("name")?,
            value: members.secret("value")?,
            key: members.optional_key("key")?,
            token: members.text("token")?,
        },
        "GetSecret" => Request::GetSecret {
            name: members.text("name")?,
            version: members.optional_text("version")?,
            stage: members.optional_text("stage")?,
        },
        _ => return Err(PyTypeError::new_err("this is not a request of keyfold.kms")),
    })
}

/// The response behind an object of `keyfold.kms`.
pub(crate) fn to_response(object: &Bound<'_, PyAny>) -> PyResult<Response> {
    let members = Members(object);
    Ok(match members.class()?.as_str() {
        "DataKey" => {
            Response::DataKey { data_key: members.data_key()?, wrapped: members.wrapped()? }
        }
        "WrappedKey" => Response::Wrapped(members.as_wrapped()?),
        "Unwrapped" => Response::Unwrapped(members.data_key()?),
        "Ciphertext" => Response::Ciphertext {
            ciphertext: members.bytes("ciphertext")?,
            key: members.key("key")?,
        },
        "Plaintext" => Response::Plaintext {
            plaintext: members.secret("plaintext")?,
            key: members.key("key")?,
        },
        "Signature" => Response::Signature(members.bytes("signature")?),
        "Verified" => Response::Verified,
        "PublicKeyInfo" => {
            Response::PublicKey { spki: members.bytes("spki")?, key: members.key("key")? }
        }
        "Key" => Response::Key(members.key("key")?),
        "SecretVersion" => Response::SecretVersion { version: members.text("version")? },
        "SecretValue" => {
            Response::Secret { value: members.secret("value")?, version: members.text("version")? }
        }
        _ => {
            let detail = "the KMS written in Python answered no response of keyfold.kms";
            return Err(Error::new(ErrorCode::KmsProtocol, detail)).or_raise(object.py());
        }
    })
}
