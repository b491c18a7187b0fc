//! JSON objects whose fields are read one by one, so that each refusal names its own. Read as the originals' library does:
//! names in small letters or capitals alike, the last of several counts, `null` is as good as absent, unknown names do not
//! count. What the rooms make of a field that is not what it should be is theirs; how it is worded is said here.

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// An object.
#[derive(Debug, Default)]
pub struct Object {
    /// What stands before the names of its fields in refusals: `requires[2].`.
    path: String,
    /// By their names in small letters; none of them is `null`.
    values: BTreeMap<String, Box<RawValue>>,
}

impl Object {
    /// Reads the first value of a body, whatever follows it; `null` is an empty object.
    ///
    /// # Errors
    /// It is no object, or there is none.
    pub fn first(body: &[u8]) -> serde_json::Result<Object> {
        serde_json::Deserializer::from_slice(body).deserialize_any(Members)
    }

    /// The same object as a part of another: `path` is what now stands before the names of its fields.
    #[must_use]
    pub fn at(self, path: String) -> Object {
        Object { path, ..self }
    }

    /// Where a field is, in refusals.
    pub fn place(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether the field is there, and a text.
    pub fn has_text(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|raw| kind(raw.get()) == TEXT)
    }

    /// A field as a value of this type.
    ///
    /// # Errors
    /// It is none: where, what was expected, and what is there instead. Its text is not repeated: it may be a secret.
    pub fn value<T: DeserializeOwned>(&self, name: &str, expected: &str) -> Result<Option<T>, String> {
        let Some(raw) = self.values.get(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map(Some).map_err(|_| match (expected, kind(raw.get())) {
            (TEXT, TEXT) => format!("{}: expected a text of whole characters", self.place(name)),
            (_, found) => format!("{}: expected {expected}, not {found}", self.place(name)),
        })
    }
}

/// What a text is called, in refusals.
const TEXT: &str = "a text";

/// What a JSON text is, without what it says; it is not `null`.
fn kind(raw: &str) -> &'static str {
    match raw.bytes().next() {
        Some(b'"') => TEXT,
        Some(b'{') => "this object",
        Some(b'[') => "this list",
        Some(b't' | b'f') => "true or false",
        _ => "this number",
    }
}

/// Strictly: `null` is refused.
impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Object, D::Error> {
        from.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    /// `null`, where it is asked for anything: see [`Object::first`].
    fn visit_unit<E: de::Error>(self) -> Result<Object, E> {
        Ok(Object::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let raw = map.next_value::<Box<RawValue>>()?;
            if raw.get() != "null" {
                values.insert(name.to_ascii_lowercase(), raw);
            }
        }
        Ok(Object { path: String::new(), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strictly(body: &str) -> Result<Object, String> {
        serde_json::from_str(body).map_err(|why| why.to_string())
    }

    fn first(body: &str) -> Result<Object, String> {
        Object::first(body.as_bytes()).map_err(|why| why.to_string())
    }

    #[test]
    fn a_name_counts_in_small_letters_and_its_last_value_that_is_not_null() {
        let body = r#"{"A":1,"b":null,"unknown":[{}],"a":2,"A":null}"#;
        for object in [strictly(body).unwrap(), first(body).unwrap()] {
            assert_eq!(object.value("a", "a number"), Ok(Some(2)));
            assert!(object.has("a") && !object.has("A") && !object.has("b"));
            assert_eq!(object.value::<u8>("b", "a number"), Ok(None));
        }
    }

    #[test]
    fn one_reading_takes_what_the_other_refuses() {
        for body in ["null", " null x", "{} and whatever follows"] {
            assert!(!first(body).unwrap().has("a") && strictly(body).is_err(), "{body}");
        }
        for body in ["", "nul", "x", "{", "[]", "7", "{\"a\"}", "{\"a\":}", "{7:7}"] {
            assert!(first(body).is_err() && strictly(body).is_err(), "{body}");
        }
        assert_eq!(first("7").unwrap_err(), "invalid type: integer `7`, expected an object at line 1 column 1");
    }

    #[test]
    fn a_value_is_refused_by_its_place_and_its_kind() {
        let object = first(r#"{"t":"secret","h":"\ud800","o":{"a":1},"l":[1],"y":true,"n":-7}"#).unwrap();
        for (name, kind) in
            [("t", "a text"), ("o", "this object"), ("l", "this list"), ("y", "true or false"), ("n", "this number")]
        {
            let told = object.value::<u8>(name, "a small number").unwrap_err();
            assert_eq!(told, format!("{name}: expected a small number, not {kind}"));
            assert_eq!(object.has_text(name), name == "t");
        }
        assert_eq!(object.value::<String>("h", "a text").unwrap_err(), "h: expected a text of whole characters");
        let inside = object.value::<Object>("o", "an object").unwrap().unwrap().at("list[2].o.".to_owned());
        assert_eq!(inside.place("a"), "list[2].o.a");
        let told = inside.value::<String>("a", "a text").unwrap_err();
        assert_eq!(told, "list[2].o.a: expected a text, not this number");
    }
}
