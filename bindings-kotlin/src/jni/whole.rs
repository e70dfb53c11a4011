//! Whole values.
//!
//! An array is lent for some segments at a time, so that the collector never waits for long; a
//! direct buffer for all of it.

use std::sync::Arc;

use jni::objects::{JByteArray, JByteBuffer, JLongArray};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned, objects::JClass};
use keyfold::stream::{SEALED_SEGMENT_LEN, SEGMENT_LEN};
use keyfold::{Header, Opener, Sealer};

use super::region::{Region, apart, with_both, with_input};
use super::{Step, client, narrow, native, number, run, spec, unsigned, wide};
use crate::stream::{Opening, Sealing};
use crate::table::{self, Entry};

/// How many segments of an array are worked on at a time: some 20 microseconds.
const LENT: usize = 8;

/// Seals a whole value behind its header. Answers how many bytes were written: all but the signature
/// of one that is signed.
fn seal_into(
    env: &Env<'_>,
    sealing: &Sealing,
    mut sealer: Sealer,
    from: &Region,
    to: &Region,
) -> Step<usize> {
    let short = from.len() <= LENT * SEGMENT_LEN || !(from.is_array() || to.is_array());
    if short {
        let (written, pending) =
            with_both(env, from, to, |plaintext, out| sealer.seal_envelope_into(plaintext, out))??;
        sealing.finished(pending);
        return Ok(written);
    }
    // The whole of both: what is lent are parts of them.
    apart(env, from, to)?;
    let header = sealer.header().len();
    with_both(env, &Region::none(), &to.part(0..header)?, |_, out| {
        out.copy_from_slice(sealer.header());
    })?;
    let mut written = header;
    for begin in (0..from.len()).step_by(LENT * SEGMENT_LEN) {
        let end = from.len().min(begin + LENT * SEGMENT_LEN);
        let part = from.part(begin..end)?;
        let room = to.part(written..written + sealer.update_len(part.len()))?;
        written +=
            with_both(env, &part, &room, |plaintext, out| sealer.update_into(plaintext, out))??;
    }
    let room = to.part(written..written + sealer.finish_len())?;
    let (last, pending) =
        with_both(env, &Region::none(), &room, |_, out| sealer.finish_into(out))??;
    sealing.finished(pending);
    Ok(written + last)
}

/// Opens a whole body. Answers how many bytes were written; after an error nothing of the plaintext
/// is there.
fn open_into(env: &Env<'_>, mut opener: Opener, from: &Region, to: &Region) -> Step<usize> {
    let len = opener.plaintext_len(from.len())?;
    let to = to.part(0..len)?;
    if from.len() <= LENT * SEALED_SEGMENT_LEN || !(from.is_array() || to.is_array()) {
        return Ok(with_both(env, from, &to, |body, out| opener.open_whole_into(body, out))??);
    }
    apart(env, from, &to)?;
    let mut written = 0;
    let mut open = || -> Step<()> {
        for begin in (0..from.len()).step_by(LENT * SEALED_SEGMENT_LEN) {
            let end = from.len().min(begin + LENT * SEALED_SEGMENT_LEN);
            let part = from.part(begin..end)?;
            let room = to.part(written..written + opener.update_len(part.len()))?;
            written += with_both(env, &part, &room, |body, out| opener.update_into(body, out))??;
        }
        Ok(())
    };
    let opened = open().and_then(|()| {
        let room = to.part(written..to.len())?;
        Ok(written + with_both(env, &Region::none(), &room, |_, out| opener.finish_into(out))??)
    });
    if opened.is_err() {
        with_both(env, &Region::none(), &to, |_, out| out.fill(0))?;
    }
    opened
}

/// A stream that waits, for whoever goes on with it.
fn waiting(env: &Env<'_>, out: &JLongArray<'_>, entry: Entry, header: usize) -> Step<()> {
    Ok(out.set_region(env, 0, &[-number(true, entry), wide(header as u64)])?)
}

fn new_array<'a>(env: &mut Env<'a>, len: usize) -> Step<JByteArray<'a>> {
    narrow(len)?;
    Ok(env.new_byte_array(len)?)
}

native! {
    /// Encrypts a whole value. Nothing where the data key is missing: then `wait` has the number of
    /// the stream to go on with.
    fn Java_io_keyfold_internal_Native_seal(
        env, handle: jlong, given: JByteArray<'a>,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        wait: JLongArray<'a>,
    ) -> JByteArray<'a> {
        let client = client(handle)?;
        let spec = spec(env, &client, &given)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let sealing = Sealing::begin(&client, &spec, Some(from.len() as u64))?;
        if sealing.is_waiting() || spec.signer().is_some() {
            waiting(env, &wait, Entry::Sealing(Arc::new(sealing)), 0)?;
            return Ok(JByteArray::default());
        }
        seal_to_array(env, &sealing, &from)
    }
}

