//! Which server has a key: rendezvous hashing.
//!
//! Every server is given a weight for the key, and the one with the highest weight has it (Thaler
//! and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions on
//! Networking 6(1), 1998). A server that is added takes over its share of the keys from all others
//! and moves no other key; the order in which servers are named does not matter. It costs a hash
//! for each server, some 20 ns, next to an exchange over the network.
//!
//! The weight is SipHash-1-3 with the key zero over the server's name as it was given, a zero
//! byte, and the key as the server knows it. That is fixed for ever: all processes must agree, so
//! they must name the servers alike.
//!
//! A server that fails keeps its keys. To give them to another would mean that processes disagree
//! for a time, and that old values are found when the keys come back.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Returns the place of the server that has this key, among servers of which there is one at
/// least.
pub(crate) fn choose<'n>(servers: impl IntoIterator<Item = &'n str>, key: &[u8]) -> usize {
    let weights = servers.into_iter().map(|name| weight(name, key));
    let heaviest = weights.enumerate().max_by_key(|(place, weight)| (*weight, *place));
    heaviest.map_or(0, |(place, _)| place)
}

fn weight(server: &str, key: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(server.as_bytes());
    hasher.write(&[0]);
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> impl Iterator<Item = String> {
        (0..10_000).map(|number| format!("key:{number}"))
    }

    #[test]
    fn a_server_that_is_added_takes_its_share_and_moves_no_other_key() {
        let four = ["a:1", "b:1", "c:1", "d:1"];
        let five = ["a:1", "b:1", "c:1", "d:1", "e:1"];
        let mut moved = 0;
        let mut shares = [0; 4];
        for key in keys() {
            let before = choose(four, key.as_bytes());
            let after = choose(five, key.as_bytes());
            shares[before] += 1;
            if before != after {
                assert_eq!(after, 4, "{key} moves between old servers");
                moved += 1;
            }
        }
        assert!((1_800..2_200).contains(&moved), "{moved} of 10,000");
        assert!(shares.iter().all(|share| (2_300..2_700).contains(share)), "{shares:?}");
    }

    #[test]
    fn the_order_of_the_servers_does_not_matter() {
        for key in keys().take(1_000) {
            let one = ["a:1", "b:1", "c:1"][choose(["a:1", "b:1", "c:1"], key.as_bytes())];
            let other = ["c:1", "a:1", "b:1"][choose(["c:1", "a:1", "b:1"], key.as_bytes())];
            assert_eq!(one, other);
        }
    }

    /// Written down, because processes of different versions must agree.
    #[test]
    fn weights_are_fixed() {
        assert_eq!(weight("cache1:11211", b"users:42"), 9_707_530_192_858_289_350);
        assert_eq!(weight("", b""), 7_541_581_120_933_061_747);
    }
}
