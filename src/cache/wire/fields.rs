//! Objects of JSON as the original's library reads them: names in small letters or capitals alike, the last of several
//! counts, `null` is as good as absent, unknown names do not count, nor does what follows the first value.

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Why a request cannot be served as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be read, or breaks a rule: which field, and which rule.
    #[error("{0}")]
    Binding(String),
    /// It can be read, and means nothing: no address, or one that is none.
    #[error("{0}")]
    Meaning(String),
}

/// An object: its fields are read one by one, so that each refusal names its own.
#[derive(Debug, Default)]
pub struct Fields {
    /// What stands before the names of its fields in refusals: `args.`.
    path: String,
    /// By their names in small letters; none of them is `null`.
    values: BTreeMap<String, Box<RawValue>>,
}

impl Fields {
    /// Reads the first value of a body.
    ///
    /// # Errors
    /// It is no object, or there is none.
    pub fn read(body: &[u8]) -> Result<Fields, Fault> {
        let mut reader = serde_json::Deserializer::from_slice(body);
        let fields = Fields::deserialize(&mut reader);
        fields.map_err(|why| Fault::Binding(format!("the body: expected a JSON object: {why}")))
    }

    /// A breach of a rule by this field.
    pub fn breach(&self, name: &str, rule: impl fmt::Display) -> Fault {
        Fault::Binding(format!("{}{name}: {rule}", self.path))
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

    /// The first of these names that is there.
    pub fn either<'n>(&self, name: &'n str, alias: &'n str) -> &'n str {
        if !self.has(name) && self.has(alias) { alias } else { name }
    }

    /// A text of at most so many bytes.
    ///
    /// # Errors
    /// It is no text, or longer.
    pub fn text(&self, name: &str, most: usize) -> Result<Option<String>, Fault> {
        let text: Option<String> = self.value(name, "a text")?;
        match &text {
            Some(text) if text.len() > most => Err(self.breach(name, format_args!("expected at most {most} bytes"))),
            _ => Ok(text),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        self.value(name, "a whole number that is not negative")
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// It is none, or out of them.
    pub fn bounded(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Fault> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        if (least..=most).contains(&number) {
            return Ok(Some(number));
        }
        Err(self.breach(name, format_args!("expected {least} to {most} (gte={least}, lte={most})")))
    }

    /// A number within bounds, from 1; 0 means the default, as absence does.
    ///
    /// # Errors
    /// It is none, or out of them.
    pub fn bounded_or(&self, name: &str, most: u32, default: u32) -> Result<u32, Fault> {
        let number = self.bounded(name, 0, u64::from(most))?.filter(|number| *number > 0);
        Ok(number.and_then(|number| u32::try_from(number).ok()).unwrap_or(default))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is neither.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.value(name, "true or false")
    }

    /// A list of at most so many texts, each at most so long.
    ///
    /// # Errors
    /// It is none, or more, or longer.
    pub fn texts(&self, name: &str, most: usize, longest: usize) -> Result<Option<Vec<String>>, Fault> {
        let texts: Option<Vec<String>> = self.value(name, "a list of texts")?;
        match &texts {
            Some(texts) if texts.len() > most => {
                Err(self.breach(name, format_args!("expected at most {most} entries (lte={most})")))
            }
            Some(texts) if texts.iter().any(|text| text.len() > longest) => {
                Err(self.breach(name, format_args!("expected entries of at most {longest} bytes")))
            }
            _ => Ok(texts),
        }
    }

    /// A list of at most so many numbers.
    ///
    /// # Errors
    /// It is none, or more.
    pub fn numbers(&self, name: &str, most: usize) -> Result<Vec<u64>, Fault> {
        let numbers: Vec<u64> = self.value(name, "a list of whole numbers")?.unwrap_or_default();
        if numbers.len() > most {
            return Err(self.breach(name, format_args!("expected at most {most} entries (lte={most})")));
        }
        Ok(numbers)
    }

    /// An object whose values are texts.
    ///
    /// # Errors
    /// It is none.
    pub fn map(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, Fault> {
        self.value(name, "an object of texts")
    }

    /// Any JSON.
    ///
    /// # Errors
    /// It is nested too deeply.
    pub fn json(&self, name: &str) -> Result<Option<serde_json::Value>, Fault> {
        self.value(name, "JSON that is not nested too deeply")
    }

    /// An object to be read in turn.
    ///
    /// # Errors
    /// It is none.
    pub fn fields(&self, name: &str) -> Result<Option<Fields>, Fault> {
        let fields: Option<Fields> = self.value(name, "an object")?;
        Ok(fields.map(|fields| Fields { path: format!("{}{name}.", self.path), ..fields }))
    }

    /// A time: nanoseconds, or text such as `90s`. 0 is none.
    ///
    /// # Errors
    /// It is neither, or longer than clients can read back.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>, Fault> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Nanoseconds(u64),
            Text(String),
        }
        let expected = "nanoseconds as a whole number that is not negative, or text such as \"90s\"";
        let read = match self.value(name, expected)? {
            None => return Ok(None),
            Some(Written::Nanoseconds(nanoseconds)) => Duration::from_nanos(nanoseconds),
            Some(Written::Text(text)) => humantime::parse_duration(&text)
                .map_err(|why| self.breach(name, format_args!("expected {expected}: {why}")))?,
        };
        if i64::try_from(read.as_nanos()).is_err() {
            return Err(self.breach(name, format_args!("expected at most {} ns", i64::MAX)));
        }
        Ok(Some(read).filter(|read| !read.is_zero()))
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

            fn visit_unit<E: de::Error>(self) -> Result<Fields, E> {
                Ok(Fields::default())
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
        from.deserialize_any(Object)
    }
}
