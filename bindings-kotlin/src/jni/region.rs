//! Memory of Java's, lent to a call: a part of an array, or of a direct buffer.
//!
//! What is lent must not be changed meanwhile by another thread of Java's, as with any I/O of the
//! JVM's. Input and output never overlap: that is checked.

use std::ffi::c_void;
use std::ops::Range;
use std::ptr::null_mut;

use jni::Env;
use jni::objects::{JByteArray, JByteBuffer};
use jni::sys::{self, jint};
use keyfold::{Error, Result};

use super::Step;
use crate::error::invalid;

/// Where the bytes are.
enum Place {
    /// Nowhere: there are none.
    None,
    /// In an array; from this index on.
    Array(sys::jobject, usize),
    /// At an address, outside the heap of Java's.
    Direct(*mut u8),
}

/// So many bytes of Java's.
pub(super) struct Region {
    place: Place,
    len: usize,
}

impl Region {
    /// `len` bytes from `at` on, of an array where there is one, and of a direct buffer otherwise.
    pub(super) fn new(
        env: &Env<'_>,
        array: &JByteArray<'_>,
        buffer: &JByteBuffer<'_>,
        at: jint,
        len: jint,
    ) -> Step<Self> {
        let outside = || invalid("the range is outside of its buffer");
        let (Ok(at), Ok(len)) = (usize::try_from(at), usize::try_from(len)) else {
            return Err(outside().into());
        };
        let end = at.checked_add(len).ok_or_else(outside)?;
        if !array.is_null() {
            if end > array.len(env)? {
                return Err(outside().into());
            }
            let place = if len == 0 { Place::None } else { Place::Array(array.as_raw(), at) };
            return Ok(Region { place, len });
        }
        if buffer.is_null() {
            return Err(invalid("there is no buffer").into());
        }
        let direct = || invalid("a buffer is direct, or has an array");
        let capacity = env.get_direct_buffer_capacity(buffer).map_err(|_| direct())?;
        if end > capacity {
            return Err(outside().into());
        }
        if len == 0 {
            return Ok(Region::none());
        }
        let start = env.get_direct_buffer_address(buffer).map_err(|_| direct())?;
        // SAFETY: `at` lies within the capacity of the buffer, which starts there.
        Ok(Region { place: Place::Direct(unsafe { start.add(at) }), len })
    }

    /// No bytes.
    pub(super) fn none() -> Self {
        Region { place: Place::None, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether the bytes are in an array: then they are lent for a short while only.
    pub(super) fn is_array(&self) -> bool {
        matches!(self.place, Place::Array(..))
    }

    /// A part of it.
    ///
    /// # Errors
    /// `invalid_argument` where it is outside.
    pub(super) fn part(&self, range: Range<usize>) -> Result<Self> {
        if range.end < range.start || range.end > self.len {
            return Err(invalid("the output buffer is too short"));
        }
        let len = range.end - range.start;
        let place = match self.place {
            _ if len == 0 => Place::None,
            Place::None => Place::None,
            Place::Array(array, at) => Place::Array(array, at + range.start),
            // SAFETY: within the bytes of the region.
            Place::Direct(start) => Place::Direct(unsafe { start.add(range.start) }),
        };
        Ok(Region { place, len })
    }

    fn overlaps(&self, env: &Env<'_>, other: &Region) -> bool {
        let meet = |a: usize, b: usize| a < b + other.len && b < a + self.len;
        match (&self.place, &other.place) {
            (Place::Array(one, a), Place::Array(two, b)) => {
                // SAFETY: both are references of this call.
                let same =
                    unsafe { ((**env.get_raw()).v1_2.IsSameObject)(env.get_raw(), *one, *two) };
                same && meet(*a, *b)
            }
            (Place::Direct(one), Place::Direct(two)) => meet(one.addr(), two.addr()),
            _ => false,
        }
    }
}

/// The bytes of a region, while this lives. With those of an array in hand a thread calls nothing
/// of Java's and waits for nobody: the collector waits for it.
struct Lent {
    env: *mut sys::JNIEnv,
    array: sys::jobject,
    elements: *mut c_void,
    start: *mut u8,
    len: usize,
    /// Whether a copy, should the JVM have made one, is written back.
    back: bool,
}

impl Lent {
    fn new(env: &Env<'_>, region: &Region, back: bool) -> Result<Self> {
        let raw = env.get_raw();
        let lent = |array, elements, start| Lent {
            env: raw,
            array,
            elements,
            start,
            len: region.len,
            back,
        };
        match region.place {
            Place::None => Ok(lent(null_mut(), null_mut(), null_mut())),
            Place::Direct(start) => Ok(lent(null_mut(), null_mut(), start)),
            Place::Array(array, at) => {
                // SAFETY: the reference is of this call; what is lent is given back by `drop`.
                let elements =
                    unsafe { ((**raw).v1_2.GetPrimitiveArrayCritical)(raw, array, null_mut()) };
                if elements.is_null() {
                    return Err(Error::new(
                        keyfold::ErrorCode::Internal,
                        "the JVM does not lend an array",
                    ));
                }
                // SAFETY: `at` lies within the array, as `Region::new` has checked.
                let start = unsafe { elements.cast::<u8>().add(at) };
                Ok(lent(array, elements, start))
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self.len {
            0 => &[],
            // SAFETY: so many bytes are there, as `Region::new` has checked, until this is dropped.
            len => unsafe { std::slice::from_raw_parts(self.start, len) },
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self.len {
            0 => &mut [],
            // SAFETY: as above, and nothing else that is lent overlaps them.
            len => unsafe { std::slice::from_raw_parts_mut(self.start, len) },
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.elements.is_null() {
            let mode = if self.back { 0 } else { sys::JNI_ABORT };
            // SAFETY: lent by `GetPrimitiveArrayCritical`, on this thread, and given back once.
            unsafe {
                ((**self.env).v1_2.ReleasePrimitiveArrayCritical)(
                    self.env,
                    self.array,
                    self.elements,
                    mode,
                );
            }
        }
    }
}

/// Refuses two that share memory.
pub(super) fn apart(env: &Env<'_>, one: &Region, two: &Region) -> Result<()> {
    if one.overlaps(env, two) { Err(invalid("input and output share memory")) } else { Ok(()) }
}

/// Reads the bytes of a region, where they are.
pub(super) fn with_input<T>(
    env: &Env<'_>,
    from: &Region,
    work: impl FnOnce(&[u8]) -> T,
) -> Result<T> {
    let from = Lent::new(env, from, false)?;
    Ok(work(from.bytes()))
}

/// Reads the bytes of one region and writes those of another.
pub(super) fn with_both<T>(
    env: &Env<'_>,
    from: &Region,
    to: &Region,
    work: impl FnOnce(&[u8], &mut [u8]) -> T,
) -> Result<T> {
    apart(env, from, to)?;
    let from = Lent::new(env, from, false)?;
    let mut to = Lent::new(env, to, true)?;
    Ok(work(from.bytes(), to.bytes_mut()))
}
