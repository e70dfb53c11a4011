//! The way of the bytes on the JVM and on Android: a few functions beside UniFFI's, many times as
//! fast. They find their objects by number ([`crate::table`]), so one that is closed, of another
//! kind or made up is an error; a panic is one too. `io.keyfold.internal.Native` declares them.
//!
//! No rule lives here: they call what the UniFFI surface calls. `unsafe` is here alone, in
//! [`region`] for the memory of Java's that is lent to a call, and for the names of the functions.
#![allow(unsafe_code)]

mod region;
mod whole;

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use jni::objects::{JByteArray, JByteBuffer, JClass, JLongArray, JObject, JThrowable, JValue};
use jni::sys::{jint, jlong};
use jni::{Env, EnvUnowned, Outcome, jni_sig, jni_str};
use keyfold::sign::MessageHasher;
use keyfold::{Error, ErrorCode, Header, Result, SecretBytes};
use uniffi::Lift;
use zeroize::Zeroizing;

use crate::client::Shared;
use crate::error::{Failure, Retry, invalid};
use crate::spec::{Parsed, Spec};
use crate::stream::{Opening, Ranges, Sealing, numbered};
use crate::table::{self, Entry};
use region::{Region, with_both, with_input};

/// What ends a call: an error of ours, or an exception that Java has already.
enum Stop {
    Ours(Error),
    Java,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Ours(error)
    }
}

impl From<jni::errors::Error> for Stop {
    fn from(error: jni::errors::Error) -> Self {
        match error {
            jni::errors::Error::JavaException => Stop::Java,
            _ => Stop::Ours(Error::new(ErrorCode::Internal, format!("JNI: {error}"))),
        }
    }
}

type Step<T> = std::result::Result<T, Stop>;

/// Does the work of a function. What fails, and what panics, is thrown.
fn run<'a, T: Default>(mut env: EnvUnowned<'a>, work: impl FnOnce(&mut Env<'a>) -> Step<T>) -> T {
    let stop = match env.with_env(work).into_outcome() {
        Outcome::Ok(done) => return done,
        Outcome::Err(stop) => stop,
        Outcome::Panic(payload) => Stop::Ours(panicked(payload)),
    };
    let Stop::Ours(error) = stop else { return T::default() };
    // If even that fails, Java has an exception of its own about it.
    let thrown = env.with_env(|env| throw(env, error.into())).into_outcome();
    drop(thrown);
    T::default()
}

/// The text of a panic is not passed on: it may quote what it was about.
fn panicked(payload: Box<dyn Any + Send>) -> Error {
    // What a payload does when it is dropped is not known.
    std::mem::forget(payload);
    Error::new(ErrorCode::Internal, "a defect of keyfold: it panicked")
}

