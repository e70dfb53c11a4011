//! Request bodies, read strictly.
//!
//! The types say what members there are; this says what a body may do with them. It stands
//! between the JSON parser and the types, so that one rule holds for all operations and at every
//! level:
//! - a member stands at most once, `null` is the same as an absent member, nothing is ignored;
//! - a member that AWS knows and this service does not offer is refused by its name, unless it asks
//!   for nothing (`null` or `false`);
//! - an error names the member and the kind of fault, never what was sent.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::error::Category;

use crate::error::{KmsError, KmsErrorCode, Result};

/// The longest name of an unknown member that an error repeats.
const MAX_ECHO: usize = 64;

/// Reads a request. An empty body is an empty object. `refused` are the members that AWS knows
/// and this service does not offer.
///
/// # Errors
/// `SerializationException` for what is no such object, `ValidationException` for a value outside
/// of its type's range, `UnsupportedOperationException` for a refused member.
pub(crate) fn decode<'de, T: Deserialize<'de>>(
    body: &'de [u8],
    refused: &'static [&'static str],
) -> Result<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    let trace = Trace::default();
    let mut json = serde_json::Deserializer::from_slice(body);
    let strict = Strict { inner: &mut json, trace: &trace, refused, member: false };
    T::deserialize(strict)
        .and_then(|value| json.end().map(|()| value))
        .map_err(|error| trace.explain(&error))
}

/// What went wrong first, and where: filled while an error goes up, so that reading costs nothing.
#[derive(Default)]
struct Trace {
    fault: Cell<Option<Fault>>,
    // From the inside out.
    path: RefCell<Vec<Step>>,
}

#[derive(Clone, Copy)]
enum Step {
    Member(&'static str),
    Item(usize),
}

enum Fault {
    Expected(&'static str),
    Twice,
    Unknown(String),
    NotOffered,
    Missing,
    Range,
    NotOneOf(&'static [&'static str]),
}

impl Trace {
    /// Keeps the first fault.
    fn note(&self, fault: Fault) {
        let first = self.fault.take().unwrap_or(fault);
        self.fault.set(Some(first));
    }

    /// An error of which only the trace tells what it is.
    fn fail<E: serde::de::Error>(&self, fault: Fault) -> E {
        self.note(fault);
        E::custom("")
    }

    fn at<T, E>(&self, result: Result<T, E>, step: Step) -> Result<T, E> {
        result.inspect_err(|_| self.path.borrow_mut().push(step))
    }

    fn expect<T, E>(&self, result: Result<T, E>, what: &'static str) -> Result<T, E> {
        result.inspect_err(|_| self.note(Fault::Expected(what)))
    }

    /// The path as AWS writes it in its messages: `tags.1.tagKey`.
    fn path(&self) -> String {
        let mut text = String::new();
        for step in self.path.borrow().iter().rev() {
            if !text.is_empty() {
                text.push('.');
            }
            match step {
                Step::Member(name) => {
                    let mut chars = name.chars();
                    text.extend(chars.next().map(|first| first.to_ascii_lowercase()));
                    text.push_str(chars.as_str());
                }
                Step::Item(index) => text.push_str(&(index + 1).to_string()),
            }
        }
        if text.is_empty() { "the body".to_owned() } else { text }
    }

    fn explain(&self, error: &serde_json::Error) -> KmsError {
        let serialization = |text: String| KmsError::new(KmsErrorCode::Serialization, text);
        if error.classify() != Category::Data {
            return serialization(format!(
                "the body is not JSON, or nested too deeply (line {}, column {})",
                error.line(),
                error.column()
            ));
        }
        let path = self.path();
        match self.fault.take() {
            Some(Fault::Expected(what)) => serialization(format!("{path} is not {what}")),
            Some(Fault::Twice) => serialization(format!("{path} stands twice")),
            Some(Fault::Unknown(name)) => serialization(format!(
                "the operation has no member{}",
                if name.is_empty() { " of such a name".to_owned() } else { format!(" {name}") }
            )),
            Some(Fault::NotOffered) => KmsError::unsupported(format!("{path} is not offered")),
            Some(Fault::Missing) => KmsError::validation(&path, "Member must not be null"),
            Some(Fault::Range) => {
                KmsError::validation(&path, "Member must be an integer from 0 to 4294967295")
            }
            Some(Fault::NotOneOf(names)) => KmsError::validation(
                &path,
                &format!("Member must satisfy enum value set: [{}]", names.join(", ")),
            ),
            None => serialization(format!("{path} is not of the form that it must have")),
        }
    }
}

/// A deserializer whose every value is watched.
struct Strict<'t, D> {
    inner: D,
    trace: &'t Trace,
    refused: &'static [&'static str],
    /// Whether the value is a member's: `null` then stands for its default.
    member: bool,
}

