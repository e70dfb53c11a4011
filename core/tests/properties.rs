//! What must hold for any input.
#![cfg(feature = "hazmat")]
#![allow(clippy::cast_possible_truncation, clippy::similar_names)]

mod common;

use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use common::{context, header, key, open, recipient, seal, unlock};
use keyfold::crypto::aead::{AeadAlgorithm, AeadKey};
use keyfold::stream::io::{OpenReader, RangeReader, SealWriter, read_header};
use keyfold::stream::{HostKey, SEALED_SEGMENT_LEN, SEGMENT_LEN, SegmentWork};
use keyfold::{Demands, ErrorCode, Header, HeaderReader, Sealer, Suite, SystemRng, Threads};
use proptest::prelude::*;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

/// So many threads, or the calling one where the crate is built without others.
fn some_threads(count: usize) -> Threads {
    #[cfg(feature = "parallel")]
    return Threads::new(count).expect("threads start");
    #[cfg(not(feature = "parallel"))]
    {
        println!("without feature `parallel`: one thread, not {count}");
        Threads::default()
    }
}

/// Lengths around the segment boundaries, and any others.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(0usize),
        Just(1),
        Just(SEGMENT_LEN - 1),
        Just(SEGMENT_LEN),
        Just(SEGMENT_LEN + 1),
        Just(3 * SEGMENT_LEN),
        0..100_000usize,
    ]
}