/// `Native.failure` makes the exception.
fn throw(env: &mut Env<'_>, failure: Failure) -> jni::errors::Result<()> {
    if env.exception_check() {
        return Ok(());
    }
    // No KMS is called here: nothing is `unsupported`.
    let Failure::Failed { code, detail, retry, origin, said, .. } = failure;
    let (retry, after) = match retry {
        Retry::Never => (0, -1),
        Retry::Later { after_millis } => (1, after_millis.map_or(-1, wide)),
        Retry::AfterChange => (2, -1),
    };
    let code = JObject::from(env.new_string(code)?);
    let detail = JObject::from(env.new_string(detail)?);
    let said = match said {
        Some(said) => JObject::from(env.new_string(said)?),
        None => JObject::null(),
    };
    let arguments = [
        JValue::Object(&code),
        JValue::Object(&detail),
        JValue::Int(retry),
        JValue::Long(after),
        JValue::Long(wide(origin)),
        JValue::Object(&said),
    ];
    let made = env
        .call_static_method(
            jni_str!("io/keyfold/internal/Native"),
            jni_str!("failure"),
            jni_sig!(
                (java.lang.String, java.lang.String, int, long, long, java.lang.String) -> java.lang.Throwable
            ),
            &arguments,
        )?
        .l()?;
    let made = env.cast_local::<JThrowable<'_>>(made)?;
    match env.throw(&made) {
        // That is how it says that there is an exception now.
        Ok(()) | Err(jni::errors::Error::JavaException) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A number of ours as one of Java's: none of ours comes near the sign.
fn wide(number: u64) -> jlong {
    jlong::try_from(number).unwrap_or(jlong::MAX)
}

/// A number of Java's as one of ours.
fn unsigned(number: jlong) -> Result<u64> {
    u64::try_from(number).map_err(|_| invalid("a negative number"))
}

/// A number of Java's that may be -1 for none.
fn optional(number: jlong) -> Option<u64> {
    u64::try_from(number).ok()
}

/// An index of Java's, where that goes to 2^31.
fn narrow(number: usize) -> Result<jint> {
    jint::try_from(number)
        .map_err(|_| Error::new(ErrorCode::LimitExceeded, "more than an array of Java's holds"))
}

fn client(number: jlong) -> Result<Arc<Shared>> {
    table::client(unsigned(number)?)
}

/// The spec of a call: that of the client, or the record of UniFFI's in its own form, which only our
/// own glue writes.
fn spec(env: &Env<'_>, client: &Shared, given: &JByteArray<'_>) -> Step<Arc<Parsed>> {
    if given.is_null() {
        return Ok(client.defaults.clone());
    }
    let bytes = env.convert_byte_array(given)?;
    let spec = <Spec as Lift<crate::UniFfiTag>>::try_read(&mut bytes.as_slice())
        .map_err(|_| invalid("the options have another form"))?;
    Ok(Arc::new(Parsed::try_from(spec)?))
}

/// A small array of Java's.
fn bytes(env: &Env<'_>, given: &JByteArray<'_>) -> Step<Vec<u8>> {
    if given.is_null() {
        return Err(invalid("there are no bytes").into());
    }
    Ok(env.convert_byte_array(given)?)
}

/// A stream's number, negative while it waits for its data key.
fn number(waiting: bool, entry: Entry) -> jlong {
    let number = wide(numbered(entry));
    if waiting { -number } else { number }
}

macro_rules! native {
    ($(#[$doc:meta])* fn $name:ident($env:ident $(, $argument:ident: $type:ty)* $(,)?) -> $answer:ty $body:block) => {
        $(#[$doc])*
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, clippy::too_many_arguments, clippy::needless_pass_by_value)]
        pub(crate) extern "system" fn $name<'a>(
            env: EnvUnowned<'a>,
            _class: JClass<'a>
            $(, $argument: $type)*
        ) -> $answer {
            run(env, |$env| $body)
        }
    };
}
use native;

native! {
    /// Takes back a number.
    fn Java_io_keyfold_internal_Native_free(_env, handle: jlong) -> () {
        table::remove(unsigned(handle)?);
        Ok(())
    }
}

native! {
    /// Begins an envelope; of `length` bytes, or -1.
    fn Java_io_keyfold_internal_Native_beginSeal(
        env, handle: jlong, given: JByteArray<'a>, length: jlong,
    ) -> jlong {
        let client = client(handle)?;
        let spec = spec(env, &client, &given)?;
        let sealing = Sealing::begin(&client, &spec, optional(length))?;
        Ok(number(sealing.is_waiting(), Entry::Sealing(Arc::new(sealing))))
    }
}

native! {
    /// The header.
    fn Java_io_keyfold_internal_Native_sealHeader(env, handle: jlong) -> JByteArray<'a> {
        let header = table::sealing(unsigned(handle)?)?.with(|sealer| sealer.header().to_vec())?;
        Ok(env.byte_array_from_slice(&header)?)
    }
}

native! {
    /// How many bytes `sealUpdate` writes for so many.
    fn Java_io_keyfold_internal_Native_sealRoom(_env, handle: jlong, length: jint) -> jint {
        let length = usize::try_from(length).map_err(|_| invalid("a negative length"))?;
        let sealing = table::sealing(unsigned(handle)?)?;
        Ok(narrow(sealing.with(|sealer| sealer.update_len(length))?)?)
    }
}

native! {
    /// Seals more; answers how many bytes were written.
    fn Java_io_keyfold_internal_Native_sealUpdate(
        env, handle: jlong,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
    ) -> jint {
        let sealing = table::sealing(unsigned(handle)?)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        let written = with_both(env, &from, &to, |plaintext, out| {
            sealing.with(|sealer| sealer.update_into(plaintext, out))?
        })??;
        Ok(narrow(written)?)
    }
}

