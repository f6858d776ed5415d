//! Values as text, and back.

use proptest::prelude::*;
use shm_core::dynamic::DynValue;

/// Any value that a cell can have, but a NaN.
fn values() -> impl Strategy<Value = DynValue> {
    let leaf = prop_oneof![
        any::<i128>().prop_map(DynValue::from),
        any::<u128>().prop_map(DynValue::from),
        any::<i16>().prop_map(DynValue::from),
        any::<f64>().prop_map(DynValue::from),
        Just(DynValue::from(f64::NEG_INFINITY)),
        any::<bool>().prop_map(DynValue::from),
        any::<char>().prop_map(DynValue::from),
        any::<String>().prop_map(DynValue::from),
        any::<Vec<u8>>().prop_map(DynValue::Bytes),
        names().prop_map(|name| DynValue::Name(name.into())),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(DynValue::List),
            prop::collection::btree_map(names(), inner, 0..8).prop_map(|fields| {
                let fields = fields.into_iter();
                DynValue::Struct(fields.map(|(name, value)| (name.into(), value)).collect())
            }),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_][a-z0-9_]{0,8}",
        "[0-9]{1,3}",
        "true|false|inf|NaN|b|e1|_",
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_written_is_read_again(value in values()) {
        let text = value.to_string();
        prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        prop_assert_eq!(text.parse::<DynValue>().expect(&text), value);
    }

    #[test]
    fn an_f32_is_read_as_a_float_that_rounds_to_it(bits in any::<u32>()) {
        let value = f32::from_bits(bits);
        let text = DynValue::from(value).to_string();
        let read: DynValue = text.parse().expect(&text);
        let DynValue::F64(wide) = read else { panic!("{read:?}") };
        prop_assert!((wide as f32).to_bits() == bits || value.is_nan());
        prop_assert_eq!(DynValue::from(wide as f32).to_string(), text);
    }

    #[test]
    fn any_text_is_a_value_or_an_error_inside_it(
        text in prop_oneof![any::<String>(), "[\\[\\]{}:,\"'`\\\\a-e0-9._+xbn -]{0,40}"],
    ) {
        match text.parse::<DynValue>() {
            Ok(value) => {
                let written = value.to_string();
                prop_assert_eq!(written.parse::<DynValue>().expect(&written).to_string(), written);
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.at()), "{error}"),
        }
    }
}

#[test]
fn values_go_through_json() {
    let text = r#"{a: -1, b: 18446744073709551615, c: 0.1, d: [true, "x"], e: {}, f: 1e300}"#;
    let value: DynValue = text.parse().unwrap();
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(
        json,
        r#"{"a":-1,"b":18446744073709551615,"c":0.1,"d":[true,"x"],"e":{},"f":1e+300}"#
    );
    assert_eq!(serde_json::from_str::<DynValue>(&json).unwrap(), value);
    // What JSON has no type for is text or a number.
    for (value, json) in [
        (DynValue::from('ß'), "\"ß\""),
        (DynValue::Name("Fast".into()), "\"Fast\""),
        (DynValue::from(0.1_f32), "0.1"),
        (
            DynValue::from(u128::MAX),
            "340282366920938463463374607431768211455",
        ),
        (
            DynValue::from(i128::MIN),
            "-170141183460469231731687303715884105728",
        ),
        (DynValue::Bytes(vec![255, 0]), "[255,0]"),
    ] {
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
    }
    assert!(serde_json::from_str::<DynValue>("null").is_err());
}

#[test]
fn other_spellings_are_read_too() {
    for (text, written) in [
        ("+5", "5"),
        ("0xFf", "255"),
        ("-0x80", "-128"),
        ("0b101", "5"),
        ("0o17", "15"),
        ("1_000", "1000"),
        (".5", "0.5"),
        ("1.", "1.0"),
        ("1e3", "1000.0"),
        ("-1E-3", "-0.001"),
        ("-inf", "-inf"),
        ("[1,2,]", "[1, 2]"),
        (" { x : 1 , y:2, } ", "{x: 1, y: 2}"),
        ("'\"'", "'\"'"),
        ("\"'\"", "\"'\""),
        (r#"b"\x00\n\\""#, r#"b"\x00\n\\""#),
    ] {
        assert_eq!(
            text.parse::<DynValue>().unwrap().to_string(),
            written,
            "{text}"
        );
    }
}

#[test]
fn errors_say_where_and_why() {
    for (text, message) in [
        (
            "",
            "at byte 0: expected a value (`1`, `2.5`, `true`, `'c'`, `\"text\"`, `Name`, `[..]`, `{..}`), found the end",
        ),
        ("[1 2]", "at byte 3: expected `,` or `]`, found '2'"),
        (
            "{x 1}",
            "at byte 3: expected `:` after the name of a field, found '1'",
        ),
        ("{x: 1, x: 2}", "at byte 7: the field was there already"),
        (
            "{-: 1}",
            "at byte 1: expected the name of a field or `}`, found '-'",
        ),
        ("1 2", "at byte 2: the value is followed by something else"),
        (
            "'ab'",
            "at byte 0: a char is one character; write text as \"..\"",
        ),
        ("\"ab", "at byte 3: the closing `\"` is missing"),
        ("12x", "at byte 0: this is not a number"),
        (
            "1e999",
            "at byte 0: the number is too large for a float; write `inf`",
        ),
        (
            "999999999999999999999999999999999999999999",
            "at byte 0: the number is too large for any integer",
        ),
        (
            "b\"ß\"",
            "at byte 2: bytes are written as ASCII; write others as `\\xff`",
        ),
        ("b\"\\xg0\"", "at byte 2: `\\x` has two hexadecimal digits"),
        (
            "\u{1b}",
            "at byte 0: expected a value (`1`, `2.5`, `true`, `'c'`, `\"text\"`, `Name`, `[..]`, `{..}`), found '\\u{1b}'",
        ),
    ] {
        let error = text.parse::<DynValue>().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the text is not a value: {message}")
        );
    }
    let deep = "[".repeat(100_000);
    let error = deep.parse::<DynValue>().unwrap_err();
    assert!(
        error.to_string().contains("values nest at most 128 deep"),
        "{error}"
    );
}
