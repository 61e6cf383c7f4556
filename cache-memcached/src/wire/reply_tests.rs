use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1_000;

/// Input: bytes, and the size of the pieces they come in. Output: the replies.
fn parsed(bytes: &[u8], piece: usize) -> Result<Vec<Reply>, Fault> {
    let mut parser = Parser::new(LIMIT);
    let mut replies = Vec::new();
    for mut piece in bytes.chunks(piece) {
        while let Some(reply) = parser.next(&mut piece)? {
            replies.push(reply);
        }
        assert!(piece.is_empty(), "the parser leaves bytes");
        assert!(parser.line.capacity() <= 2 * MOST_OF_A_LINE);
        if let Some((reply, _)) = &parser.valued {
            assert!(reply.value.capacity() <= 2 * LIMIT + 4);
        }
    }
    Ok(replies)
}

#[test]
fn replies_of_a_real_server_in_pieces_of_any_size() {
    let stream =
        b"VA 3 t30 c9 kYSBi b O7 W X\r\na\r\n\r\nEN kx O8\r\nHD O9\r\nVA 0 t-1 O5 Z\r\n\r\n";
    for piece in 1..=stream.len() {
        let replies = parsed(stream, piece).expect("replies");
        let [hit, missing, done, empty] = &replies[..] else { panic!("{replies:?}") };
        assert_eq!((&hit.value[..], hit.cas, hit.life), (&b"a\r\n"[..], 9, 30));
        assert_eq!((hit.is_won, hit.is_lost, hit.is_stale), (true, false, true));
        assert_eq!((hit.opaque, hit.key.as_deref()), (Some(7), Some(&b"YSBi"[..])));
        assert_eq!((missing.status, missing.opaque), (Status::Missing, Some(8)));
        assert_eq!((done.status, done.opaque), (Status::Done, Some(9)));
        assert_eq!((empty.life, empty.is_lost, empty.value.len()), (-1, true, 0));
    }
}

#[test]
fn what_is_no_reply_is_refused() {
    let broken = [
        &b"\r\n"[..],
        b"\n",
        b"HD\n",
        b"VA\r\n",
        b"VA x\r\n",
        b"VA -1\r\n",
        b"VA 99999999999999999999\r\n",
        b"HD Ox\r\n",
        b"HD c\r\n",
        b"STAT pid 1\r\n",
        b"VA 1\r\nabc",
        &[b'x'; 2 * MOST_OF_A_LINE],
    ];
    for bytes in broken {
        let fault = parsed(bytes, 7).expect_err("no reply");
        assert!(matches!(fault, Fault::Broken(_)), "{bytes:?}: {fault:?}");
        assert!(fault.is_outage());
    }
}

#[test]
fn error_lines_are_told() {
    for line in ["ERROR", "CLIENT_ERROR bad data chunk", "SERVER_ERROR out of memory"] {
        let fault = parsed(format!("{line}\r\n").as_bytes(), 100).expect_err("an error");
        assert_eq!(fault, Fault::Refused(line.into()));
        assert!(!fault.is_outage());
    }
}

#[test]
fn a_gigantic_length_reserves_nothing() {
    let fault = parsed(b"VA 18446744073709551615 O1\r\n", 100).expect_err("too large");
    assert_eq!(fault, Fault::Oversized { size: u64::MAX, limit: LIMIT });
    assert!(parsed(format!("VA {LIMIT} O1\r\n").as_bytes(), 100).expect("fits").is_empty());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..3_000),
        piece in 1_usize..500,
    ) {
        drop(parsed(&bytes, piece));
    }

    #[test]
    fn nearly_right_bytes_never_panic(
        bytes in "((VA|HD|EN|XX|) ?[0-9]{0,21} ?[ctOkWX]?[-0-9]{0,20}\r?\n?[a-z]{0,9}(\r\n)?){1,9}",
        piece in 1_usize..100,
    ) {
        drop(parsed(bytes.as_bytes(), piece));
    }

    #[test]
    fn values_arrive_whole(
        value in prop::collection::vec(any::<u8>(), 0..LIMIT),
        piece in 1_usize..500,
    ) {
        let stream = [format!("VA {} O1\r\n", value.len()).as_bytes(), &value, b"\r\n"].concat();
        let replies = parsed(&stream, piece).expect("a reply");
        prop_assert_eq!(replies.len(), 1);
        prop_assert_eq!(&replies[0].value, &value);
    }
}
