//! Lists in pages, and the markers between them.
//!
//! A marker is opaque: the last key of a page under a MAC, bound to the list that it continues,
//! and good for a day. Lists run in a stable order, so that what is added or removed between two
//! pages makes nothing appear twice and nothing else disappear.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Call;
use crate::clock::Timestamp;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::types::check;

const FORMAT: u8 = 1;
const MAC_LEN: usize = 32;

/// Checks the members `Limit` and `Marker`.
pub(crate) fn validate(limit: Option<u32>, marker: Option<&str>, max: u32) -> Result<()> {
    if let Some(limit) = limit {
        check::number("limit", limit, 1..=max)?;
    }
    marker.map_or(Ok(()), |marker| check::chars("marker", marker, 1..=1024))
}

/// How many entries a page has.
pub(crate) fn size(limit: Option<u32>, default: u32) -> usize {
    limit.unwrap_or(default) as usize
}

impl Call<'_> {
    /// The marker that continues `list` after `last`.
    pub(crate) fn make_marker(&self, list: &[&[u8]], last: &[u8]) -> String {
        let expires = self.now.plus(Timestamp::DAY).sort_key();
        let body = [&[FORMAT][..], &expires, last].concat();
        let mac = self.marker_mac(list, &body);
        URL_SAFE_NO_PAD.encode([&body[..], &mac].concat())
    }

    /// The last key of the page before, out of a marker for the same list.
    pub(crate) fn read_marker(&self, list: &[&[u8]], marker: &str) -> Result<Vec<u8>> {
        let invalid = || KmsError::new(KmsErrorCode::InvalidMarker, "the marker is not valid");
        let bytes = URL_SAFE_NO_PAD.decode(marker).map_err(|_| invalid())?;
        let (body, mac) = bytes.split_last_chunk::<MAC_LEN>().ok_or_else(invalid)?;
        let expected = self.marker_mac(list, body);
        let [FORMAT, rest @ ..] = body else { return Err(invalid()) };
        let (expires, last) = rest.split_first_chunk::<8>().ok_or_else(invalid)?;
        if !keyfold::crypto::hash::constant_time_eq(&expected, mac)
            || *expires < self.now.sort_key()
        {
            return Err(invalid());
        }
        Ok(last.to_vec())
    }

    fn marker_mac(&self, list: &[&[u8]], body: &[u8]) -> [u8; MAC_LEN] {
        self.keys().page_marker.mac(&[list, &[body]].concat())
    }
}

/// Cuts one entry too many off a page; answers whether there was one.
pub(crate) fn cut<T>(entries: &mut Vec<T>, size: usize) -> bool {
    let more = entries.len() > size;
    entries.truncate(size);
    more
}
