use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn bytes(key: &(impl RemoteKey + ?Sized)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    key.write(&mut out);
    out.split_off(6)
}

fn text(key: &(impl RemoteKey + ?Sized)) -> String {
    String::from_utf8(bytes(key)).unwrap()
}

#[test]
fn a_key_alone_is_its_plain_text() {
    assert_eq!(text("de"), "de");
    assert_eq!((text(&-7_i8), text(&u128::MAX)), ("-7".to_owned(), u128::MAX.to_string()));
    assert_eq!((text(&true), text(&'ü')), ("true".to_owned(), "ü".to_owned()));
    assert_eq!(bytes(&[0_u8, 255]), [0, 255]);
    assert_eq!((text(&None::<&str>), text(&Some("")), text(&Some("a"))), {
        ("-".to_owned(), "+".to_owned(), "+a".to_owned())
    });
}

#[test]
fn each_part_of_several_stands_behind_its_length() {
    assert_eq!(text(&("ab", 7_u32)), "2:ab1:7");
    assert_eq!(text(&("",)), "0:");
    assert_eq!(text(&(("a", "b"), Some("0123456789"))), "6:1:a1:b11:+0123456789");
    let twelve = (1_u8, 2_u8, 3_u8, 4_u8, 5_u8, 6_u8, 7_u8, 8_u8, 9_u8, 10_u8, 11_u8, 12_u8);
    assert_eq!(text(&twelve), "1:11:21:31:41:51:61:71:81:92:102:112:12");
}

#[test]
fn a_borrowed_form_writes_what_its_owner_writes() {
    let forms: [&dyn RemoteKey; 6] = [
        &"abc".to_owned(),
        &Arc::<str>::from("abc"),
        &Box::<str>::from("abc"),
        &Cow::Borrowed("abc"),
        &b"abc".to_vec(),
        b"abc",
    ];
    for form in forms {
        assert_eq!(bytes(form), b"abc");
    }
    assert_eq!(text(&("a".to_owned(), Some("b".to_owned()))), text(&("a", Some("b"))));
    assert_eq!(text(&Arc::new((1_u8, vec![b'x']))), text(&(1_u8, &b"x"[..])));
}

/// Fails if two different keys are written alike.
fn check_apart<K: RemoteKey + Eq + Hash + Debug>(keys: Vec<K>) -> Result<(), TestCaseError> {
    let mut written: HashMap<Vec<u8>, K> = HashMap::new();
    for key in keys {
        if let Some(other) = written.get(&bytes(&key)) {
            prop_assert_eq!(other, &key);
        }
        written.insert(bytes(&key), key);
    }
    Ok(())
}

/// Text of few different characters, those that the encoding uses among them.
const CONFUSING: &str = "[0-2:+~-]{0,4}";

proptest! {
    #[test]
    fn no_two_texts_meet(keys in prop::collection::vec(CONFUSING, 2..40)) {
        check_apart(keys)?;
    }

    #[test]
    fn no_two_tuples_meet(
        keys in prop::collection::vec((CONFUSING, CONFUSING, 0_u32..200), 2..40),
    ) {
        check_apart(keys)?;
    }

    #[test]
    fn no_two_nested_keys_meet(
        keys in prop::collection::vec(
            (prop::option::of(prop::option::of(CONFUSING)), (CONFUSING, any::<bool>())),
            2..40,
        ),
    ) {
        check_apart(keys)?;
    }

    #[test]
    fn no_two_integers_meet(keys in prop::collection::vec(-300_i64..300, 2..40)) {
        check_apart(keys)?;
    }

    #[test]
    fn a_name_fits_and_is_readable_and_no_two_keys_share_it(
        keys in prop::collection::vec(".{0,3}|~[0-9a-f]{32}|[!-~]{0,80}", 2..20),
        prefix in "[a-z]{1,9}:1:",
        max_len in 45..60_usize,
    ) {
        let mut names: HashMap<Vec<u8>, String> = HashMap::new();
        for key in keys {
            let name = tier_key(&prefix, &*key, max_len);
            prop_assert!(name.wire.len() <= max_len && is_readable(&name.wire));
            prop_assert!(name.wire.starts_with(prefix.as_bytes()));
            prop_assert_eq!(&name.full, &[prefix.as_bytes(), key.as_bytes()].concat());
            if let Some(other) = names.insert(name.wire, key.clone()) {
                prop_assert_eq!(other, key);
            }
        }
    }
}

#[test]
fn a_readable_key_that_fits_names_itself() {
    let name = tier_key("rates:1:1790000000000:", "de", 250);
    assert_eq!(name.wire, b"rates:1:1790000000000:de");
    assert_eq!(name.full, name.wire);
    // One byte more than fits, and one that fits.
    let long = "k".repeat(220);
    assert_eq!(tier_key("p:", &*long, 222).wire, format!("p:{long}").as_bytes());
    assert_eq!(tier_key("p:", &*long, 221).wire.len(), 2 + HASH_LEN);
}

/// As computed by another implementation, from the paper: a change would lose every such key.
#[test]
fn the_hash_of_a_key_never_changes() {
    let wire = |key: &str| String::from_utf8(tier_key("p:", key, 250).wire).unwrap();
    assert_eq!(wire("two words"), "p:~5e1be94ccfb8d8e2aa7e18924f8f1310");
    assert_eq!(wire(&"k".repeat(300)), "p:~bb300d008f44d733e1d851c08e837aee");
    // A readable key that begins with the mark.
    assert_eq!(wire("~"), "p:~391003af31c517efc2875e40e5577fe2");
}

#[test]
fn a_prefix_that_does_not_fit_or_print_is_hashed_with_the_key() {
    let long = "n".repeat(240);
    assert_eq!(tier_key(&format!("{long}:"), "some long key", 250).wire.len(), HASH_LEN);
    assert_eq!(
        tier_key(&format!("{long}:"), "short", 250).wire,
        format!("{long}:short").as_bytes()
    );
    let names = ["a b:", "a c:"].map(|prefix| tier_key(prefix, "key", 250).wire);
    assert!(names.iter().all(|name| name.len() == HASH_LEN && is_readable(name)));
    assert_ne!(names[0], names[1]);
}
