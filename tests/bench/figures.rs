//! Many measurements as few figures.

use std::fmt;

/// Measurements of one round, in milliseconds.
pub struct Sample {
    sorted: Vec<f64>,
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(measurements: I) -> Sample {
        let mut sorted: Vec<f64> = measurements.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        assert!(!sorted.is_empty(), "nothing was measured");
        Sample { sorted }
    }
}

impl Sample {
    /// The measurement that `percent` of all do not exceed (nearest rank).
    pub fn percentile(&self, percent: f64) -> f64 {
        let rank = (self.sorted.len() as f64 * percent / 100.0).ceil() as usize;
        self.sorted[rank.clamp(1, self.sorted.len()) - 1]
    }

    /// All measurements together by their number.
    pub fn mean(&self) -> f64 {
        self.sorted.iter().sum::<f64>() / self.sorted.len() as f64
    }
}

/// The same figure of several rounds.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
    digits: usize,
}

impl FromIterator<f64> for Spread {
    fn from_iter<I: IntoIterator<Item = f64>>(rounds: I) -> Spread {
        let sample: Sample = rounds.into_iter().collect();
        let at = |percent| sample.percentile(percent);
        Spread { median: at(50.0), lowest: at(0.0), highest: at(100.0), digits: 0 }
    }
}

impl Spread {
    /// Shown with so many digits behind the point.
    pub fn digits(mut self, digits: usize) -> Spread {
        self.digits = digits;
        self
    }
}

/// `12 (9–15)`
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits;
        write!(f, "{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.lowest, self.highest)
    }
}

/// The percentile of every round, as one figure with two digits behind the point.
pub fn over_rounds(rounds: &[Sample], percent: f64) -> Spread {
    rounds.iter().map(|round| round.percentile(percent)).collect::<Spread>().digits(2)
}
