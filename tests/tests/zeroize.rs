//! No key byte stays in memory that the types which hold keys have given back: an allocator
//! looks through every block that is freed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use keyfold::crypto::aead::{AeadAlgorithm, AeadKey};
use keyfold::crypto::hash::Sha512;
use keyfold::crypto::kdf::HkdfSha512Expand;
use keyfold::sign::{KeySpec, SigningKey};
use keyfold::{
    DataKey, Demands, EncryptionContext, Header, MessageKeyDeriver, Result, Rng, Sealer,
    SecretBytes, Suite, SystemRng, Unlocked, WrappedKey,
};

/// Enough of a key that no other memory looks like it by chance.
const NEEDLE_LEN: usize = 12;

struct Searching;

static ARMED: AtomicBool = AtomicBool::new(false);
static FOUND: AtomicUsize = AtomicUsize::new(0);
static SEARCHED: AtomicUsize = AtomicUsize::new(0);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static mut NEEDLES: [[u8; NEEDLE_LEN]; 32] = [[0; NEEDLE_LEN]; 32];

// SAFETY: memory is handled by the system allocator; a block is only read, before it is freed.
unsafe impl GlobalAlloc for Searching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Zeroed, so that every byte that is searched was written by the program.
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ARMED.load(Ordering::Acquire) {
            // SAFETY: the block is allocated, `layout` long and initialised; NEEDLES is only
            // written while the search is not armed, by the only thread that tests.
            unsafe {
                let bytes = std::slice::from_raw_parts(block, layout.size());
                let needles: *const _ = &raw const NEEDLES;
                let needles: &[[u8; NEEDLE_LEN]; 32] = &*needles;
                SEARCHED.fetch_add(1, Ordering::Relaxed);
                let needles = needles[..COUNT.load(Ordering::Relaxed)].iter().enumerate();
                for (number, needle) in needles {
                    if bytes.windows(NEEDLE_LEN).any(|window| window == needle) {
                        FOUND.fetch_add(1 << (4 * number), Ordering::Relaxed);
                    }
                }
            }
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Searching = Searching;

/// Runs `work` and says in how many freed blocks the start of each of `secrets` was found: one
/// hexadecimal digit for each, from the right.
fn leaks(secrets: &[&[u8]], work: impl FnOnce()) -> usize {
    for (slot, secret) in secrets.iter().enumerate() {
        // SAFETY: the search is not armed, and this is the only thread.
        unsafe { NEEDLES[slot].copy_from_slice(&secret[..NEEDLE_LEN]) };
    }
    COUNT.store(secrets.len(), Ordering::Relaxed);
    FOUND.store(0, Ordering::Relaxed);
    SEARCHED.store(0, Ordering::Relaxed);
    ARMED.store(true, Ordering::Release);
    work();
    ARMED.store(false, Ordering::Release);
    assert!(SEARCHED.load(Ordering::Relaxed) > 0, "nothing was freed, so nothing was searched");
    FOUND.load(Ordering::Relaxed)
}

/// A generator whose bytes are known before.
struct Fixed(RefCell<u8>);

// SAFETY is not at stake: the test has one thread, but the trait asks for Sync.
unsafe impl Sync for Fixed {}

impl Rng for Fixed {
    fn fill(&self, out: &mut [u8]) -> Result<()> {
        let mut next = self.0.borrow_mut();
        for byte in out {
            *next = next.wrapping_mul(5).wrapping_add(17);
            *byte = *next;
        }
        Ok(())
    }
}

fn fixed() -> Fixed {
    Fixed(RefCell::new(1))
}

fn key_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&Sha512::digest(b"a data key of this test")[..32]);
    bytes
}

fn header(suite: Suite) -> Header {
    let recipient = WrappedKey {
        key: "test:k".parse().expect("valid"),
        params: keyfold::ProviderParams::new(),
        ciphertext: vec![1; 100],
    };
    let context = EncryptionContext::from([("a", "b")]);
    Header::new(suite, context, None, vec![recipient]).expect("valid")
}

/// The key, nonce and commitment that a sealer with [`fixed`] randomness derives.
fn message_key(header: &Header) -> Vec<u8> {
    let mut salt = [0; 24];
    fixed().fill(&mut salt).expect("fixed");
    let mut okm = vec![0; 76];
    let label: &[u8] = match header.suite() {
        Suite::ChaCha20Poly1305 => b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305\0",
        _ => b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0",
    };
    HkdfSha512Expand::new(&key_bytes()).expand(&[label, &salt, header.stable_part()], &mut okm);
    okm
}

