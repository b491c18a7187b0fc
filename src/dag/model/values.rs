//! A long list of texts in little room: the values of an array parameter, of which there may be a million.

/// Texts in order, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    text: String,
    /// Where each ends in `text`.
    ends: Vec<u32>,
    longest: usize,
}

impl Values {
    /// Appends one. False, and nothing appended: together they would be longer than 4 GiB.
    #[must_use]
    pub fn push(&mut self, value: &str) -> bool {
        let Ok(end) = u32::try_from(self.text.len() + value.len()) else { return false };
        self.text.push_str(value);
        self.ends.push(end);
        self.longest = self.longest.max(value.len());
        true
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The length of the longest, in bytes.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Gives back the room that was kept for more.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// One of them.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |start| *start as usize);
        self.text.get(start..end)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_out_as_they_went_in() {
        let texts = ["", "a", "", "\u{e9}\u{1f600}", "bc", ""];
        let mut values = Values::default();
        assert!(values.is_empty() && values.get(0).is_none());
        assert!(texts.iter().all(|text| values.push(text)));
        values.shrink();
        assert_eq!(values.iter().collect::<Vec<_>>(), texts);
        assert_eq!((values.len(), values.longest(), values.get(3), values.get(6)), (6, 6, Some(texts[3]), None));
    }
}
