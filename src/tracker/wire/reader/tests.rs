//! The reader against its rules, case by case and by an oracle that knows them only as a list.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

objects! {
    /// One key of each kind.
    pub struct Each {
        /// 16 bits.
        small: i16,
        /// 64 bits.
        wide: i64,
        /// Any number.
        rate: f64,
        /// Yes or no.
        flag: bool,
        /// Text under another name.
        text = "type": String,
    }
}

type Fields = (i16, i64, f64, bool, String);

fn read(body: &[u8]) -> Option<Fields> {
    let each: Each = serde_json::from_slice(body).ok()?;
    Some((each.small, each.wide, each.rate, each.flag, each.text))
}

fn zero() -> Fields {
    Fields::default()
}

#[test]
fn what_is_missing_or_null_is_zero() {
    for body in ["{}", "null", " null\n", r#"{"small":null,"wide":null,"rate":null,"flag":null,"type":null}"#] {
        assert_eq!(read(body.as_bytes()), Some(zero()), "{body}");
    }
    assert_eq!(read(br#"{"other":[1,{"a":2}],"flag":true}"#), Some((0, 0, 0.0, true, String::new())));
}

#[test]
fn what_is_no_object_is_refused() {
    for body in ["", " ", "[]", "[{}]", "1", "true", "\"x\"", "{", "{}{}", "{} tail", "null null", "{\"a\":1,}", "nul"]
    {
        assert_eq!(read(body.as_bytes()), None, "{body}");
    }
    assert_eq!(read(b"{\"type\":\"\xff\"}"), None, "not UTF-8");
    assert_eq!(read(b"\xef\xbb\xbf{}"), None, "a byte order mark");
}

#[test]
fn keys_match_in_any_case_and_the_last_one_wins() {
    assert_eq!(read(br#"{"Small":1}"#), Some((1, 0, 0.0, false, String::new())));
    assert_eq!(read(br#"{"small":1,"SMALL":2}"#), Some((2, 0, 0.0, false, String::new())));
    assert_eq!(read(br#"{"SMALL":2,"small":1}"#), Some((1, 0, 0.0, false, String::new())));
    assert_eq!(read(br#"{"sm\u0061ll":3}"#), Some((3, 0, 0.0, false, String::new())), "an escaped key");
    assert_eq!(read(br#"{"small":3,"small":null}"#), Some(zero()));
    assert_eq!(read(br#"{"small":"x","small":3}"#), None, "each of them has to be of its kind");
    assert_eq!(read(br#"{"text":"not its name"}"#), Some(zero()));
}

#[test]
fn integers_have_neither_point_nor_exponent_and_fit() {
    let small = |text: &str| read(format!("{{\"small\":{text}}}").as_bytes()).map(|fields| fields.0);
    for (text, expected) in [("0", 0), ("-0", 0), ("32767", 32767), ("-32768", -32768)] {
        assert_eq!(small(text), Some(expected), "{text}");
    }
    for text in
        ["1.0", "1e3", "1E0", "\"1\"", "32768", "-32769", "40000", "true", "[]", "{}", "01", "+1", "-", "1.", "-0.0"]
    {
        assert_eq!(small(text), None, "{text}");
    }
    let wide = |text: &str| read(format!("{{\"wide\":{text}}}").as_bytes()).map(|fields| fields.1);
    assert_eq!(wide("9223372036854775807"), Some(i64::MAX));
    assert_eq!(wide("-9223372036854775808"), Some(i64::MIN));
    assert_eq!(wide("9223372036854775808"), None);
    assert_eq!(wide("99999999999999999999999"), None);
}

#[test]
fn numbers_are_finite() {
    let rate = |text: &str| read(format!("{{\"rate\":{text}}}").as_bytes()).map(|fields| fields.2);
    assert_eq!(rate("1.7976931348623157e+308"), Some(f64::MAX));
    assert_eq!(rate("2"), Some(2.0));
    assert_eq!(rate("-0.5"), Some(-0.5));
    for text in ["1e400", "\"1\"", "inf", "NaN", "true", ".5", "1_0"] {
        assert_eq!(rate(text), None, "{text}");
    }
}

#[test]
fn truths_are_words() {
    for text in ["1", "0", "\"true\"", "True", "[true]"] {
        assert_eq!(read(format!("{{\"flag\":{text}}}").as_bytes()), None, "{text}");
    }
}

#[test]
fn texts_are_unescaped_and_have_no_zero_in_them() {
    let text = |inside: &str| read(format!("{{\"type\":\"{inside}\"}}").as_bytes()).map(|fields| fields.4);
    assert_eq!(text("caf\u{e9}"), Some("café".to_owned()));
    assert_eq!(text(r"a\n\u00e9\ud83d\ude00\/"), Some("a\né😀/".to_owned()));
    assert_eq!(text(r"a\udcff\ud800b\ud83d"), Some("a\u{fffd}\u{fffd}b\u{fffd}".to_owned()), "halves of characters");
    for bad in [r"a\u0000b", r"\x", r"\u12", "raw\nline", "a\u{0}b"] {
        assert_eq!(text(bad), None, "{bad:?}");
    }
    assert_eq!(read(br#"{"type":1}"#), None);
    assert_eq!(read(br#"{"type":["a"]}"#), None);
}

/// The rules as a list, applied to what a generated body says, pair by pair.
fn oracle(pairs: &[(String, Value)]) -> Option<Fields> {
    let mut fields = zero();
    for (key, value) in pairs {
        match (key.to_ascii_lowercase().as_str(), value) {
            ("small", Value::Null) => fields.0 = 0,
            ("small", value) => fields.0 = i16::try_from(value.as_i64()?).ok()?,
            ("wide", Value::Null) => fields.1 = 0,
            ("wide", value) => fields.1 = value.as_i64()?,
            ("rate", Value::Null) => fields.2 = 0.0,
            ("rate", value) => fields.2 = value.as_f64()?,
            ("flag", Value::Null) => fields.3 = false,
            ("flag", value) => fields.3 = value.as_bool()?,
            ("type", Value::Null) => fields.4 = String::new(),
            ("type", value) => fields.4 = value.as_str().filter(|text| !text.contains('\0'))?.to_owned(),
            _ => {}
        }
    }
    Some(fields)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        4 => any::<i16>().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        2 => (-1e9..1e9).prop_map(|number: f64| Value::from(number)),
        3 => ".{0,6}".prop_map(Value::from),
        1 => vec(any::<i8>().prop_map(Value::from), 0..3).prop_map(Value::from),
        1 => Just(serde_json::json!({"small": 1, "deep": [null]})),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(vec!["small", "wide", "rate", "flag", "type", "Small", "WIDE", "rATE", "Flag", "TYPE"])
            .prop_map(str::to_owned),
        1 => "[a-z]{0,6}",
    ]
}

/// Two values to each key of its own kind most of the time, so that whole bodies are accepted often enough.
fn pair() -> impl Strategy<Value = (String, Value)> {
    prop_oneof![
        3 => any::<i16>().prop_map(|number| ("small".to_owned(), Value::from(number))),
        3 => any::<i64>().prop_map(|number| ("Wide".to_owned(), Value::from(number))),
        3 => (-1e3..1e3).prop_map(|number: f64| ("rate".to_owned(), Value::from(number))),
        3 => any::<bool>().prop_map(|flag| ("FLAG".to_owned(), Value::from(flag))),
        3 => ".{0,8}".prop_map(|text| ("type".to_owned(), Value::from(text))),
        2 => (key(), value()),
    ]
}

proptest! {
    #[test]
    fn an_oracle_agrees(pairs in vec(pair(), 0..8)) {
        let written: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{}: {value}", Value::from(key.as_str()))).collect();
        let body = format!("{{{}}}", written.join(" , "));
        prop_assert_eq!(read(body.as_bytes()), oracle(&pairs), "{}", body);
    }

    #[test]
    fn no_bytes_are_too_odd(body in vec(any::<u8>(), 0..64)) {
        let _ = read(&body);
    }

    #[test]
    fn nothing_but_json_is_read(body in r#"[{}\[\]":,a-z0-9\\.eE+ \-]{0,24}"#) {
        if read(body.as_bytes()).is_some() {
            let json = serde_json::from_str::<Value>(&body);
            prop_assert!(json.is_ok_and(|json| json.is_object() || json.is_null()), "{}", body);
        }
    }
}
