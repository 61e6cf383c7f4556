//! How values are written for the tier.

use cache_core::cached;
use cache_core::tier::{Codec, CodecError, Raw};

use super::{items, tier};

/// Text in an envelope, or none of it.
pub(super) struct Text;

impl Codec<String> for Text {
    fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
        String::from_utf8(bytes.to_vec()).map_err(CodecError::new)
    }
}

impl Codec<Option<String>> for Text {
    fn encode(&self, value: &Option<String>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.push(u8::from(value.is_some()));
        value.iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Option<String>, CodecError> {
        match bytes {
            [0] => Ok(None),
            [1, text @ ..] => Text.decode(text).map(Some),
            _ => Err(CodecError::new("neither")),
        }
    }
}

#[test]
fn raw_is_the_text_and_nothing_else() {
    tier!(TIER);
    #[cached(tier = &*TIER, codec = Raw, name = "raw")]
    fn greeting(name: &str) -> String {
        format!("Hello, {name}")
    }
    greeting("Ada");
    let [(_, item)] = &items(&TIER, "raw")[..] else { panic!("one item") };
    assert_eq!(item.value, b"Hello, Ada");
}

#[cfg(feature = "json")]
#[test]
fn json_is_read_by_others() {
    use cache_core::tier::Json;
    tier!(TIER);
    #[cached(tier = &*TIER, codec = Json, name = "json")]
    fn pair(n: u64) -> (u64, String) {
        (n, n.to_string())
    }
    pair(7);
    let [(_, item)] = &items(&TIER, "json")[..] else { panic!("one item") };
    assert_eq!(item.value, br#"[7,"7"]"#);
    pair::cache().invalidate_all();
    assert_eq!((pair(7), pair::tiered().stats().remote.hits), ((7, "7".to_owned()), 1));
}

#[cfg(feature = "postcard")]
#[test]
fn postcard_is_the_default() {
    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Price {
        cents: u64,
        unit: String,
    }
    tier!(TIER);
    #[cached(tier = &*TIER, name = "postcard")]
    fn price(sku: &str) -> Result<Price, String> {
        Ok(Price { cents: sku.len() as u64, unit: "kg".to_owned() })
    }
    let first = price("tea");
    price::cache().invalidate_all();
    assert_eq!(price("tea"), first);
    assert_eq!(price::tiered().stats().remote.hits, 1);
}
