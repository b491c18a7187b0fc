//! Reading JSON piece by piece: what is in an object is found first and read later, so that a list of a million texts
//! never becomes a million values, and so that messages can say where something is.

use crate::dag::model::job::quoted;
use crate::dag::model::{Invalid, Values};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt;

/// The members of an object: names, and values that are not read yet.
pub type Members<'a> = Vec<(String, &'a RawValue)>;

/// One value that may be no JSON at all.
///
/// # Errors
/// No JSON (with the place).
pub fn document(text: &[u8]) -> Result<&RawValue, Invalid> {
    let text = std::str::from_utf8(text)
        .map_err(|why| Invalid(format!("this is no JSON: no UTF-8 (byte {})", why.valid_up_to())))?;
    serde_json::from_str(text).map_err(|why| {
        let what = if why.is_eof() { "the text ends too early".to_owned() } else { plainly(&why) };
        Invalid(format!("this is no JSON: {what} (line {}, column {})", why.line(), why.column()))
    })
}

/// Takes an object apart: its members in their order.
///
/// # Errors
/// No object, a name that is there twice.
pub fn members(raw: &RawValue) -> Result<Members<'_>, Invalid> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Members<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
            let mut found = Vec::new();
            while let Some(member) = map.next_entry()? {
                found.push(member);
            }
            Ok(found)
        }
    }
    if !raw.get().starts_with('{') {
        return Err(expected("an object", raw));
    }
    let found = serde_json::Deserializer::from_str(raw.get()).deserialize_map(Pairs).map_err(|why| broken(&why))?;
    let mut seen = HashSet::new();
    match found.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(Invalid(format!("{} is there twice", quoted(name)))),
        None => Ok(found),
    }
}

/// A value, in whole.
///
/// # Errors
/// A text or a number that cannot be, or nesting without end.
pub fn value(raw: &RawValue) -> Result<Value, Invalid> {
    serde_json::from_str(raw.get()).map_err(|why| broken(&why))
}

/// An object, in whole.
///
/// # Errors
/// Another kind of value, or as [`value`].
pub fn object(raw: &RawValue) -> Result<Map<String, Value>, Invalid> {
    match value(raw)? {
        Value::Object(members) => Ok(members),
        _ => Err(expected("an object", raw)),
    }
}

/// A text.
///
/// # Errors
/// Another kind of value.
pub fn text(raw: &RawValue) -> Result<String, Invalid> {
    if !raw.get().starts_with('"') {
        return Err(expected("a string", raw));
    }
    serde_json::from_str(raw.get()).map_err(|why| broken(&why))
}

/// A list of texts, packed.
///
/// # Errors
/// Another kind of value, an element that is no text, or more than fits.
pub fn texts(raw: &RawValue) -> Result<Values, Invalid> {
    if !raw.get().starts_with('[') {
        return Err(expected("an array of strings", raw));
    }
    let mut found = Values::default();
    let read = serde_json::Deserializer::from_str(raw.get()).deserialize_seq(Texts(&mut found));
    read.map_err(|why| {
        let element = found.len();
        if why.is_data() { Invalid(format!("element {element}: {}", plainly(&why))) } else { broken(&why) }
    })?;
    found.shrink();
    Ok(found)
}

struct Texts<'a>(&'a mut Values);

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Text(self.0))?.is_some() {}
        Ok(())
    }
}

/// One text, appended where it belongs without a detour.
struct Text<'a>(&'a mut Values);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if self.0.push(text) { Ok(()) } else { Err(E::custom("the list is longer than 4 GiB")) }
    }
}

/// An integer in a range, also as text.
///
/// # Errors
/// Anything else.
pub fn integer(raw: &RawValue, least: i64, most: i64) -> Result<i64, Invalid> {
    let number = match value(raw)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let fits = number.filter(|number| (least..=most).contains(number));
    fits.ok_or_else(|| expected(&format!("an integer from {least} to {most}"), raw))
}

/// The same without a sign.
///
/// # Errors
/// As [`integer`].
pub fn count(raw: &RawValue, least: u32) -> Result<u32, Invalid> {
    let number = integer(raw, i64::from(least), i64::from(u32::MAX))?;
    u32::try_from(number).map_err(|why| Invalid(why.to_string()))
}

/// One of several words.
///
/// # Errors
/// None of them.
pub fn word<T: Copy>(raw: &RawValue, words: &[(&str, T)]) -> Result<T, Invalid> {
    let found = value(raw)?.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let all: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        expected(&all.join(" or "), raw)
    })
}

/// The text of an object with these members, whose values are JSON.
pub fn object_text<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let member = |(name, value): (&str, &str)| format!("{}:{value}", Value::from(name));
    format!("{{{}}}", members.map(member).collect::<Vec<_>>().join(","))
}

/// The message about a value that is not what it should be.
pub fn expected(what: &str, raw: &RawValue) -> Invalid {
    let kind = match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') if raw.get().len() > SHOWN => "an array",
        Some(b'"') if raw.get().len() > SHOWN => "a longer string",
        _ if raw.get().len() > SHOWN => "a longer number",
        _ => raw.get(),
    };
    Invalid(format!("expected {what}, not {kind}"))
}

/// Values up to this length are shown in messages.
const SHOWN: usize = 80;

/// What is wrong with a piece whose brackets and quotes were found to match.
fn broken(why: &serde_json::Error) -> Invalid {
    Invalid(plainly(why))
}

/// The reason without the place, which counts from the beginning of the piece.
fn plainly(why: &serde_json::Error) -> String {
    let text = why.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text).replace('`', "'")
}