/// Streams a message both ways: neither its keys nor its plaintext stay behind.
fn seal_and_open(header: &Header, data_key: &[u8; 32]) {
    let message_key = message_key(header);
    let plaintext: Vec<u8> = (0u32..6000).flat_map(u32::to_be_bytes).collect();
    let pattern = &plaintext[8000..8000 + NEEDLE_LEN];

    let mut sealed = Vec::with_capacity(100_000);
    let found = leaks(&[data_key, &message_key, &message_key[16..], pattern], || {
        let key = DataKey::take(&mut data_key.to_vec()).expect("32 bytes");
        let deriver = Box::new(MessageKeyDeriver::new(&key));
        let mut sealer = Box::new(Sealer::new(header, &deriver, &fixed()).expect("made"));
        for piece in plaintext.chunks(5000) {
            sealer.update(piece, &mut sealed).expect("sealed");
        }
        sealer.finish(&mut sealed).expect("finished");
        // One that is given up in the middle.
        let mut sealer = Box::new(Sealer::new(header, &deriver, &fixed()).expect("made"));
        sealer.update(&plaintext[..9000], &mut Vec::with_capacity(50_000)).expect("sealed");
    });
    assert_eq!(found, 0, "sealing");

    let mut opened = Vec::with_capacity(100_000);
    let found = leaks(&[data_key, &message_key, &message_key[16..]], || {
        let key = DataKey::take(&mut data_key.to_vec()).expect("32 bytes");
        let deriver = Arc::new(MessageKeyDeriver::new(&key));
        let demands = Demands::new(header.context().clone());
        let unlocked = Unlocked::new(header, deriver.clone(), &demands).expect("unlocked");
        let mut opener = Box::new(unlocked.into_opener());
        opener.update(&sealed, &mut opened).expect("opened");
        opener.finish(&mut opened).expect("finished");
        let unlocked = Unlocked::new(header, deriver, &demands).expect("unlocked");
        let prefix = sealed.first_chunk().expect("long enough");
        let ranges = unlocked.into_ranges(prefix, sealed.len() as u64).expect("committed");
        drop(Box::new(ranges));
    });
    assert_eq!(found, 0, "opening");
    assert_eq!(opened, plaintext);
}

/// One test, because the allocator is one for the whole process.
#[test]
fn freed_memory_holds_no_key() {
    let data_key = key_bytes();
    // The search itself finds what is there.
    let found = leaks(&[&data_key], || drop(data_key.to_vec()));
    assert_eq!(found, 1, "the search does not work");

    let found = leaks(&[&data_key], || {
        drop(DataKey::take(&mut data_key.clone()).expect("32 bytes"));
        assert!(DataKey::take(&mut { data_key }[..31]).is_err());
        drop(DataKey::make(&SystemRng).expect("randomness"));
        drop(SecretBytes::new(data_key.to_vec()));
        let secret = SecretBytes::from(&data_key[..]);
        assert!(secret == SecretBytes::from(&data_key[..]));
    });
    assert_eq!(found, 0, "data keys and secrets");

    let found = leaks(&[&data_key], || {
        for algorithm in [AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305] {
            drop(Box::new(AeadKey::new(algorithm, &data_key)));
            drop(Box::new(AeadKey::new_portable(algorithm, &data_key)));
        }
    });
    assert_eq!(found, 0, "keys of both backends");

    for suite in Suite::ALL {
        seal_and_open(&header(*suite), &data_key);
    }

    for spec in [KeySpec::EccNistP256, KeySpec::Ed25519] {
        let key = SigningKey::generate(spec, &SystemRng).expect("generated");
        let pkcs8 = key.to_pkcs8_der().expect("exported");
        // The private scalar or seed lies where these two specs' PKCS#8 puts it.
        let at = if spec == KeySpec::Ed25519 { 16 } else { 36 };
        let scalar = pkcs8.expose()[at..at + 32].to_vec();
        let found = leaks(&[&scalar], || {
            let key = Box::new(SigningKey::from_pkcs8_der(pkcs8.expose()).expect("imported"));
            let algorithm = spec.algorithms()[0];
            drop(key.sign(algorithm, b"message").expect("signed"));
            drop(key.to_pkcs8_der().expect("exported"));
        });
        assert_eq!(found, 0, "a signing key of {}", spec.as_str());
    }
}
