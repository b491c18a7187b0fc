//! The defaults read, overlays win, mistakes are answered by name.

use super::*;

fn parsed(text: &str) -> Result<Config, String> {
    parse(&[("test.toml".to_owned(), text)]).map_err(|why| why.to_string())
}

#[test]
fn the_defaults_are_a_configuration() {
    let config = parsed("").unwrap();
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.http.max_head, ByteSize::kib(16));
    assert_eq!(config.http.head_timeout, Duration::from_secs(10));
    assert_eq!(config.proc.max_replicas, 10_000);
    assert_eq!((config.dag.cores, config.dag.memory_mb), (0, 0));
    assert_eq!(config.dag.stop_timeout, Duration::from_secs(10));
    assert_eq!(config.dag.log_max, ByteSize::mib(64));
    assert_eq!(config.dag.keep_keys, Duration::from_secs(24 * 3600));
    assert!(config.socket.is_absolute());
}

#[test]
fn later_files_win_key_by_key() {
    let texts =
        [("a".to_owned(), "[http]\nmax_connections = 5\nhosts = [\"a\"]"), ("b".to_owned(), "[http]\nhosts = [\"b\"]")];
    let config = parse(&texts).unwrap();
    assert_eq!(config.http.max_connections, 5);
    assert_eq!(config.http.hosts, ["b"]);
}

#[test]
fn listeners_are_addresses_or_tables() {
    let config = parsed("[[listen]]\naddress = \"0.0.0.0:1\"\ncert = \"/c\"\nkey = \"/k\"").unwrap();
    assert_eq!(config.listen[0].tls, Some(("/c".into(), "/k".into())));
    assert_eq!(parsed("listen = [\"[::1]:2\"]").unwrap().listen[0].address, "[::1]:2");
    let half = parsed("[[listen]]\naddress = \"0.0.0.0:1\"\ncert = \"/c\"").unwrap_err();
    assert!(half.contains("belong together"), "{half}");
}

#[test]
fn mistakes_are_answered_by_name() {
    for (text, said) in [
        ("data_dri = \"/x\"", "unknown key `data_dri`; did you mean `data_dir`?"),
        ("[http]\nmax_conections = 1", "unknown key `http.max_conections`; did you mean `http.max_connections`?"),
        ("[[listen]]\naddres = \"x\"", "did you mean `listen.address`?"),
        ("http = 3", "http: expected a table"),
        ("[http]\nhead_timeout = \"soon\"", "head_timeout"),
        ("[proc]\nmax_replicas = 0", "proc.max_replicas: expected at least 1"),
        ("[dag]\nmemory = 1", "unknown key `dag.memory`; did you mean `dag.memory_mb`?"),
        ("[dag]\nmax_running = 0", "dag.max_running: expected at least 1"),
        ("[dag]\nmax_tasks = 0", "dag.max_tasks: expected at least 1"),
        ("data_dir = \"here\"", "expected an absolute path"),
        ("[http", "test.toml:"),
    ] {
        let why = parsed(text).unwrap_err();
        assert!(why.contains(said), "{text:?} said {why:?}, expected {said:?}");
    }
}
