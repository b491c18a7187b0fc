//! Reads JSON objects as the original's decoder does: keys match whatever their case, the last of several wins, unknown
//! ones are skipped, and what is missing or `null` is the kind's zero. Everything else has to be of its kind exactly: an
//! integer has neither point nor exponent and fits its width, and a text holds no U+0000.
//!
//! Values are looked at as they stand in the body and copied once, when they are kept: no tree is built.

use crate::base::Secret;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A kind of value that a key may have; its default is its zero.
pub trait Field<'de>: Default {
    /// Reads the value that follows the key.
    ///
    /// # Errors
    /// It is of another kind.
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error>;
}

/// Declares objects: each field is read from the key of its name, or of the name behind `=`.
macro_rules! objects {
    ($($(#[$doc:meta])* pub struct $name:ident {
        $($(#[$field_doc:meta])* $field:ident $(= $key:literal)?: $kind:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Whole;
                impl<'de> ::serde::de::Visitor<'de> for Whole {
                    type Value = $name;

                    fn expecting(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_unit<E>(self) -> Result<$name, E> {
                        Ok($name::default())
                    }

                    fn visit_map<A: ::serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut whole = $name::default();
                        while let Some(key) = map.next_key::<$crate::tracker::wire::reader::Key<'de>>()? {
                            $(if key.is(objects!(@key $field $($key)?)) {
                                whole.$field = $crate::tracker::wire::reader::Field::read(&mut map)?;
                                continue;
                            })*
                            map.next_value::<::serde::de::IgnoredAny>()?;
                        }
                        Ok(whole)
                    }
                }
                from.deserialize_any(Whole)
            }
        }

        impl<'de> $crate::tracker::wire::reader::Field<'de> for $name {
            fn read<A: ::serde::de::MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
                map.next_value()
            }
        }
    )*};
    (@key $field:ident $key:literal) => { $key };
    (@key $field:ident) => { stringify!($field) };
}

pub(super) use objects;

/// A key, borrowed from the body where nothing in it is escaped.
pub struct Key<'de>(Cow<'de, str>);

impl Key<'_> {
    /// Whether it stands for this name, which is in small letters.
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

/// The value as it stands in the body; none for `null`.
fn raw<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<&'de str>, A::Error> {
    let text = map.next_value::<&'de RawValue>()?.get();
    Ok((text != "null").then_some(text))
}

fn integer<'de, N: FromStr + Default, A: MapAccess<'de>>(map: &mut A) -> Result<N, A::Error> {
    let Some(text) = raw(map)? else { return Ok(N::default()) };
    let digits = text.strip_prefix('-').unwrap_or(text);
    let parsed = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| A::Error::custom("expected an integer within its width"))
}

impl<'de> Field<'de> for i16 {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        integer(map)
    }
}

impl<'de> Field<'de> for i64 {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        integer(map)
    }
}

impl<'de> Field<'de> for f64 {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let Some(text) = raw(map)? else { return Ok(0.0) };
        // Rust reads more texts as numbers than JSON has, but those start with a letter and were refused before.
        let parsed = text.parse().ok().filter(|number: &f64| number.is_finite());
        parsed.ok_or_else(|| A::Error::custom("expected a number"))
    }
}

impl<'de> Field<'de> for bool {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        match raw(map)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(A::Error::custom("expected true or false")),
        }
    }
}

impl<'de> Field<'de> for String {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        let text = text(map)?;
        if text.contains('\0') {
            return Err(A::Error::custom("expected a text without U+0000"));
        }
        Ok(text)
    }
}

/// A password: any text, since it is not stored.
#[derive(Debug)]
pub struct Password(pub Secret);

impl Default for Password {
    fn default() -> Password {
        Password(Secret::new(""))
    }
}

impl<'de> Field<'de> for Password {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        text(map).map(|text| Password(Secret::new(text)))
    }
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
    let Some(raw) = raw(map)? else { return Ok(String::new()) };
    let inside = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let inside = inside.ok_or_else(|| A::Error::custom("expected a text"))?;
    if !inside.contains('\\') {
        return Ok(inside.to_owned());
    }
    match serde_json::from_str(raw) {
        Ok(text) => Ok(text),
        Err(_) => serde_json::from_str(raw).map(|Loose(text)| text).map_err(A::Error::custom),
    }
}

/// A text with escapes that stand for half a character: each becomes U+FFFD, as the original's decoder has it. Python
/// writes such texts when a program's output was not UTF-8.
struct Loose(String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Loose;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Loose, E> {
                let mut text = String::with_capacity(bytes.len());
                for chunk in bytes.utf8_chunks() {
                    text.push_str(chunk.valid());
                    // Half a character is three bytes, of which the first is this, and each is a chunk of its own.
                    if chunk.invalid().first() == Some(&0xED) {
                        text.push(char::REPLACEMENT_CHARACTER);
                    }
                }
                Ok(Loose(text))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
#[path = "reader/tests.rs"]
mod tests;
