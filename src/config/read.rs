//! Reading: which files, laid over the defaults key by key, and errors that name the file and the key.

use super::{Config, DEFAULTS};
use nix::unistd::geteuid;
use std::io;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where the operator's configuration is, unless a file is named.
const SYSTEM: &str = "/etc/hostler";

/// Keys that a table of `listen` may have; the defaults show only the short form.
const LISTEN_KEYS: [&str; 4] = ["address", "cert", "key", "plaintext"];

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not TOML.
    #[error("{file}: {}", source.message())]
    Syntax {
        /// The file.
        file: String,
        /// Where and why.
        source: toml::de::Error,
    },
    /// A key that does not exist.
    #[error("{file}: unknown key `{key}`{}", nearest.as_ref().map_or(String::new(), |near| format!("; did you mean `{near}`?")))]
    UnknownKey {
        /// The file.
        file: String,
        /// The key, with its tables.
        key: String,
        /// The valid key that looks most like it.
        nearest: Option<String>,
    },
    /// A value that does not fit its key.
    #[error("{key}: {why}")]
    Invalid {
        /// The key.
        key: String,
        /// What was expected.
        why: String,
    },
}

/// Reads the configuration: `file` alone if one is named, else `/etc/hostler/hostler.toml` and `conf.d/*.toml`
/// beside it in order of name, over the defaults. A file that is named must exist; the others need not.
///
/// # Errors
/// See [`ConfigError`].
pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    let unreadable = |path: &Path, source| ConfigError::Unreadable { path: path.to_owned(), source };
    let mut texts = Vec::new();
    if let Some(path) = file {
        texts.push((path.to_owned(), std::fs::read_to_string(path).map_err(|why| unreadable(path, why))?));
    } else {
        let mut paths = vec![Path::new(SYSTEM).join("hostler.toml")];
        if let Ok(entries) = std::fs::read_dir(Path::new(SYSTEM).join("conf.d")) {
            let mut more: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            more.retain(|path| path.extension().is_some_and(|end| end == "toml"));
            more.sort();
            paths.extend(more);
        }
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(text) => texts.push((path, text)),
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                Err(why) => return Err(unreadable(&path, why)),
            }
        }
    }
    let named: Vec<_> = texts.iter().map(|(path, text)| (path.to_string_lossy().into_owned(), text.as_str())).collect();
    parse(&named)
}

/// Lays the texts, each with the name to use in errors, over the defaults and reads the result.
///
/// # Errors
/// See [`ConfigError`].
pub fn parse(texts: &[(String, &str)]) -> Result<Config, ConfigError> {
    let syntax = |file: &str, source| ConfigError::Syntax { file: file.to_owned(), source };
    let mut whole: Table = DEFAULTS.parse().map_err(|why| syntax("defaults", why))?;
    for (file, text) in texts {
        let given: Table = text.parse().map_err(|why| syntax(file, why))?;
        lay_over(&mut whole, given, file, "")?;
    }
    let mut config: Config =
        whole.try_into().map_err(|why: toml::de::Error| invalid("configuration", why.to_string().trim()))?;
    fill_in_places(&mut config);
    check(&config)?;
    Ok(config)
}

fn invalid(key: &str, why: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key: key.to_owned(), why: why.into() }
}

/// Replaces what `given` names, refusing keys that are not there yet.
fn lay_over(whole: &mut Table, given: Table, file: &str, prefix: &str) -> Result<(), ConfigError> {
    for (name, value) in given {
        let key = format!("{prefix}{name}");
        match (whole.get_mut(&name), value) {
            (None, _) => return Err(unknown(file, prefix, &name, whole.keys().map(String::as_str))),
            (Some(Value::Table(table)), Value::Table(inner)) => lay_over(table, inner, file, &format!("{key}."))?,
            (Some(Value::Table(_)), _) => return Err(invalid(&key, "expected a table")),
            (Some(place), value) => {
                if ["listen", "hub.entry_listen"].contains(&key.as_str()) {
                    check_listen_keys(&key, &value, file)?;
                }
                *place = value;
            }
        }
    }
    Ok(())
}

fn check_listen_keys(key: &str, value: &Value, file: &str) -> Result<(), ConfigError> {
    let entries = value.as_array().ok_or_else(|| invalid(key, "expected a list"))?;
    for table in entries.iter().filter_map(Value::as_table) {
        if let Some(name) = table.keys().find(|name| !LISTEN_KEYS.contains(&name.as_str())) {
            return Err(unknown(file, &format!("{key}."), name, LISTEN_KEYS.into_iter()));
        }
        if table.contains_key("cert") != table.contains_key("key") {
            return Err(invalid(key, "`cert` and `key` belong together: expected both or neither"));
        }
    }
    Ok(())
}

fn unknown<'a>(file: &str, prefix: &str, name: &str, valid: impl Iterator<Item = &'a str>) -> ConfigError {
    let nearest = valid.max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    ConfigError::UnknownKey {
        file: file.to_owned(),
        key: format!("{prefix}{name}"),
        nearest: nearest.map(|near| format!("{prefix}{near}")),
    }
}

/// The places whose default depends on who runs the daemon.
fn fill_in_places(config: &mut Config) {
    let root = geteuid().is_root();
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if config.data_dir.as_os_str().is_empty() {
        config.data_dir = if root {
            PathBuf::from("/var/lib/hostler")
        } else {
            let state = variable("XDG_STATE_HOME").or_else(|| variable("HOME").map(|home| home.join(".local/state")));
            state.unwrap_or_else(std::env::temp_dir).join("hostler")
        };
    }
    if config.socket.as_os_str().is_empty() {
        config.socket = default_socket();
    }
}

/// Where the daemon's socket is when nobody says otherwise, for the daemon and for its clients.
pub fn default_socket() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    match runtime {
        Some(directory) if !geteuid().is_root() => PathBuf::from(directory).join("hostler.sock"),
        None if !geteuid().is_root() => std::env::temp_dir().join(format!("hostler-{}.sock", geteuid())),
        _ => PathBuf::from("/run/hostler/hostler.sock"),
    }
}

/// What the types cannot say.
fn check(config: &Config) -> Result<(), ConfigError> {
    if config.proc.max_replicas == 0 {
        return Err(invalid("proc.max_replicas", "expected at least 1"));
    }
    if config.dag.max_running == 0 {
        return Err(invalid("dag.max_running", "expected at least 1"));
    }
    if config.dag.max_tasks == 0 {
        return Err(invalid("dag.max_tasks", "expected at least 1"));
    }
    if config.keeper.max_slots == 0 {
        return Err(invalid("keeper.max_slots", "expected at least 1"));
    }
    if config.http.max_connections == 0 || config.http.max_connections_per_uid == 0 {
        return Err(invalid("http.max_connections", "expected at least 1, also per uid"));
    }
    if !config.data_dir.is_absolute() {
        return Err(invalid(
            "data_dir",
            format!("{} is relative: expected an absolute path", config.data_dir.display()),
        ));
    }
    Ok(())
}
