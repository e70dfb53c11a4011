//! The record of small data: a provider's ciphertext with all that decrypting it takes
//! (docs/spec/providers.md, section 4).

use crate::context::{decode_pairs, encode_pairs, put_part, take_part};
use crate::error::{Error, Result};
use crate::keys::{KeyUri, ProviderParams, WrappedKey};
use crate::kms::Response;

/// How every record begins; no vendor's own ciphertext does.
const MAGIC: &[u8; 4] = b"KFP\x01";
/// The longest parameters, encoded, in bytes.
const MAX_PARAMS: usize = 4096;
/// The longest ciphertext, in bytes.
const MAX_CIPHERTEXT: usize = 64 * 1024;
/// The parameter that names the key. It is in records only: recipients of an envelope have it
/// beside their parameters.
const KEY: &str = "key";

/// A ciphertext, and what belongs to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The key's full name; `None` where the ciphertext is the vendor's own.
    pub(crate) key: Option<KeyUri>,
    pub(crate) params: ProviderParams,
    pub(crate) ciphertext: Vec<u8>,
}

impl Record {
    /// # Errors
    /// `kms_protocol` where a part is longer than any service makes it.
    pub(crate) fn encode(mut self) -> Result<Vec<u8>> {
        if let Some(key) = &self.key {
            self.params.insert(KEY.to_owned(), key.as_str().as_bytes().to_vec());
        }
        let parts = |(name, value): (&String, &Vec<u8>)| 4 + name.len() + value.len();
        let len: usize = self.params.iter().map(parts).sum();
        if len + 2 > MAX_PARAMS || !(1..=MAX_CIPHERTEXT).contains(&self.ciphertext.len()) {
            return Err(super::not_understood());
        }
        let mut out = MAGIC.to_vec();
        put_part(&mut out, &encode_pairs(self.params.iter()));
        out.extend_from_slice(&self.ciphertext);
        Ok(out)
    }

    /// Reads a record; what does not begin like one is the vendor's own ciphertext.
    ///
    /// # Errors
    /// `authentication_failed` for a record that [`encode`](Record::encode) would not have made.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
            if !(1..=MAX_CIPHERTEXT).contains(&bytes.len()) {
                return Err(Error::authentication());
            }
            let (params, ciphertext) = (ProviderParams::new(), bytes.to_vec());
            return Ok(Record { key: None, params, ciphertext });
        };
        let params = take_part(&mut rest).filter(|params| params.len() <= MAX_PARAMS);
        let params = params.ok_or_else(Error::authentication)?;
        if !(1..=MAX_CIPHERTEXT).contains(&rest.len()) {
            return Err(Error::authentication());
        }
        let mut params = decode_pairs(params).map_err(|_| Error::authentication())?;
        let key = params.remove(KEY).and_then(|key| String::from_utf8(key).ok());
        let key = key.and_then(|key| KeyUri::new(key).ok()).ok_or_else(Error::authentication)?;
        Ok(Record { key: Some(key), params, ciphertext: rest.to_vec() })
    }
}

impl From<WrappedKey> for Record {
    fn from(WrappedKey { key, params, ciphertext }: WrappedKey) -> Self {
        Record { key: Some(key), params, ciphertext }
    }
}

/// Small data that a service has encrypted, as the caller has it.
///
/// # Errors
/// Those of [`Record::encode`].
pub(crate) fn small_data(encrypted: WrappedKey) -> Result<Response> {
    let key = encrypted.key.clone();
    Ok(Response::Ciphertext { ciphertext: Record::from(encrypted).encode()?, key })
}

impl WrappedKey {
    /// The same in one piece, as a relay passes it on (docs/spec/providers.md, clause 4.1).
    ///
    /// ```
    /// use keyfold::WrappedKey;
    ///
    /// let wrapped = WrappedKey {
    ///     key: "tencent://ap-guangzhou/23e80852-1e38".parse()?,
    ///     params: Default::default(),
    ///     ciphertext: b"AQID".to_vec(),
    /// };
    /// let record = wrapped.to_record()?;
    /// assert_eq!(WrappedKey::from_record(&record)?, wrapped);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// `kms_protocol` where parameters or ciphertext are longer than any service makes them.
    pub fn to_record(&self) -> Result<Vec<u8>> {
        Record::from(self.clone()).encode()
    }

    /// Reads such a record.
    ///
    /// # Errors
    /// `authentication_failed` for anything else.
    pub fn from_record(record: &[u8]) -> Result<Self> {
        let Record { key, params, ciphertext } = Record::decode(record)?;
        let key = key.ok_or_else(Error::authentication)?;
        Ok(WrappedKey { key, params, ciphertext })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            key: Some("tencent://ap-guangzhou/k".parse().expect("a key URI")),
            params: ProviderParams::from([("binding".to_owned(), b"digest".to_vec())]),
            ciphertext: b"AQID".to_vec(),
        }
    }

    #[test]
    fn records_have_one_form() {
        let bytes = record().encode().expect("encoded");
        let mut expected = b"KFP\x01\0\x32\0\x02\0\x07binding\0\x06digest\0\x03key\0\x18".to_vec();
        expected.extend_from_slice(b"tencent://ap-guangzhou/kAQID");
        assert_eq!(bytes, expected);
        assert_eq!(Record::decode(&bytes), Ok(record()));
        let own = Record::decode(b"AQID").expect("the vendor's own");
        assert_eq!((own.key, own.ciphertext.as_slice()), (None, &b"AQID"[..]));
    }

    #[test]
    fn hostile_records_are_refused() {
        let bytes = record().encode().expect("encoded");
        for len in 4..bytes.len() - 3 {
            assert!(Record::decode(&bytes[..len]).is_err(), "cut to {len} bytes");
        }
        let long = [&bytes[..], &vec![b'A'; MAX_CIPHERTEXT]].concat();
        let huge = vec![b'A'; MAX_CIPHERTEXT + 1];
        let params = [&b"KFP\x01\xff\xff"[..], &vec![0; 70_000]].concat();
        let no_key = b"KFP\x01\0\0AQID".to_vec();
        for bytes in [long, huge, params, no_key, Vec::new()] {
            assert_eq!(Record::decode(&bytes), Err(Error::authentication()));
        }
    }
}
