//! Tables: what was measured, what stands beside it, the aim, and whether it was met.

use std::time::Duration;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY as LINES;
use comfy_table::{ContentArrangement, Table};

use super::kernel::load;

/// One figure.
pub struct Line {
    what: String,
    figure: String,
    beside: String,
    ratio: String,
    aim: String,
    met: Option<bool>,
}

impl Line {
    pub fn new(what: impl Into<String>, figure: impl ToString) -> Line {
        let empty = String::new;
        Line { what: what.into(), figure: figure.to_string(), beside: empty(), ratio: empty(), aim: empty(), met: None }
    }

    /// What the same work costs without hostler, measured in the same run.
    pub fn beside(mut self, what: impl ToString) -> Line {
        self.beside = what.to_string();
        self
    }

    /// The figure against what stands beside it: a quotient or a difference.
    pub fn ratio(mut self, ratio: impl ToString) -> Line {
        self.ratio = ratio.to_string();
        self
    }

    /// What was promised, and whether it holds.
    pub fn aim(mut self, aim: impl Into<String>, met: bool) -> Line {
        self.aim = aim.into();
        self.met = Some(met);
        self
    }

    fn verdict(&self) -> &'static str {
        match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        }
    }
}

/// The table of a subject.
pub fn print(name: &str, title: &str, took: Duration, lines: &[Line]) {
    let mut table = Table::new();
    table.load_style(LINES).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["what", "measured", "beside it", "ratio", "aim", ""]);
    for line in lines {
        table.add_row([&line.what, &line.figure, &line.beside, &line.ratio, &line.aim, line.verdict()]);
    }
    println!("\n{name}: {title} ({:.0} s; load average {})\n{table}", took.as_secs_f64(), load());
}

/// How many aims were met, and which were not.
pub fn print_summary(took: Duration, lines: &[Line], broken: &[&str]) {
    let aims = lines.iter().filter(|line| line.met.is_some()).count();
    let missed: Vec<&Line> = lines.iter().filter(|line| line.met == Some(false)).collect();
    println!("\n{} of {aims} aims met, in {:.0} s", aims - missed.len(), took.as_secs_f64());
    for line in missed {
        println!("  missed: {}: {} {} (aim {})", line.what, line.figure, line.ratio, line.aim);
    }
    for name in broken {
        println!("  could not be measured: {name}");
    }
}
