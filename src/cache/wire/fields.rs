//! Objects of JSON as the original's library reads them (see [`Object`]), and the room's words for what is wrong with
//! them. What follows a body's first value does not count, and `null` is an empty object.

use crate::base::Object;
use serde::Deserialize;
use serde::de::DeserializeOwned;
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
pub struct Fields(Object);

impl Fields {
    /// Reads the first value of a body.
    ///
    /// # Errors
    /// It is no object, or there is none.
    pub fn read(body: &[u8]) -> Result<Fields, Fault> {
        let object = Object::first(body);
        object.map(Fields).map_err(|why| Fault::Binding(format!("the body: expected a JSON object: {why}")))
    }

    /// A breach of a rule by this field.
    pub fn breach(&self, name: &str, rule: impl fmt::Display) -> Fault {
        Fault::Binding(format!("{}: {rule}", self.0.place(name)))
    }

    /// A field as a value of this type; what is said of it when it is none.
    fn value<T: DeserializeOwned>(&self, name: &str, expected: &str) -> Result<Option<T>, Fault> {
        self.0.value(name, expected).map_err(Fault::Binding)
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.has(name)
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
        let object: Option<Object> = self.value(name, "an object")?;
        Ok(object.map(|object| Fields(object.at(format!("{}.", self.0.place(name))))))
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