native! {
    /// Seals the last segment; answers how many bytes were written.
    fn Java_io_keyfold_internal_Native_sealFinish(
        env, handle: jlong,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
    ) -> jint {
        let sealing = table::sealing(unsigned(handle)?)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        let written = with_both(env, &Region::none(), &to, |_, out| {
            let (written, pending) = sealing.take()?.finish_into(out)?;
            sealing.finished(pending);
            Ok::<_, Error>(written)
        })??;
        Ok(narrow(written)?)
    }
}

native! {
    /// The length of the header that these bytes start with; or, negative, how many more are wanted.
    fn Java_io_keyfold_internal_Native_headerLength(
        env,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
    ) -> jint {
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        match with_input(env, &from, crate::inspect::header_len)?? {
            Ok(length) => Ok(narrow(length)?),
            Err(missing) => Ok(-narrow(missing)?),
        }
    }
}

native! {
    /// Begins to open an envelope with this header, and a body of `length` bytes, or -1.
    fn Java_io_keyfold_internal_Native_beginOpen(
        env, handle: jlong, given: JByteArray<'a>, header: JByteArray<'a>, length: jlong,
        unproven: jni::sys::jboolean,
    ) -> jlong {
        let client = client(handle)?;
        let spec = spec(env, &client, &given)?;
        let header = Header::parse_detached(&bytes(env, &header)?)?;
        let opening = Opening::begin(&client, &spec, header, optional(length), unproven)?;
        Ok(number(opening.is_waiting(), Entry::Opening(Arc::new(opening))))
    }
}

native! {
    /// How many bytes `openUpdate` writes for so many.
    fn Java_io_keyfold_internal_Native_openRoom(_env, handle: jlong, length: jint) -> jint {
        let length = usize::try_from(length).map_err(|_| invalid("a negative length"))?;
        let opening = table::opening(unsigned(handle)?)?;
        Ok(narrow(opening.with(|opener| opener.update_len(length))?)?)
    }
}

native! {
    /// Opens more; answers how many bytes were written.
    fn Java_io_keyfold_internal_Native_openUpdate(
        env, handle: jlong,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
    ) -> jint {
        let opening = table::opening(unsigned(handle)?)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        let written = with_both(env, &from, &to, |sealed, out| {
            opening.with(|opener| opener.update_into(sealed, out))?
        })??;
        Ok(narrow(written)?)
    }
}

native! {
    /// How many bytes `openFinish` writes.
    fn Java_io_keyfold_internal_Native_openFinishRoom(_env, handle: jlong) -> jint {
        let opening = table::opening(unsigned(handle)?)?;
        Ok(narrow(opening.with(|opener| opener.finish_len())?)?)
    }
}

native! {
    /// Proves the end; answers how many bytes were written.
    fn Java_io_keyfold_internal_Native_openFinish(
        env, handle: jlong,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
    ) -> jint {
        let opening = table::opening(unsigned(handle)?)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        let written = with_both(env, &Region::none(), &to, |_, out| {
            opening.take()?.finish_into(out)
        })??;
        Ok(narrow(written)?)
    }
}

native! {
    /// Opens parts of a body of this length, which begins with `prefix`.
    fn Java_io_keyfold_internal_Native_beginRanges(
        env, handle: jlong, prefix: JByteArray<'a>, length: jlong,
    ) -> jlong {
        let opening = table::opening(unsigned(handle)?)?;
        let ranges = opening.begin_ranges(&bytes(env, &prefix)?, unsigned(length)?)?;
        Ok(wide(numbered(Entry::Ranges(Arc::new(ranges)))))
    }
}

fn ranges(handle: jlong) -> Result<Arc<Ranges>> {
    table::ranges(unsigned(handle)?)
}

native! {
    /// Bytes of plaintext.
    fn Java_io_keyfold_internal_Native_rangesLength(_env, handle: jlong) -> jlong {
        Ok(wide(ranges(handle)?.0.layout().plaintext_len()))
    }
}

native! {
    /// Which bytes of the body `openRange` wants; for those that prove the end, `start` is -1.
    fn Java_io_keyfold_internal_Native_fetch(
        env, handle: jlong, start: jlong, end: jlong, out: JLongArray<'a>,
    ) -> () {
        let ranges = ranges(handle)?;
        let layout = ranges.0.layout();
        let plan = match optional(start) {
            Some(start) => layout.plan(start..unsigned(end)?)?,
            None => layout.end(),
        };
        let fetch = plan.fetch();
        Ok(out.set_region(env, 0, &[wide(fetch.start), wide(fetch.end)])?)
    }
}