fn suites() -> impl Strategy<Value = Suite> {
    prop_oneof![Just(Suite::Aes256Gcm), Just(Suite::ChaCha20Poly1305)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_input_opens_to_the_same_bytes(
        suite in suites(), len in lengths(), split in 1..40_000usize, reopen in 1..40_000usize,
    ) {
        let plaintext = pattern(len);
        let header = header(suite);
        let mut sealer = Sealer::new(&header, &key(1), &SystemRng).unwrap();
        let mut sealed = sealer.header().to_vec();
        for piece in plaintext.chunks(split) {
            let before = sealed.len();
            let promised = sealer.update_len(piece.len());
            sealer.update(piece, &mut sealed).unwrap();
            prop_assert_eq!(sealed.len() - before, promised);
        }
        sealer.finish(&mut sealed).unwrap();
        let body_len = Sealer::body_len(len as u64).unwrap();
        prop_assert_eq!(sealed.len() as u64, header.as_bytes().len() as u64 + body_len);
        prop_assert_eq!(open(&sealed, reopen).unwrap(), plaintext);
    }

    #[test]
    fn a_body_opens_whole_as_it_does_in_parts(
        suite in suites(), len in lengths(), cut in 1..200usize, flip in 0..200_000usize,
    ) {
        let sealed = seal(suite, &pattern(len));
        let (header, start) = Header::parse(&sealed).unwrap();
        let whole = |body: &[u8]| {
            let opener = unlock(&header)?.into_opener();
            let mut out = vec![0xAA; opener.plaintext_len(body.len())?];
            let opened = opener.open_whole_into(body, &mut out);
            assert!(opened.is_ok() || out.iter().all(|byte| *byte == 0), "it is wiped");
            opened.map(|len| out[..len].to_vec())
        };
        prop_assert_eq!(whole(&sealed[start..]).unwrap(), pattern(len));

        let (mut altered, at) = (sealed.clone(), start + flip % (sealed.len() - start));
        altered[at] ^= 1;
        let cut = &sealed[..(sealed.len() - cut).max(start)];
        for wrong in [altered.as_slice(), cut] {
            let refused = whole(&wrong[start..]).unwrap_err().code();
            prop_assert_eq!(refused, open(wrong, usize::MAX).unwrap_err().code());
        }

        let mut begun = unlock(&header).unwrap().into_opener();
        begun.update(&sealed[start..=start], &mut Vec::new()).unwrap();
        let refused = begun.open_whole_into(&sealed[start..], &mut vec![0; len]).unwrap_err();
        prop_assert_eq!(refused.code(), ErrorCode::InvalidArgument);
    }

    #[test]
    fn a_range_read_is_the_slice(
        suite in suites(), len in lengths(), start in 0..120_000u64, take in 0..70_000u64,
    ) {
        let plaintext = pattern(len);
        let sealed = seal(suite, &plaintext);
        let (header, body_start) = Header::parse(&sealed).unwrap();
        let mut reader = RangeReader::new(Cursor::new(&sealed), body_start as u64, |prefix, len| {
            unlock(&header)?.into_ranges(prefix, len)
        }).unwrap();
        prop_assert_eq!(reader.plaintext_len(), len as u64);
        let mut part = Vec::new();
        reader.read_range(start..start + take, &mut part).unwrap();
        let clip = |at: u64| (at as usize).min(len);
        prop_assert_eq!(&part, &plaintext[clip(start)..clip(start + take)]);
        reader.read_range(start..start, &mut part).unwrap();
        prop_assert_eq!(&part, &plaintext[clip(start)..clip(start + take)]);
        prop_assert_eq!(reader.verify_length().unwrap(), len as u64);
        reader.seek(SeekFrom::Start(start)).unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        prop_assert_eq!(&rest, &plaintext[clip(start)..]);
    }

    #[test]
    fn a_range_plan_fetches_only_the_segments_it_needs(
        len in 0..10_000_000u64, start in 0..10_000_000u64, take in 1..100_000u64,
    ) {
        let body_len = Sealer::body_len(len).unwrap();
        let layout = keyfold::Layout::new(body_len, 0).unwrap();
        prop_assert_eq!(layout.plaintext_len(), len);
        let plan = layout.plan(start..start + take).unwrap();
        let fetched = plan.fetch().end - plan.fetch().start;
        prop_assert!(plan.fetch().end <= body_len);
        prop_assert!(fetched <= (take / SEGMENT_LEN as u64 + 2) * SEALED_SEGMENT_LEN as u64);
        prop_assert_eq!(plan.len(), (start + take).min(len).saturating_sub(start.min(len)));
    }

    #[test]
    fn several_threads_make_the_same_bytes(len in 0..5_000_000usize, suite in suites()) {
        let threads = some_threads(3);
        let plaintext = pattern(len);
        let sealed = {
            let mut sealer =
                Sealer::new(&header(suite), &key(1), &SystemRng).unwrap().with_threads(&threads);
            let mut out = sealer.header().to_vec();
            sealer.update(&plaintext, &mut out).unwrap();
            sealer.finish(&mut out).unwrap();
            out
        };
        prop_assert_eq!(open(&sealed, usize::MAX).unwrap(), plaintext.clone());
        let (header, start) = Header::parse(&sealed).unwrap();
        let mut opener = unlock(&header).unwrap().into_opener().with_threads(&threads);
        let mut opened = Vec::new();
        opener.update(&sealed[start..], &mut opened).unwrap();
        opener.finish(&mut opened).unwrap();
        prop_assert_eq!(opened, plaintext);
    }

    #[test]
    fn parsing_then_writing_a_header_is_the_identity(
        pairs in proptest::collection::btree_map(".{0,20}", ".{0,40}", 0..6),
        params in proptest::collection::btree_map("[a-z]{0,8}",
            proptest::collection::vec(any::<u8>(), 0..30), 0..3),
        wrapped in proptest::collection::vec(any::<u8>(), 1..300), count in 1..=16usize,
    ) {
        let mut one = recipient("k");
        one.params = params;
        one.ciphertext = wrapped;
        let header = Header::new(
            Suite::Aes256Gcm, pairs.into_iter().collect(), None, vec![one; count],
        ).unwrap();
        let bytes = header.as_bytes().to_vec();
        let (parsed, len) = Header::parse(&bytes).unwrap();
        prop_assert_eq!(len, bytes.len());
        prop_assert_eq!(&parsed, &header);
        let written = parsed.with_recipients(parsed.recipients().to_vec()).unwrap();
        prop_assert_eq!(written.as_bytes(), &bytes);
        // In parts too, with the header's end found exactly.
        let mut reader = HeaderReader::new();
        let mut followed = bytes;
        followed.extend_from_slice(b"body");
        let mut at = 0;
        let found = followed.chunks(7).find_map(|piece| {
            let found = reader.push(piece).unwrap().map(|(_, used)| at + used);
            at += piece.len();
            found
        });
        prop_assert_eq!(found, Some(len));
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Header::parse(&bytes);
        let mut prefixed = b"KFE\x01\x00\x01".to_vec();
        prefixed.extend_from_slice(&bytes);
        let _ = Header::parse(&prefixed);
        let _ = keyfold::EncryptionContext::from_canonical(&bytes);
        let _ = open(&prefixed, 50);
    }

    #[test]
    fn equal_encodings_are_equal_contexts(
        a in proptest::collection::btree_map("[ab]{0,2}", "[ab]{0,2}", 0..3),
        b in proptest::collection::btree_map("[ab]{0,2}", "[ab]{0,2}", 0..3),
    ) {
        let encode = |pairs: &std::collections::BTreeMap<String, String>| {
            let context: keyfold::EncryptionContext = pairs.clone().into_iter().collect();
            let bytes = context.to_canonical().unwrap();
            assert_eq!(keyfold::EncryptionContext::from_canonical(&bytes).unwrap(), context);
            bytes
        };
        prop_assert_eq!(encode(&a) == encode(&b), a == b);
    }
}

/// A host's AEAD: what a browser does with the work items.
struct HostAead(AeadKey);

impl HostAead {
    fn new(key: &HostKey) -> Self {
        assert_eq!(key.suite(), Suite::Aes256Gcm);
        HostAead(AeadKey::new_portable(AeadAlgorithm::Aes256Gcm, key.expose()))
    }

    fn seal(&self, work: &SegmentWork, plaintext: &[u8]) -> Vec<u8> {
        assert_eq!(plaintext.len(), work.plaintext_len);
        let mut sealed = plaintext.to_vec();
        let tag = self.0.seal(&work.nonce, &[], &mut sealed);
        sealed.extend_from_slice(&tag);
        sealed
    }

    fn open(&self, work: &SegmentWork, sealed: &[u8]) -> Vec<u8> {
        let (data, tag) = sealed.split_last_chunk().unwrap();
        let mut data = data.to_vec();
        self.0.open(&work.nonce, &[], &mut data, tag).unwrap();
        data
    }
}

#[test]
fn segments_can_be_sealed_and_opened_by_the_host() {
    let plaintext = pattern(2 * SEGMENT_LEN + 100);
    let sealer = Sealer::new(&header(Suite::Aes256Gcm), &key(1), &SystemRng).unwrap();
    let mut sealed = sealer.header().to_vec();
    let (prefix, host_key, mut machine) = sealer.into_host().unwrap();
    let aead = HostAead::new(&host_key);
    sealed.extend_from_slice(&prefix);
    // What does not fill a segment is not handed out yet.
    assert!(machine.hand_out(SEGMENT_LEN - 1).unwrap().is_empty());
    let work = machine.hand_out(plaintext.len()).unwrap();
    assert_eq!(work.len(), 2);
    for (work, piece) in work.iter().zip(plaintext.chunks(SEGMENT_LEN)) {
        sealed.extend_from_slice(&aead.seal(work, piece));
    }
    let last = &plaintext[2 * SEGMENT_LEN..];
    let (work, end) = machine.hand_out_last(last.len()).unwrap();
    sealed.extend_from_slice(&aead.seal(&work, last));
    assert!(end.take_back(None).unwrap().is_none());
    assert_eq!(open(&sealed, 999).unwrap(), plaintext);

    let (header, start) = Header::parse(&sealed).unwrap();
    let body = &sealed[start..];
    let (prefix, mut rest) = body.split_first_chunk().unwrap();
    let (host_key, mut machine) = unlock(&header).unwrap().into_host(prefix).unwrap();
    let aead = HostAead::new(&host_key);
    let mut opened = Vec::new();
    for work in machine.hand_out(rest.len()).unwrap() {
        let (sealed, after) = rest.split_at(SEALED_SEGMENT_LEN);
        opened.extend_from_slice(&aead.open(&work, sealed));
        rest = after;
    }
    let (work, end) = machine.hand_out_last(rest.len()).unwrap();
    opened.extend_from_slice(&aead.open(&work, rest));
    assert!(end.take_back(None, &[]).unwrap().is_none());
    assert_eq!(opened, plaintext);

    let (host_key, ranges) =
        unlock(&header).unwrap().into_host_ranges(prefix, body.len() as u64).unwrap();
    let aead = HostAead::new(&host_key);
    let plan = ranges.layout().plan(SEGMENT_LEN as u64 + 5..2 * SEGMENT_LEN as u64 + 50).unwrap();
    let fetched = &body[plan.fetch().start as usize..plan.fetch().end as usize];
    let work = ranges.hand_out(&plan).unwrap();
    let pieces = fetched.chunks(SEALED_SEGMENT_LEN);
    let joined: Vec<u8> =
        work.iter().zip(pieces).flat_map(|(work, piece)| aead.open(work, piece)).collect();
    let skip = plan.skip() as usize;
    assert_eq!(
        joined[skip..skip + plan.len() as usize],
        plaintext[SEGMENT_LEN + 5..2 * SEGMENT_LEN + 50]
    );
}

#[test]
fn a_host_is_held_to_the_rules() {
    let machine = || {
        let sealer = Sealer::new(&header(Suite::Aes256Gcm), &key(1), &SystemRng).unwrap();
        sealer.into_host().unwrap().2
    };
    assert!(machine().hand_out_last(SEGMENT_LEN).is_err(), "the last segment is a short one");
    assert!(machine().take_back(&[[0; 32]]).is_err(), "nothing was handed out");
    let mut used = Sealer::new(&header(Suite::Aes256Gcm), &key(1), &SystemRng).unwrap();
    used.update(&[], &mut Vec::new()).unwrap();
    assert!(used.into_host().is_err(), "a message is handed over whole");

    let mut body = Vec::new();
    let mut sealer = Sealer::new(&header(Suite::Aes256Gcm), &key(1), &SystemRng).unwrap();
    sealer.update(&pattern(100), &mut body).unwrap();
    sealer.finish(&mut body).unwrap();
    let prefix = body.first_chunk().unwrap();
    let opener = || unlock(&header(Suite::Aes256Gcm)).unwrap().into_host(prefix);
    let cut = opener().unwrap().1.hand_out_last(15);
    assert_eq!(cut.err().unwrap().code(), ErrorCode::Truncated);
    assert!(opener().unwrap().1.hand_out_last(SEALED_SEGMENT_LEN).is_err());
    let mut wrong = *prefix;
    wrong[55] ^= 1;
    let refused = unlock(&header(Suite::Aes256Gcm)).unwrap().into_host(&wrong);
    assert_eq!(refused.err().unwrap().code(), ErrorCode::AuthenticationFailed);
}

#[test]
fn segments_can_be_sealed_and_opened_in_place() {
    let plaintext = pattern(3 * SEGMENT_LEN + 7);
    let threads = some_threads(2);
    let mut sealer = Sealer::new(&header(Suite::ChaCha20Poly1305), &key(1), &SystemRng)
        .unwrap()
        .with_threads(&threads);
    let mut out = sealer.header().to_vec();
    sealer.update(&[], &mut out).unwrap();
    let mut slots = vec![0; 3 * SEALED_SEGMENT_LEN];
    for (slot, piece) in slots.chunks_mut(SEALED_SEGMENT_LEN).zip(plaintext.chunks(SEGMENT_LEN)) {
        slot[..SEGMENT_LEN].copy_from_slice(piece);
    }
    sealer.update_in_place(&mut slots).unwrap();
    out.extend_from_slice(&slots);
    sealer.update(&plaintext[3 * SEGMENT_LEN..], &mut out).unwrap();
    sealer.finish(&mut out).unwrap();
    assert_eq!(open(&out, usize::MAX).unwrap(), plaintext);

    let (header, start) = Header::parse(&out).unwrap();
    let opened = |flip: Option<usize>| {
        let mut out = out.clone();
        if let Some(at) = flip {
            out[start + 56 + at] ^= 1;
        }
        let (prefix, rest) = out[start..].split_at_mut(56);
        let mut opener = unlock(&header).unwrap().into_opener();
        assert!(!opener.holds_nothing());
        let mut plaintext = Vec::new();
        opener.update(prefix, &mut plaintext).unwrap();
        assert!(opener.holds_nothing());
        let (slots, last) = rest.split_at_mut(3 * SEALED_SEGMENT_LEN);
        let opened = opener.update_in_place(slots);
        if opened.is_err() {
            assert!(slots.iter().all(|byte| *byte == 0), "no plaintext is left");
        }
        opened?;
        slots.chunks(SEALED_SEGMENT_LEN).for_each(|slot| plaintext.extend(&slot[..SEGMENT_LEN]));
        opener.update(last, &mut plaintext)?;
        opener.finish(&mut plaintext)?;
        Ok::<_, keyfold::Error>(plaintext)
    };
    assert_eq!(opened(None).unwrap(), plaintext);
    assert_eq!(opened(Some(20_000)).unwrap_err().code(), ErrorCode::AuthenticationFailed);
}

#[test]
fn every_flipped_bit_of_stable_part_and_body_is_refused() {
    for suite in Suite::ALL {
        let sealed = seal(*suite, b"attack at dawn");
        let (header, body_start) = Header::parse(&sealed).unwrap();
        let stable_len = header.stable_part().len();
        let bits = (0..stable_len)
            .chain(body_start..sealed.len())
            .flat_map(|at| (0..8u8).map(move |bit| (at, bit)));
        let mut refused = 0;
        for (at, bit) in bits {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1 << bit;
            assert!(open(&flipped, usize::MAX).is_err(), "bit {bit} of byte {at}");
            refused += 1;
        }
        assert_eq!(refused, 8 * (stable_len + sealed.len() - body_start));
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let sealed = seal(Suite::Aes256Gcm, &pattern(SEGMENT_LEN + 10));
    for len in (0..200).chain(sealed.len() - 60..sealed.len()) {
        assert!(open(&sealed[..len], 1000).is_err(), "cut to {len}");
    }
    for extra in [1, 16, 17, SEALED_SEGMENT_LEN - 26, SEALED_SEGMENT_LEN] {
        let mut longer = sealed.clone();
        longer.resize(sealed.len() + extra, 0);
        assert!(open(&longer, 1000).is_err(), "{extra} bytes more");
    }
}

#[test]
fn a_machine_repeats_its_first_error() {
    let mut sealed = seal(Suite::Aes256Gcm, &pattern(3 * SEGMENT_LEN));
    let (header, start) = Header::parse(&sealed).unwrap();
    sealed[start + 56] ^= 1;
    let mut opener = unlock(&header).unwrap().into_opener();
    let mut out = Vec::new();
    for _ in 0..2 {
        let error = opener.update(&sealed[start..], &mut out).unwrap_err();
        assert_eq!(error.code(), ErrorCode::AuthenticationFailed);
        assert!(out.is_empty());
    }
    assert_eq!(opener.finish(&mut out).unwrap_err().code(), ErrorCode::AuthenticationFailed);

    let mut sealer = Sealer::new(&header, &key(1), &SystemRng).unwrap();
    let error = sealer.update_into(&pattern(SEGMENT_LEN), &mut [0; 10]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(sealer.finish(&mut Vec::new()).is_err());
}

#[test]
fn a_wrong_context_or_key_is_refused() {
    let sealed = seal(Suite::Aes256Gcm, b"x");
    let (header, start) = Header::parse(&sealed).unwrap();
    let other = keyfold::EncryptionContext::from([("tenant", "evil")]);
    let refused = keyfold::Unlocked::new(&header, key(1), &Demands::new(other)).err().unwrap();
    assert_eq!(refused.code(), ErrorCode::ContextMismatch);
    let mut opener =
        keyfold::Unlocked::new(&header, key(2), &Demands::new(context())).unwrap().into_opener();
    let refused = opener.update(&sealed[start..], &mut Vec::new()).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::AuthenticationFailed);
    let mut demands = Demands::new(context());
    demands.suites = vec![Suite::ChaCha20Poly1305];
    let refused = keyfold::Unlocked::new(&header, key(1), &demands).err().unwrap();
    assert_eq!(refused.code(), ErrorCode::UnsupportedSuite);
}

/// A source that answers one byte at a time, is interrupted before each, and may fail.
struct Awkward<'a> {
    bytes: &'a [u8],
    interrupted: bool,
    fails_at_end: bool,
}

impl Read for Awkward<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        if self.bytes.is_empty() && self.fails_at_end {
            return Err(std::io::Error::other("the disk is gone"));
        }
        self.bytes.read(&mut out[..1])
    }
}