/// A visitor that is watched.
struct Watch<'t, V> {
    visitor: V,
    trace: &'t Trace,
    refused: &'static [&'static str],
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    Bool,
    Number,
    Text,
    List,
    Map,
    Struct(&'static str, &'static [&'static str]),
    Optional,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Shape::Bool => "true or false",
            Shape::Number => "an integer",
            Shape::Text => "a string",
            Shape::List => "a list",
            Shape::Map => "an object of strings without a name that stands twice",
            Shape::Struct(..) => "an object",
            Shape::Optional => "of the form that it must have",
        }
    }
}

impl<D> Strict<'_, D> {
    fn watch<'de, V: Visitor<'de>>(self, shape: Shape, visitor: V) -> Result<V::Value, D::Error>
    where
        D: Deserializer<'de>,
    {
        let Strict { inner, trace, refused, member } = self;
        let watch = Watch { visitor, trace, refused, shape };
        let read = if member { inner.deserialize_option(watch) } else { watch.read(inner) };
        trace.expect(read, shape.name())
    }
}

impl<'de, V: Visitor<'de>> Watch<'_, V> {
    fn read<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        match self.shape {
            Shape::Bool => inner.deserialize_bool(self),
            Shape::Number => inner.deserialize_u64(self),
            Shape::Text => inner.deserialize_str(self),
            Shape::List => inner.deserialize_seq(self),
            Shape::Map => inner.deserialize_map(self),
            Shape::Struct(name, fields) => inner.deserialize_struct(name, fields, self),
            Shape::Optional => inner.deserialize_option(self),
        }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.watch(Shape::Bool, visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.watch(Shape::Number, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.watch(Shape::Text, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.watch(Shape::Text, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        Strict { member: false, ..self }.watch(Shape::Optional, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.watch(Shape::List, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.watch(Shape::Map, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.watch(Shape::Struct(name, fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let trace = self.trace;
        let found = self.watch(Shape::Text, OneOf(variants))?;
        let name = found.ok_or_else(|| trace.fail(Fault::NotOneOf(variants)))?;
        let variant: StrDeserializer<'_, D::Error> = name.into_deserializer();
        visitor.visit_enum(variant)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    // Members of any form are refused by name before they are read.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watch<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape.name())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.visitor.visit_bool(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<V::Value, E> {
        let read = self.visitor.visit_u64(value);
        read.inspect_err(|_: &E| self.trace.note(Fault::Range))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<V::Value, E> {
        Err(self.trace.fail(Fault::Range))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<V::Value, E> {
        // Of what is written as a string, only base64 has a form.
        self.trace.expect(self.visitor.visit_borrowed_str(text), "base64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<V::Value, E> {
        self.trace.expect(self.visitor.visit_str(text), "base64")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.visit_none()
    }

    /// What an absent member is.
    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        match self.shape {
            Shape::Optional => self.visitor.visit_none(),
            Shape::Bool => self.visitor.visit_bool(false),
            Shape::Text => self.visitor.visit_str(""),
            Shape::List => self.visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<()>())),
            Shape::Map => {
                self.visitor.visit_map(MapDeserializer::new(std::iter::empty::<((), ())>()))
            }
            Shape::Number | Shape::Struct(..) => Err(self.trace.fail(Fault::Missing)),
        }
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        match self.shape {
            Shape::Optional => {
                let Watch { visitor, trace, .. } = self;
                visitor.visit_some(Strict { inner, trace, refused: &[], member: false })
            }
            _ => self.read(inner),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        match self.shape {
            Shape::List => self.visitor.visit_seq(Items { access, trace: self.trace, index: 0 }),
            // A struct that serde would read from a list.
            _ => Err(self.trace.fail(Fault::Expected(self.shape.name()))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let Watch { visitor, trace, refused, shape } = self;
        let Shape::Struct(_, fields) = shape else {
            return visitor.visit_map(Entries { access, trace });
        };
        let members = Members { access, trace, refused, fields, seen: 0, current: "" };
        // What is left when every member was read: one is missing.
        visitor.visit_map(members).inspect_err(|_| trace.note(Fault::Missing))
    }
}

/// The values of a list or of a map.
struct Value<'t, S> {
    seed: S,
    trace: &'t Trace,
    member: bool,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Value<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let Value { seed, trace, member } = self;
        seed.deserialize(Strict { inner, trace, refused: &[], member })
    }
}

struct Items<'t, A> {
    access: A,
    trace: &'t Trace,
    index: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let (trace, index) = (self.trace, self.index);
        self.index += 1;
        let read = self.access.next_element_seed(Value { seed, trace, member: false });
        trace.at(read, Step::Item(index))
    }

    // No hint of a length: what is reserved follows what is read.
}

/// A map: its names are the caller's, and no error repeats them.
struct Entries<'t, A> {
    access: A,
    trace: &'t Trace,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.access.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = Value { seed, trace: self.trace, member: false };
        self.trace.at(self.access.next_value_seed(value), Step::Member("value"))
    }
}

/// The members of a struct.
struct Members<'t, A> {
    access: A,
    trace: &'t Trace,
    refused: &'static [&'static str],
    fields: &'static [&'static str],
    /// A bit for each member of `fields`, then for each of `refused`.
    seen: u128,
    current: &'static str,
}

impl<'de, A: MapAccess<'de>> Members<'_, A> {
    fn once(&mut self, index: usize, name: &'static str) -> Result<(), A::Error> {
        let bit = 1_u128 << (index % 128);
        if self.seen & bit != 0 {
            return self.trace.at(Err(self.trace.fail(Fault::Twice)), Step::Member(name));
        }
        self.seen |= bit;
        Ok(())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let (trace, fields, refused) = (self.trace, self.fields, self.refused);
        while let Some(name) = self.access.next_key_seed(Lookup { fields, refused })? {
            match name {
                Name::NotOffered(index) => {
                    let name = refused[index];
                    self.once(fields.len() + index, name)?;
                    let asked = self.access.next_value::<AsksFor>()?;
                    if asked.0 {
                        return trace.at(Err(trace.fail(Fault::NotOffered)), Step::Member(name));
                    }
                }
                Name::Known(index) => {
                    let name = fields[index];
                    self.once(index, name)?;
                    self.current = name;
                    return seed.deserialize(name.into_deserializer()).map(Some);
                }
                Name::Unknown(name) => return Err(trace.fail(Fault::Unknown(name))),
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = Value { seed, trace: self.trace, member: true };
        self.trace.at(self.access.next_value_seed(value), Step::Member(self.current))
    }
}

/// Finds a member by its name, without copying the name.
struct Lookup {
    fields: &'static [&'static str],
    refused: &'static [&'static str],
}