fn seal_to_array<'a>(env: &mut Env<'a>, sealing: &Sealing, from: &Region) -> Step<JByteArray<'a>> {
    let sealer = sealing.take()?;
    let envelope = new_array(env, sealer.envelope_len(from.len())?)?;
    let to = whole(env, &envelope)?;
    seal_into(env, sealing, sealer, from, &to)?;
    Ok(envelope)
}

fn whole(env: &Env<'_>, array: &JByteArray<'_>) -> Step<Region> {
    let len = narrow(array.len(env)?)?;
    Region::new(env, array, &JByteBuffer::null(), 0, len)
}

native! {
    /// As `seal`, into a buffer; -1 where the data key is missing.
    fn Java_io_keyfold_internal_Native_sealInto(
        env, handle: jlong, given: JByteArray<'a>,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
        wait: JLongArray<'a>,
    ) -> jint {
        let client = client(handle)?;
        let spec = spec(env, &client, &given)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        let sealing = Sealing::begin(&client, &spec, Some(from.len() as u64))?;
        if sealing.is_waiting() || spec.signer().is_some() {
            waiting(env, &wait, Entry::Sealing(Arc::new(sealing)), 0)?;
            return Ok(-1);
        }
        Ok(narrow(seal_into(env, &sealing, sealing.take()?, &from, &to)?)?)
    }
}

native! {
    /// Encrypts a whole value by a stream whose data key is there. There is room for its signature at
    /// the end of what it answers.
    fn Java_io_keyfold_internal_Native_sealWhole(
        env, handle: jlong,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
    ) -> JByteArray<'a> {
        let sealing = table::sealing(unsigned(handle)?)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        seal_to_array(env, &sealing, &from)
    }
}

native! {
    /// As `sealWhole`, into a buffer.
    fn Java_io_keyfold_internal_Native_sealWholeInto(
        env, handle: jlong,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
    ) -> jint {
        let sealing = table::sealing(unsigned(handle)?)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        Ok(narrow(seal_into(env, &sealing, sealing.take()?, &from, &to)?)?)
    }
}

/// Begins to open a whole envelope; answers the length of its header too.
fn begin(
    env: &Env<'_>,
    handle: jlong,
    given: &JByteArray<'_>,
    from: &Region,
) -> Step<(Opening, usize)> {
    let client = client(handle)?;
    let spec = spec(env, &client, given)?;
    let (header, header_len) = with_input(env, from, Header::parse)??;
    let body = (from.len() - header_len) as u64;
    Ok((Opening::begin(&client, &spec, header, Some(body), false)?, header_len))
}

fn open_to_array<'a>(env: &mut Env<'a>, opener: Opener, from: &Region) -> Step<JByteArray<'a>> {
    let plaintext = new_array(env, opener.plaintext_len(from.len())?)?;
    let to = whole(env, &plaintext)?;
    open_into(env, opener, from, &to)?;
    Ok(plaintext)
}

native! {
    /// Decrypts a whole envelope. Nothing where the data key is missing: then `wait` has the number
    /// of the stream to go on with, and the length of the header.
    fn Java_io_keyfold_internal_Native_open(
        env, handle: jlong, given: JByteArray<'a>,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        wait: JLongArray<'a>,
    ) -> JByteArray<'a> {
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let (opening, header) = begin(env, handle, &given, &from)?;
        if opening.is_waiting() {
            waiting(env, &wait, Entry::Opening(Arc::new(opening)), header)?;
            return Ok(JByteArray::default());
        }
        open_to_array(env, opening.take()?, &from.part(header..from.len())?)
    }
}

native! {
    /// As `open`, into a buffer; -1 where the data key is missing.
    fn Java_io_keyfold_internal_Native_openInto(
        env, handle: jlong, given: JByteArray<'a>,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
        wait: JLongArray<'a>,
    ) -> jint {
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        let (opening, header) = begin(env, handle, &given, &from)?;
        if opening.is_waiting() {
            waiting(env, &wait, Entry::Opening(Arc::new(opening)), header)?;
            return Ok(-1);
        }
        Ok(narrow(open_into(env, opening.take()?, &from.part(header..from.len())?, &to)?)?)
    }
}

native! {
    /// Decrypts a whole body by a stream whose data key is there.
    fn Java_io_keyfold_internal_Native_openWhole(
        env, handle: jlong,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
    ) -> JByteArray<'a> {
        let opening = table::opening(unsigned(handle)?)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        open_to_array(env, opening.take()?, &from)
    }
}

native! {
    /// As `openWhole`, into a buffer.
    fn Java_io_keyfold_internal_Native_openWholeInto(
        env, handle: jlong,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
    ) -> jint {
        let opening = table::opening(unsigned(handle)?)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        Ok(narrow(open_into(env, opening.take()?, &from, &to)?)?)
    }
}