native! {
    /// Opens a range; answers how many bytes were written.
    fn Java_io_keyfold_internal_Native_openRange(
        env, handle: jlong, start: jlong, end: jlong,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        target: JByteArray<'a>, target_buffer: JByteBuffer<'a>, target_at: jint, target_len: jint,
    ) -> jint {
        let ranges = ranges(handle)?;
        let layout = ranges.0.layout();
        let plan = match optional(start) {
            Some(start) => layout.plan(start..unsigned(end)?)?,
            None => layout.end(),
        };
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let to = Region::new(env, &target, &target_buffer, target_at, target_len)?;
        let mut plaintext = Zeroizing::new(Vec::new());
        with_input(env, &from, |sealed| ranges.0.open(&plan, sealed, &mut plaintext))??;
        with_both(env, &Region::none(), &to, |_, out| {
            let out = out.get_mut(..plaintext.len());
            out.ok_or_else(|| invalid("the output buffer is too short"))?
                .copy_from_slice(&plaintext);
            Ok::<_, Error>(())
        })??;
        Ok(narrow(plaintext.len())?)
    }
}

native! {
    /// Puts a value into a secret.
    fn Java_io_keyfold_internal_Native_secretFill(
        env, handle: jlong, value: JByteArray<'a>,
    ) -> () {
        let secret = table::secret(unsigned(handle)?)?;
        secret.set(Some(SecretBytes::new(bytes(env, &value)?)));
        Ok(())
    }
}

native! {
    /// A copy of the value of a secret.
    fn Java_io_keyfold_internal_Native_secretExpose(env, handle: jlong) -> JByteArray<'a> {
        let secret = table::secret(unsigned(handle)?)?;
        Ok(secret.with(|value| env.byte_array_from_slice(value))??)
    }
}

native! {
    /// Throws unless the signature is of this message.
    fn Java_io_keyfold_internal_Native_verify(
        env, handle: jlong, algorithm: JByteArray<'a>,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
        signature: JByteArray<'a>,
    ) -> () {
        let key = table::public_key(unsigned(handle)?)?;
        let algorithm = named(env, &algorithm)?;
        let signature = bytes(env, &signature)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        let verify = |message: &[u8]| key.verify(algorithm, message, &signature);
        Ok(with_input(env, &from, verify)??)
    }
}

fn named(env: &Env<'_>, name: &JByteArray<'_>) -> Step<keyfold::sign::SignatureAlgorithm> {
    let name = bytes(env, name)?;
    let name = std::str::from_utf8(&name).map_err(|_| invalid("a name is text in UTF-8"))?;
    Ok(crate::sign::algorithm(name)?)
}

native! {
    /// Begins the hash of a message that is signed with this algorithm.
    fn Java_io_keyfold_internal_Native_beginHash(env, algorithm: JByteArray<'a>) -> jlong {
        let hasher = MessageHasher::new(named(env, &algorithm)?)?;
        Ok(wide(numbered(Entry::Hasher(Arc::new(Mutex::new(Some(hasher)))))))
    }
}

fn hashed() -> Error {
    invalid("the hash is finished already")
}

native! {
    /// Adds a part of the message.
    fn Java_io_keyfold_internal_Native_hashUpdate(
        env, handle: jlong,
        source: JByteArray<'a>, source_buffer: JByteBuffer<'a>, source_at: jint, source_len: jint,
    ) -> () {
        let hasher = table::hasher(unsigned(handle)?)?;
        let from = Region::new(env, &source, &source_buffer, source_at, source_len)?;
        with_input(env, &from, |part| {
            let mut hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner);
            hasher.as_mut().ok_or_else(hashed).map(|hasher| hasher.update(part))
        })??;
        Ok(())
    }
}

native! {
    /// The digest, once.
    fn Java_io_keyfold_internal_Native_hashFinish(env, handle: jlong) -> JByteArray<'a> {
        let hasher = table::hasher(unsigned(handle)?)?;
        let taken = hasher.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(env.byte_array_from_slice(&taken.ok_or_else(hashed)?.finish())?)
    }
}
