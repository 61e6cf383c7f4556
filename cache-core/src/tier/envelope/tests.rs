use proptest::prelude::*;

use super::*;

fn sample() -> Envelope {
    Envelope {
        is_negative: false,
        schema: 3,
        created: 1_790_000_000_123,
        fresh_until: 1_790_000_060_123,
        stale_until: 1_790_000_090_123,
        load_time: Duration::from_micros(1_500),
    }
}

/// Reads bytes that were written with the sample's schema and `b"key"`.
fn read(bytes: &[u8]) -> Result<(Envelope, &[u8]), Rejected> {
    Envelope::read(bytes, 3, b"key").map(|(envelope, payload)| (envelope, &bytes[payload]))
}

/// Replaces the checksum by the right one.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() - CHECKSUM_LEN);
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    let times = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>());
    (any::<bool>(), any::<u32>(), times).prop_map(|(is_negative, schema, times)| Envelope {
        is_negative,
        schema,
        created: times.0,
        fresh_until: times.1,
        stale_until: times.2,
        load_time: Duration::from_micros(times.3.into()),
    })
}

fn short() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

proptest! {
    #[test]
    fn what_is_written_is_read(envelope in envelopes(), key in short(), payload in short()) {
        let bytes = envelope.write(&key, &payload);
        let (read, range) = Envelope::read(&bytes, envelope.schema, &key).unwrap();
        prop_assert_eq!((read, &bytes[range]), (envelope, &payload[..]));
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused(
        envelope in envelopes(), key in short(), payload in short(),
    ) {
        let bytes = envelope.write(&key, &payload);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Envelope::read(&bytes, envelope.schema, &key).is_err(), "bit {}", bit);
        }
        for end in 0..bytes.len() {
            prop_assert!(Envelope::read(&bytes[..end], envelope.schema, &key).is_err());
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in short(), key in short(), schema in any::<u32>()) {
        prop_assert!(Envelope::read(&bytes, schema, &key).is_err());
    }

    /// Their writer knows the checksum, too.
    #[test]
    fn arbitrary_bytes_with_a_valid_checksum_do_not_panic(rest in short(), key in short()) {
        let bytes = sealed([&MAGIC[..], &[FORMAT], &rest, &[0; CHECKSUM_LEN]].concat());
        let _ = Envelope::read(&bytes, 0, &key);
    }
}

#[test]
fn the_format_never_changes() {
    let expected = [
        &[0xCA, b'c', b'h', 1, 0, 3, 0, 0, 0][..],
        &1_790_000_000_123_u64.to_le_bytes(),
        &1_790_000_060_123_u64.to_le_bytes(),
        &1_790_000_090_123_u64.to_le_bytes(),
        &[0xDC, 5, 0, 0, 3, 0, 0, 0],
        b"keyvalue",
        // By another implementation of SipHash-1-3.
        &[0xF0, 0xFD, 0x53, 0xEF, 0xAC, 0xDB, 0x76, 0xDC],
    ];
    assert_eq!(sample().write(b"key", b"value"), expected.concat());
}

#[test]
fn each_reason_is_told() {
    let bytes = sample().write(b"key", b"value");
    assert_eq!(read(&bytes), Ok((sample(), &b"value"[..])));
    let changed = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        bytes
    };
    for foreign in [&b""[..], &[0xCA, b'c', b'h'], br#"{"price":7}"#, &changed(0, 0)] {
        assert_eq!(read(foreign), Err(Rejected::Foreign));
    }
    assert_eq!(read(&changed(3, 2)), Err(Rejected::OtherFormat));
    assert_eq!(read(&changed(4, 1)), Err(Rejected::Corrupt));
    // A flag that only a later version can have set.
    assert_eq!(read(&sealed(changed(4, 2))), Err(Rejected::OtherFormat));
    assert_eq!(read(&bytes[..20]), Err(Rejected::Corrupt));
    assert_eq!(Envelope::read(&bytes, 4, b"key"), Err(Rejected::OtherSchema));
    for other in [&b"kez"[..], b"ke", b"", b"keyv"] {
        assert_eq!(Envelope::read(&bytes, 3, other), Err(Rejected::OtherKey));
    }
}

/// 4 GiB, and a length that reaches into the checksum by a byte.
#[test]
fn a_key_longer_than_the_bytes_is_refused() {
    for length in [u32::MAX, 9] {
        let mut bytes = sample().write(b"key", b"value");
        bytes[37..41].copy_from_slice(&length.to_le_bytes());
        assert_eq!(read(&sealed(bytes)), Err(Rejected::Corrupt));
    }
}

#[test]
fn a_long_load_is_noted_as_the_longest_there_is() {
    let envelope = Envelope { load_time: Duration::from_secs(86_400), ..sample() };
    let bytes = envelope.write(b"key", b"");
    assert_eq!(read(&bytes).unwrap().0.load_time, Duration::from_micros(u32::MAX.into()));
}
