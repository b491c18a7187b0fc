//! The environment of children: little of the daemon's, what the user database says, what the task adds.

use crate::auth::users::Account;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The search path where the daemon itself has none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What every child starts with.
#[derive(Debug, Clone)]
pub struct Base {
    variables: BTreeMap<String, String>,
    /// The daemon's working directory.
    pub cwd: PathBuf,
}

impl Base {
    /// The daemon's own PATH, LANG and TZ, and the variables named in `pass`.
    pub fn of_this_process(pass: &[String]) -> Base {
        let mut variables = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
        let wanted = ["PATH", "LANG", "TZ"].into_iter().chain(pass.iter().map(String::as_str));
        variables.extend(wanted.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?))));
        Base { variables, cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")) }
    }

    /// The environment for children of this user.
    pub fn of(&self, account: &Account) -> BTreeMap<String, String> {
        let mut variables = self.variables.clone();
        let home = account.home.to_string_lossy().into_owned();
        let shell = account.shell.to_string_lossy().into_owned();
        variables.extend([
            ("HOME".to_owned(), home),
            ("USER".to_owned(), account.name.clone()),
            ("LOGNAME".to_owned(), account.name.clone()),
            ("SHELL".to_owned(), shell),
        ]);
        variables
    }
}

/// Reads an environment file: `NAME=value` lines; blank lines and lines that begin with `#` or `;` do not count, a
/// leading `export` and one pair of quotes around the value are taken off. Nothing is expanded.
///
/// # Errors
/// A line without `=`, or with a name that is none; the message numbers the line and does not show its value.
pub fn parse_file(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut variables = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (name, value) = line.split_once('=').ok_or_else(|| format!("line {}: expected NAME=value", number + 1))?;
        let name = name.trim_end();
        if !is_name(name) {
            return Err(format!(
                "line {}: a name has letters, digits and _, and does not begin with a digit",
                number + 1
            ));
        }
        variables.push((name.to_owned(), unquoted(value.trim()).to_owned()));
    }
    Ok(variables)
}

fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_file_is_names_and_values() {
        let text = "# a comment\n\nA=1\nexport B = two words \nC=\"quoted = yes\"\nD='x'\nE=\n; F=no\nG=\"half\n";
        let read = parse_file(text).unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [("A", "1"), ("B", "two words"), ("C", "quoted = yes"), ("D", "x"), ("E", ""), ("G", "\"half")];
        assert_eq!(read, expected);
    }

    #[test]
    fn bad_lines_are_named_without_their_values() {
        assert_eq!(parse_file("A=1\nsecret").unwrap_err(), "line 2: expected NAME=value");
        assert!(parse_file("1A=secret").unwrap_err().starts_with("line 1: a name has"));
    }

    #[test]
    fn children_get_their_own_home() {
        let base = Base { variables: BTreeMap::from([("PATH".into(), "/bin".into())]), cwd: "/".into() };
        let account = Account {
            uid: 7,
            gid: 7,
            groups: vec![7],
            name: "eve".into(),
            home: "/home/eve".into(),
            shell: "/bin/false".into(),
        };
        let env = base.of(&account);
        let keys: Vec<_> = env.keys().map(String::as_str).collect();
        assert_eq!(keys, ["HOME", "LOGNAME", "PATH", "SHELL", "USER"]);
        assert_eq!(env["HOME"], "/home/eve");
    }
}
