//! Header fields as configs write them: a map, or the Collector's list of `name` and `value`.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// For `#[serde(deserialize_with = "headers")]`; the later of two fields of a name counts.
///
/// # Errors
/// Where it is neither form.
pub fn headers<'de, D: Deserializer<'de>, V: Deserialize<'de>>(
    de: D,
) -> Result<BTreeMap<String, V>, D::Error> {
    de.deserialize_any(Headers(PhantomData))
}

struct Headers<V>(PhantomData<V>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<V> {
    name: String,
    value: V,
}

impl<'de, V: Deserialize<'de>> Visitor<'de> for Headers<V> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of header fields")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            headers.insert(name, value);
        }
        Ok(headers)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut headers = BTreeMap::new();
        while let Some(Header { name, value }) = seq.next_element()? {
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_forms_are_the_same() {
        let want = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        for text in [json!({"a": "1"}), json!([{"name": "a", "value": "1"}])] {
            assert_eq!(headers::<_, String>(text).unwrap(), want);
        }
        assert_eq!(headers::<_, String>(json!(null)).unwrap(), BTreeMap::new());
        assert!(headers::<_, String>(json!([{"name": "a", "valu": "1"}])).is_err());
    }
}
