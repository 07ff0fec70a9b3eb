//! A small file of countries in MaxMind's format: <https://maxmind.github.io/MaxMind-DB/>.

use std::net::IpAddr;

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    Data(usize),
}

/// The bytes of a file that tells the countries of networks, each as its first address, its bits and a code.
/// Networks do not overlap.
pub(crate) fn countries(networks: &[(&str, u8, &str)]) -> Vec<u8> {
    file(networks, "country")
}

/// The same with another name of what it tells.
pub(crate) fn file(networks: &[(&str, u8, &str)], what: &str) -> Vec<u8> {
    let (mut nodes, mut data) = (vec![[Record::Empty; 2]], Vec::new());
    for (address, bits, code) in networks {
        // In a tree of IPv6, IPv4 is ::/96.
        let (address, bits) = match address.parse().unwrap() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), bits + 96),
            IpAddr::V6(address) => (u128::from(address), *bits),
        };
        let side = |bit: u8| usize::from((address >> (127 - bit)) & 1 == 1);
        let mut node = 0;
        for bit in 0..bits - 1 {
            node = match nodes[node][side(bit)] {
                Record::Node(next) => next,
                Record::Empty => {
                    nodes.push([Record::Empty; 2]);
                    let next = nodes.len() - 1;
                    nodes[node][side(bit)] = Record::Node(next);
                    next
                }
                Record::Data(_) => panic!("networks overlap"),
            };
        }
        nodes[node][side(bits - 1)] = Record::Data(data.len());
        data.extend(map(&[(what, map(&[("iso_code", text(code))]))]));
    }
    let count = nodes.len();
    let mut bytes = Vec::new();
    for record in nodes.iter().flatten() {
        let value = match record {
            Record::Empty => count,
            Record::Node(node) => *node,
            Record::Data(offset) => count + 16 + offset,
        };
        bytes.extend(&u32::try_from(value).unwrap().to_be_bytes()[1..]);
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    bytes.extend(map(&[
        ("node_count", number(6, u32::try_from(count).unwrap())),
        ("record_size", number(5, 24)),
        ("ip_version", number(5, 6)),
        ("database_type", text("Test-Country")),
        // A list, and a number of 64 bits: types beyond 7 stand in a byte of their own.
        ("languages", vec![0, 4]),
        ("binary_format_major_version", number(5, 2)),
        ("binary_format_minor_version", number(5, 0)),
        ("build_epoch", vec![4, 2, 0x69, 0, 0, 0]),
        ("description", map(&[])),
    ]));
    bytes
}

fn of_type(kind: u8, size: usize) -> u8 {
    assert!(size < 29);
    (kind << 5) | u8::try_from(size).unwrap()
}

fn text(text: &str) -> Vec<u8> {
    [&[of_type(2, text.len())], text.as_bytes()].concat()
}

/// A whole number without the zeros before it.
fn number(kind: u8, value: u32) -> Vec<u8> {
    let bytes: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    [vec![of_type(kind, bytes.len())], bytes].concat()
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs = entries.iter().flat_map(|(key, value)| [text(key), value.clone()]);
    std::iter::once(vec![of_type(7, entries.len())]).chain(pairs).flatten().collect()
}
