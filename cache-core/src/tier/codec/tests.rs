use std::fmt::Debug;

use super::*;

fn encoded<V>(codec: &impl Codec<V>, value: &V) -> Vec<u8> {
    let mut out = b"before".to_vec();
    codec.encode(value, &mut out).unwrap();
    assert!(out.starts_with(b"before"));
    out.split_off(6)
}

#[cfg(any(feature = "postcard", feature = "json"))]
fn check_round_trip<V: PartialEq + Debug>(codec: &impl Codec<V>, value: &V) {
    assert_eq!(&codec.decode(&encoded(codec, value)).unwrap(), value);
}

fn check_raw<V: PartialEq + Debug>(value: &V, bytes: &[u8])
where
    Raw: Codec<V>,
{
    assert_eq!(encoded(&Raw, value), bytes);
    assert_eq!(&Codec::<V>::decode(&Raw, bytes).unwrap(), value);
    assert_eq!(Codec::<V>::framing(&Raw), Framing::Bare);
}

#[test]
fn raw_writes_bytes_and_strings_as_they_are() {
    check_raw(&vec![0_u8, 255], &[0, 255]);
    check_raw(&Arc::<[u8]>::from([7]), &[7]);
    check_raw(&Box::<[u8]>::from([]), &[]);
    check_raw(&"grüezi".to_owned(), "grüezi".as_bytes());
    check_raw(&Arc::<str>::from("a"), b"a");
    check_raw(&Box::<str>::from("a"), b"a");
}

#[test]
fn raw_refuses_what_is_no_text() {
    let error = Codec::<String>::decode(&Raw, &[b'a', 255]).unwrap_err();
    assert!(error.to_string().contains("utf-8"), "{error}");
}

#[cfg(feature = "postcard")]
mod with_postcard {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        name: String,
        counts: Vec<u64>,
        next: Option<(i16, bool)>,
    }

    fn samples() -> impl Strategy<Value = Sample> {
        let next = prop::option::of((any::<i16>(), any::<bool>()));
        (".{0,8}", prop::collection::vec(any::<u64>(), 0..8), next)
            .prop_map(|(name, counts, next)| Sample { name, counts, next })
    }

    proptest! {
        #[test]
        fn postcard_reads_what_it_writes(value in samples()) {
            check_round_trip(&Postcard, &value);
        }

        /// Nor allocates by a length that they claim: that would end the process.
        #[test]
        fn postcard_does_not_panic_at_arbitrary_bytes(
            bytes in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let _ = Codec::<Sample>::decode(&Postcard, &bytes);
        }
    }

    #[test]
    fn postcard_refuses_what_is_left_over_or_missing() {
        let bytes = encoded(&Postcard, &(7_u32, "text".to_owned()));
        let longer = [&bytes[..], b"."].concat();
        let decode = |bytes| Codec::<(u32, String)>::decode(&Postcard, bytes);
        assert!(decode(&longer).unwrap_err().to_string().starts_with("1 bytes follow"));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err());
        }
    }

    /// 2^62 bytes, and a single one of them.
    #[test]
    fn postcard_believes_no_length() {
        let bytes = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, b'a'];
        assert!(Codec::<Vec<u8>>::decode(&Postcard, &bytes).is_err());
        assert!(Codec::<Vec<u64>>::decode(&Postcard, &bytes).is_err());
        assert!(Codec::<String>::decode(&Postcard, &bytes).is_err());
    }

    #[test]
    fn postcard_is_stored_in_an_envelope() {
        assert_eq!(Codec::<u8>::framing(&Postcard), Framing::Envelope);
    }
}

#[cfg(feature = "json")]
#[test]
fn json_is_what_other_languages_write() {
    let value = vec![("a".to_owned(), Some(1.5)), ("b".to_owned(), None)];
    check_round_trip(&Json, &value);
    assert_eq!(encoded(&Json, &value), br#"[["a",1.5],["b",null]]"#);
    let spaced = br#" [["a", 1.5], ["b", null]] "#;
    assert_eq!(Codec::<Vec<(String, Option<f64>)>>::decode(&Json, spaced).unwrap(), value);
    assert!(Codec::<u8>::decode(&Json, b"7 8").is_err());
    assert!(Codec::<u8>::decode(&Json, b"").is_err());
    assert_eq!(Codec::<u8>::framing(&Json), Framing::Bare);
}
