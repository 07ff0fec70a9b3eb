//! Which partition the relay's producer puts a key in.

/// The partition of a key: murmur2 as the Java clients compute it, which is librdkafka's `murmur2_random`.
pub(crate) fn of_key(key: &[u8], partitions: i32) -> i32 {
    let positive = (murmur2(key) & 0x7fff_ffff).cast_signed();
    positive.checked_rem(partitions).unwrap_or(0)
}

fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c ^ length;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rdkafka::bindings::rd_kafka_msg_partitioner_murmur2_random;

    use super::*;

    #[expect(
        unsafe_code,
        reason = "librdkafka's own partitioner is what the relay uses, and has no safe name"
    )]
    fn librdkafka(key: &[u8], partitions: i32) -> i32 {
        // SAFETY: with a key the function reads its bytes and nothing else; the topic is not looked at.
        unsafe {
            rd_kafka_msg_partitioner_murmur2_random(
                std::ptr::null(),
                key.as_ptr().cast(),
                key.len(),
                partitions,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        }
    }

    proptest! {
        #[test]
        fn a_user_lies_where_the_relay_puts_it(id: u128, partitions in 1_i32..64) {
            let key = uuid::Uuid::from_u128(id).to_string();
            prop_assert_eq!(of_key(key.as_bytes(), partitions), librdkafka(key.as_bytes(), partitions));
        }

        #[test]
        fn so_does_any_key(key in prop::collection::vec(any::<u8>(), 1..40), partitions in 1_i32..64) {
            prop_assert_eq!(of_key(&key, partitions), librdkafka(&key, partitions));
        }
    }
}
