//! Objects of JSON as the original's library reads them: names in small letters or capitals alike, the last of several
//! counts, `null` is as good as absent, unknown names do not count.

use super::Fault;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;

/// An object: its fields are read one by one, so that each refusal names its own.
#[derive(Debug, Default)]
pub struct Fields {
    /// What stands before the names of its fields in refusals: `requires[2].`.
    path: String,
    /// By their names in small letters; none of them is `null`.
    values: BTreeMap<String, Box<RawValue>>,
}

impl Fields {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no object.
    pub fn read(body: &[u8]) -> Result<Fields, Fault> {
        serde_json::from_slice(body).map_err(|why| Fault::Wrong(format!("the body: expected a JSON object: {why}")))
    }

    /// Reads a body where there need not be one.
    ///
    /// # Errors
    /// There is one, and it is no object.
    pub fn read_or_empty(body: &[u8]) -> Result<Fields, Fault> {
        if body.trim_ascii().is_empty() { Ok(Fields::default()) } else { Fields::read(body) }
    }

    /// A breach of a rule by this field.
    pub fn breach(&self, name: &str, rule: impl fmt::Display) -> Fault {
        Fault::Wrong(format!("{}{name}: {rule}", self.path))
    }

    /// This field is missing.
    pub fn absent(&self, name: &str) -> Fault {
        Fault::Absent(format!("{}{name}", self.path))
    }

    /// A field as a value of this type; what is said of it when it is none. Its text is not repeated: it may be a secret.
    fn value<T: DeserializeOwned>(&self, name: &str, expected: &str) -> Result<Option<T>, Fault> {
        let Some(raw) = self.values.get(name) else { return Ok(None) };
        let read = serde_json::from_str(raw.get());
        read.map(Some).map_err(|_| match (expected, kind(raw.get())) {
            ("a text", "a text") => self.breach(name, "expected a text of whole characters"),
            (_, found) => self.breach(name, format_args!("expected {expected}, not {found}")),
        })
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A text.
    ///
    /// # Errors
    /// It is none.
    pub fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        self.value(name, "a text")
    }

    /// A text that has to be there; an empty one is as good as none.
    ///
    /// # Errors
    /// It is missing, or it is none.
    pub fn needed(&self, name: &str) -> Result<String, Fault> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| self.absent(name))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.value(name, "true or false")
    }

    /// A list of texts; what is `null` in it does not count.
    ///
    /// # Errors
    /// It is none.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let read: Option<Vec<Option<String>>> = self.value(name, "a list of texts")?;
        Ok(read.map(|texts| texts.into_iter().flatten().collect()))
    }

    /// The same, or a text alone.
    ///
    /// # Errors
    /// It is neither.
    pub fn text_or_texts(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        match self.values.get(name).map(|raw| raw.get().starts_with('"')) {
            Some(true) => Ok(self.text(name)?.map(|text| vec![text])),
            _ => self.texts(name),
        }
    }

    /// A list of objects.
    ///
    /// # Errors
    /// It is none.
    pub fn objects(&self, name: &str) -> Result<Option<Vec<Fields>>, Fault> {
        let read: Option<Vec<Fields>> = self.value(name, "a list of objects")?;
        let path = |place: usize| format!("{}{name}[{place}].", self.path);
        Ok(read.map(|all| {
            all.into_iter().enumerate().map(|(place, fields)| Fields { path: path(place), ..fields }).collect()
        }))
    }

    /// Any JSON.
    ///
    /// # Errors
    /// It is nested too deeply.
    pub fn json(&self, name: &str) -> Result<Option<serde_json::Value>, Fault> {
        self.value(name, "JSON that is not nested too deeply")
    }
}

/// What a JSON text is, without what it says.
fn kind(raw: &str) -> &'static str {
    match raw.bytes().next() {
        Some(b'"') => "a text",
        Some(b'{') => "this object",
        Some(b'[') => "this list",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "this number",
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fields, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut values = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let (name, raw) = (name.to_ascii_lowercase(), map.next_value::<Box<RawValue>>()?);
                    if raw.get() != "null" {
                        values.insert(name, raw);
                    }
                }
                Ok(Fields { path: String::new(), values })
            }
        }
        from.deserialize_map(Object)
    }
}
