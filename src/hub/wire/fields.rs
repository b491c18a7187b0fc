//! Objects of JSON as the original's library reads them (see [`Object`]), and the room's words for what is wrong with
//! them. A body is one object and nothing else.

use super::Fault;
use crate::base::Object;
use serde::de::DeserializeOwned;
use std::fmt;

/// An object: its fields are read one by one, so that each refusal names its own.
#[derive(Debug, Default)]
pub struct Fields(Object);

impl Fields {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no object.
    pub fn read(body: &[u8]) -> Result<Fields, Fault> {
        let object = serde_json::from_slice(body);
        object.map(Fields).map_err(|why| Fault::Wrong(format!("the body: expected a JSON object: {why}")))
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
        Fault::Wrong(format!("{}: {rule}", self.0.place(name)))
    }

    /// This field is missing.
    pub fn absent(&self, name: &str) -> Fault {
        Fault::Absent(self.0.place(name))
    }

    /// A field as a value of this type; what is said of it when it is none.
    fn value<T: DeserializeOwned>(&self, name: &str, expected: &str) -> Result<Option<T>, Fault> {
        self.0.value(name, expected).map_err(Fault::Wrong)
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.has(name)
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
        if self.0.has_text(name) { Ok(self.text(name)?.map(|text| vec![text])) } else { self.texts(name) }
    }

    /// A list of objects.
    ///
    /// # Errors
    /// It is none.
    pub fn objects(&self, name: &str) -> Result<Option<Vec<Fields>>, Fault> {
        let read: Option<Vec<Object>> = self.value(name, "a list of objects")?;
        let entry = |(no, object): (usize, Object)| Fields(object.at(format!("{}[{no}].", self.0.place(name))));
        Ok(read.map(|all| all.into_iter().enumerate().map(entry).collect()))
    }

    /// Any JSON.
    ///
    /// # Errors
    /// It is nested too deeply.
    pub fn json(&self, name: &str) -> Result<Option<serde_json::Value>, Fault> {
        self.value(name, "JSON that is not nested too deeply")
    }
}
