//! Keys from passwords: Argon2id (RFC 9106).

use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::{Error, Result};

/// The most memory, in KiB: 1 GiB.
pub const MAX_MEMORY_KIB: u32 = 1 << 20;
/// The most passes over the memory.
pub const MAX_PASSES: u32 = 64;
/// The most lanes.
pub const MAX_LANES: u32 = 64;
/// The longest password, in bytes.
pub const MAX_PASSWORD_LEN: usize = 4096;
/// The shortest and the longest salt, in bytes.
pub const SALT_LEN: std::ops::RangeInclusive<usize> = 8..=64;
/// The shortest and the longest output, in bytes.
pub const OUTPUT_LEN: std::ops::RangeInclusive<usize> = 16..=64;

/// Fills `out` from a password with Argon2id, version 0x13, using `m_kib` KiB of memory, `t`
/// passes and `p` lanes. Takes as long as `m_kib * t` asks for; the memory is wiped afterwards.
///
/// RFC 9106, section 4, recommends 64 MiB, 3 passes and 4 lanes where memory is scarce.
///
#[cfg_attr(feature = "hazmat", doc = "```")]
#[cfg_attr(not(feature = "hazmat"), doc = "```ignore")]
/// use keyfold::crypto::password::argon2id;
///
/// let mut key = [0; 32];
/// argon2id(b"correct horse", b"16 bytes of salt", 64 * 1024, 3, 4, &mut key)?;
/// # Ok::<(), keyfold::Error>(())
/// ```
///
/// # Errors
/// `invalid_argument` where a parameter is below what Argon2 allows (`m_kib` at least `8 * p`,
/// `t` and `p` at least 1) or `out` or `salt` is not within its limits; `limit_exceeded` where a
/// cost is above its limit here, which is checked before anything is allocated, or where there is
/// not that much memory.
pub fn argon2id(
    password: &[u8],
    salt: &[u8],
    m_kib: u32,
    t: u32,
    p: u32,
    out: &mut [u8],
) -> Result<()> {
    if m_kib > MAX_MEMORY_KIB || t > MAX_PASSES || p > MAX_LANES {
        return Err(Error::limit("the cost of the password hash is above the limit"));
    }
    if password.len() > MAX_PASSWORD_LEN {
        return Err(Error::limit("the password is longer than 4096 bytes"));
    }
    if !SALT_LEN.contains(&salt.len()) || !OUTPUT_LEN.contains(&out.len()) {
        return Err(Error::invalid("a salt has 8 to 64 bytes and an output 16 to 64"));
    }
    let params = Params::new(m_kib, t, p, Some(out.len()))
        .map_err(|_| Error::invalid("the cost of the password hash is not valid"))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, out)
        .map_err(|_| Error::limit("there is not enough memory for the password hash"))
}
