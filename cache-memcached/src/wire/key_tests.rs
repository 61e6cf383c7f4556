use proptest::prelude::*;

use super::*;

fn on_the_wire(key: &WireKey) -> String {
    let mut out = Vec::new();
    key.write(&mut out);
    String::from_utf8(out).expect("ASCII")
}

#[test]
fn readable_keys_stay_readable() {
    let space = Namespace::new("app");
    assert_eq!(on_the_wire(&space.item(b"users:1:7:42")), "app:users:1:7:42");
    assert_eq!(on_the_wire(&Namespace::new("").item(b"users:42")), "users:42");
    assert_eq!(on_the_wire(&space.item(b"")), "app:");
}

#[test]
fn other_bytes_go_as_base64() {
    let space = Namespace::new("");
    for (key, wire) in [
        (&b"a b"[..], "YSBi"),
        (b"x\r\nmd y", "eA0KbWQgeQ=="),
        (b"\0", "AA=="),
        (b"foob\xff", "Zm9vYv8="),
    ] {
        let key = space.item(key);
        assert!(key.is_base64());
        assert_eq!(on_the_wire(&key), wire);
    }
}

/// Written down, because processes of different versions must agree.
#[test]
fn hashes_are_fixed() {
    let space = Namespace::new("n");
    assert_eq!(on_the_wire(&space.item(b"~")), "n:~h:e27f57e5405e87c2ef17c531af031039");
    let long = [b'k'; 300];
    assert_eq!(on_the_wire(&space.item(&long)), "n:~h:ee7a838ec051d8e133d7448f000d30bb");
    assert!(on_the_wire(&Namespace::new("").item(b"")).starts_with("~h:"));
}

#[test]
fn keys_of_different_kinds_never_meet() {
    let space = Namespace::new("");
    let counter = space.counter(b"users");
    let forged = space.item(counter.bytes());
    assert_ne!(forged, counter);
    assert!(forged.bytes().starts_with(b"~h:"));
    assert_ne!(space.item(forged.bytes()), forged);
}

#[test]
fn what_has_a_line_logged_is_no_item_and_tells_nothing() {
    for space in [Namespace::new(""), Namespace::new("app")] {
        let waking = space.waking();
        assert_eq!(space.heard(1, waking.bytes()), None);
        assert_ne!(space.item(b"~w:"), waking);
    }
}

#[test]
fn a_key_of_the_most_bytes_is_told_by_name() {
    for name in ["", "app", &"n".repeat(Namespace::MOST)] {
        let space = Namespace::new(name);
        let key = vec![b'k'; space.max_key_len()];
        let tombstone = space.tombstone(1, &Told::Key(&key));
        assert_eq!(tombstone.bytes().len(), MOST_ON_THE_WIRE);
        assert_eq!(space.heard(2, tombstone.bytes()), Some(Tombstone::Key(key.clone())));
        let longer = [&key[..], b"k"].concat();
        let tombstone = space.tombstone(1, &Told::Key(&longer));
        assert_eq!(space.heard(2, tombstone.bytes()), Some(Tombstone::Unnamed));
    }
}

#[test]
fn tombstones_tell_of_others_only() {
    let space = Namespace::new("app");
    let counter = space.tombstone(7, &Told::Counter(b"users"));
    assert_eq!(space.heard(8, counter.bytes()), Some(Tombstone::Counter(b"users".to_vec())));
    assert_eq!(space.heard(7, counter.bytes()), None);
    assert_eq!(Namespace::new("other").heard(8, counter.bytes()), None);
    let hidden = space.tombstone(7, &Told::Key(b"~g:users"));
    assert_eq!(space.heard(8, hidden.bytes()), Some(Tombstone::Unnamed));
    for foreign in [&b"app:~i:"[..], b"app:~i:zz", b"app:users", b"", b"app:~i:0123456789abcdef"] {
        assert_eq!(space.heard(8, foreign), None);
    }
}

#[test]
fn namespaces_are_checked() {
    for right in ["", "app", "a.b-c_d/e"] {
        Namespace::check(right).expect(right);
    }
    for wrong in ["a b", "a:b", "a~", "ä", "a\r\n", &"n".repeat(65)] {
        assert!(Namespace::check(wrong).is_err(), "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn no_key_can_inject(
        key in prop::collection::vec(any::<u8>(), 0..300),
        space in "[a-z]{0,64}",
    ) {
        let space = Namespace::new(&space);
        for key in [space.item(&key), space.counter(&key), space.tombstone(3, &Told::Key(&key))] {
            let wire = on_the_wire(&key);
            prop_assert!(!wire.is_empty() && wire.len() <= MOST_ON_THE_WIRE);
            prop_assert!(wire.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn different_keys_stay_different(
        one in prop::collection::vec(any::<u8>(), 0..260),
        other in prop::collection::vec(any::<u8>(), 0..260),
    ) {
        prop_assume!(one != other);
        let space = Namespace::new("s");
        prop_assert_ne!(space.item(&one), space.item(&other));
        prop_assert_ne!(space.item(&one), space.counter(&other));
    }

    #[test]
    fn what_is_heard_was_told(key in prop::collection::vec(any::<u8>(), 0..260)) {
        let space = Namespace::new("s");
        let tombstone = space.tombstone(3, &Told::Key(&key));
        match space.heard(4, tombstone.bytes()) {
            Some(Tombstone::Key(heard)) => prop_assert_eq!(heard, key),
            Some(Tombstone::Unnamed) => {}
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
