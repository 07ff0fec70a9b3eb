//! E-mail addresses in bytes of any kind: a row of CSV, JSON, whole or not, a line of a log.

use std::borrow::Cow;

/// The longest name before an at sign and the longest host behind it (RFC 5321).
const MAX_NAME_CHARS: usize = 64;
const MAX_HOST_CHARS: usize = 255;
/// How an at sign may be written in JSON and in URLs.
const AT_SIGNS: [&str; 2] = ["\\u0040", "%40"];

/// What stands before a name in URLs, forms and logs rather than in it, though RFC 5321 allows it there.
const SEPARATORS: &str = "=/?&#|{}`*";
/// With what no name begins, likewise.
const OPENING: [char; 6] = ['\'', '.', '!', '$', '^', '~'];

/// Whatever may be an address, in lower case. Where a name could begin at several places (`to=ann@…`,
/// `\nann@…` in JSON) it is tried from each, so that some are of no address.
pub fn candidates(bytes: &[u8]) -> impl Iterator<Item = String> {
    let text = read(bytes);
    let ats: Vec<usize> = text.match_indices('@').map(|(at, _)| at).collect();
    ats.into_iter().flat_map(move |at| around(&text, at))
}

/// The addresses as they most likely are: each name from where it begins at the earliest, or behind what
/// parts the values of a URL, a form or a log. Whoever looks for one among the [`candidates`] of other bytes
/// finds it, whatever stands before it there.
#[must_use]
pub fn found(bytes: &[u8]) -> Vec<String> {
    let text = read(bytes);
    let whole = text.match_indices('@').filter_map(|(at, _)| around(&text, at).into_iter().next());
    let mut found: Vec<String> = whole.filter_map(|address| likeliest(&address).map(str::to_owned)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The address in what stands before an at sign and its host; nothing where no name is left.
fn likeliest(address: &str) -> Option<&str> {
    let (name, _) = address.split_once('@')?;
    let separator = name.rfind(|c| SEPARATORS.contains(c)).map_or(0, |index| index + 1);
    let escape = (separator..name.len()).rev().find(|index| is_behind_escape(name, *index)).unwrap_or(0);
    let likeliest = address[separator.max(escape)..].trim_start_matches(OPENING);
    (!likeliest.starts_with('@')).then_some(likeliest)
}

/// Whether an escape of a URL, such as `%3d`, ends at an index.
fn is_behind_escape(text: &str, index: usize) -> bool {
    let escape = index.checked_sub(3).and_then(|begin| text.as_bytes().get(begin..index));
    matches!(escape, Some([b'%', high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// Bytes as text in lower case, with every at sign as itself. Without one there is nothing to look at.
fn read(bytes: &[u8]) -> String {
    let is_at = |window: &[u8]| AT_SIGNS.iter().any(|sign| window.starts_with(sign.as_bytes()));
    let has_sign = bytes.contains(&b'@') || bytes.windows(6).any(is_at) || bytes.windows(3).any(is_at);
    if !has_sign {
        return String::new();
    }
    let mut text = String::from_utf8_lossy(bytes);
    for sign in AT_SIGNS {
        if text.contains(sign) {
            text = Cow::Owned(text.replace(sign, "@"));
        }
    }
    text.to_lowercase()
}

/// The addresses that an at sign may be part of, the longest first.
fn around(text: &str, at: usize) -> Vec<String> {
    let (before, after) = (&text[..at], &text[at + 1..]);
    let host_end = after.char_indices().take(MAX_HOST_CHARS).find(|(_, c)| !is_of_host(*c));
    let host = &after[..host_end.map_or_else(|| end_of(after, MAX_HOST_CHARS), |(end, _)| end)];
    let host = host.trim_end_matches(['.', '-']);
    let name: Vec<(usize, char)> =
        before.char_indices().rev().take(MAX_NAME_CHARS + 5).take_while(|(_, c)| is_of_name(*c)).collect();
    let Some(&(begin, _)) = name.last() else { return Vec::new() };
    if host.is_empty() || !host.contains('.') {
        return Vec::new();
    }
    // An escape of JSON ends in letters or digits, which are none of the name's.
    let escape = match (before[..begin].ends_with('\\'), before[begin..].starts_with('u')) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 5,
    };
    let begin = begin + escape.min(before.len() - begin);
    let starts_anew = |(index, _): &(usize, char)| {
        *index > begin
            && (before[..*index].chars().next_back().is_some_and(|c| !c.is_alphanumeric())
                || is_behind_escape(before, *index))
    };
    let later = name.iter().rev().filter(|place| starts_anew(place)).map(|(index, _)| *index);
    let starts = std::iter::once(begin).filter(|begin| before.is_char_boundary(*begin) && *begin < at);
    starts.chain(later).map(|start| format!("{}@{host}", &before[start..])).collect()
}

fn end_of(text: &str, chars: usize) -> usize {
    text.char_indices().nth(chars).map_or(text.len(), |(end, _)| end)
}

fn is_of_host(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-')
}

/// What a name may have without quotes.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_found_in_what_stands_around_them() {
        for (text, address) in [
            ("a1,view_item,K-20417,K20417@Mail.Example", "k20417@mail.example"),
            ("{\"email\":\"ann.o'neil+x@shop.example\"}", "ann.o'neil+x@shop.example"),
            ("\"mail\\nann@shop.example.\"", "ann@shop.example"),
            ("to=ann@shop.example;", "ann@shop.example"),
            ("<åsa@bücher.example>", "åsa@bücher.example"),
            ("x%40shop.example", "x@shop.example"),
        ] {
            assert!(candidates(text.as_bytes()).any(|found| found == address), "{text}");
        }
        for (text, address) in [
            ("page_url=https://s/?email=ann@x.example", "ann@x.example"),
            ("page_url=https%3A%2F%2Fs%2F%3Femail%3DAnn.B%40x.example", "ann.b@x.example"),
            ("{\"url\":\"https://s/a?b=c&mail=ann+1@x.example&d=e\"}", "ann+1@x.example"),
            ("to=ann@x.example", "ann@x.example"),
            ("7|ann@x.example|9", "ann@x.example"),
            ("'_ann.o'neil@x.example'", "_ann.o'neil@x.example"),
            ("https://ann@x.example/", "ann@x.example"),
        ] {
            assert_eq!(found(text.as_bytes()), [address], "{text}");
            assert!(candidates(text.as_bytes()).any(|found| found == address), "{text}");
        }
        assert_eq!(found(b"https://s/?mail=@x.example"), Vec::<String>::new());
        assert_eq!(found(b"b@x.example, a@x.example B@x.example"), ["a@x.example", "b@x.example"]);
        assert_eq!(found(b"@ a@ @b.c a@b \xff@\xff"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_through(bytes: Vec<u8>) {
            for address in candidates(&bytes) {
                prop_assert!(address.contains('@'));
            }
        }

        #[test]
        fn an_address_is_found_between_whatever_is_no_part_of_one(
            name in "[a-z][a-z0-9._+-]{0,20}", host in "[a-z0-9]{1,9}\\.[a-z]{2,5}",
            before in "[ ,;\"<>:\\[\\]()]{0,3}", after in "[ ,;\"<>:\\[\\]()]{0,3}",
        ) {
            let address = format!("{name}@{host}");
            prop_assert_eq!(found(format!("{before}{address}{after}").as_bytes()), [address]);
        }

        #[test]
        fn what_is_learned_of_a_url_is_known_again_anywhere(
            name in "[a-z][a-z0-9._+-]{0,20}", host in "[a-z0-9]{1,9}\\.[a-z]{2,5}",
            before in "[a-z0-9:/?&=#|%.]{0,12}(=|/|%3D|&|\\|)", elsewhere in "[a-z:/?&=<\" ]{0,12}(=|<|%3D| )",
        ) {
            let address = format!("{name}@{host}");
            prop_assert_eq!(found(format!("{before}{address}").as_bytes()), [&address[..]]);
            let text = format!("{elsewhere}{address}");
            prop_assert!(candidates(text.as_bytes()).any(|found| found == address));
        }
    }
}
