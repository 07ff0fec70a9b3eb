//! Names within addresses.

/// A name as a part of a path or a value of a query: it may hold any character, and those that mean something
/// there, or are not of ASCII, are written by their bytes.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_a_part_of_an_address() {
        assert_eq!(encoded("shop.events-value"), "shop.events-value");
        assert_eq!(encoded("a/b?ü&=#+ %"), "a%2Fb%3F%C3%BC%26%3D%23%2B%20%25");
    }
}