fn read_all(mut source: Awkward<'_>) -> keyfold::Result<Vec<u8>> {
    let (header, start) = read_header(&mut source)?;
    let mut reader = OpenReader::new(unlock(&header)?.into_opener(), start, source);
    let mut plaintext = Vec::new();
    reader.read_to_end(&mut plaintext)?;
    Ok(plaintext)
}

#[test]
fn readers_take_short_reads_and_interruptions_and_report_failures() {
    let plaintext = pattern(SEGMENT_LEN + 5);
    let sealed = seal(Suite::Aes256Gcm, &plaintext);
    let source = |bytes, fails_at_end| Awkward { bytes, interrupted: false, fails_at_end };
    assert_eq!(read_all(source(&sealed, false)).unwrap(), plaintext);
    let failed = read_all(source(&sealed[..sealed.len() - 1], true)).unwrap_err();
    assert_eq!(failed.code(), ErrorCode::Io);
    let cut = read_all(source(&sealed[..sealed.len() - 1], false)).unwrap_err();
    assert_eq!(cut.code(), ErrorCode::AuthenticationFailed);
    let cut = read_all(source(&sealed[..20], false)).unwrap_err();
    assert_eq!(cut.code(), ErrorCode::Truncated);
}

/// A sink that takes so many bytes and then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0 == 0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_is_an_io_error_wherever_it_fails() {
    let plaintext = pattern(40_000);
    let whole = seal(Suite::Aes256Gcm, &plaintext).len();
    for room in [0, 10, 200, 20_000, whole - 1] {
        let sealer = Sealer::new(&header(Suite::Aes256Gcm), &key(1), &SystemRng).unwrap();
        let failed = (|| {
            let mut writer = SealWriter::attached(sealer, Full(room))?;
            writer.write_all(&plaintext)?;
            writer.finish().map(drop)
        })();
        assert_eq!(failed.unwrap_err().code(), ErrorCode::Io, "with room for {room}");
    }
}