enum Name {
    Known(usize),
    NotOffered(usize),
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for Lookup {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Name, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Lookup {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
        let place = |names: &[&str]| names.iter().position(|known| *known == name);
        Ok(if let Some(index) = place(self.refused) {
            Name::NotOffered(index)
        } else if let Some(index) = place(self.fields) {
            Name::Known(index)
        } else {
            let plain = name.len() <= MAX_ECHO && name.bytes().all(|b| b.is_ascii_alphanumeric());
            Name::Unknown(if plain { name.to_owned() } else { String::new() })
        })
    }
}

/// Whether a member asks for anything: all but `null` and `false` do.
struct AsksFor(bool);

impl<'de> Deserialize<'de> for AsksFor {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        struct Asks;

        impl<'de> Visitor<'de> for Asks {
            type Value = AsksFor;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<AsksFor, E> {
                Ok(AsksFor(false))
            }

            fn visit_bool<E>(self, value: bool) -> Result<AsksFor, E> {
                Ok(AsksFor(value))
            }

            fn visit_u64<E>(self, _: u64) -> Result<AsksFor, E> {
                Ok(AsksFor(true))
            }

            fn visit_i64<E>(self, _: i64) -> Result<AsksFor, E> {
                Ok(AsksFor(true))
            }

            fn visit_f64<E>(self, _: f64) -> Result<AsksFor, E> {
                Ok(AsksFor(true))
            }

            fn visit_str<E>(self, _: &str) -> Result<AsksFor, E> {
                Ok(AsksFor(true))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AsksFor, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(AsksFor(true))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AsksFor, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(AsksFor(true))
            }
        }

        value.deserialize_any(Asks)
    }
}

/// Finds a name among those of an enumeration.
struct OneOf(&'static [&'static str]);

impl Visitor<'_> for OneOf {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|name| **name == text).copied())
    }
}

#[cfg(test)]
pub(crate) use tests::members;

#[cfg(test)]
mod tests;
