//! Protobuf, with a message that does not decode as what it is: the sender's fault.

use std::marker::PhantomData;

use prost::Message;
use prost::bytes::Buf;
use tonic::codec::{DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstEncoder};

use super::request::{malformed, refuse_too_many};

/// As tonic's own codec, but for [`Decode`].
#[derive(Debug)]
pub(crate) struct Codec<E, D>(ProstCodec<E, D>);

impl<E, D> Default for Codec<E, D> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<E: Message + 'static, D: Message + Default + 'static> tonic::codec::Codec for Codec<E, D> {
    type Encode = E;
    type Decode = D;
    type Encoder = ProstEncoder<E>;
    type Decoder = Decode<D>;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decode(PhantomData)
    }
}

/// Tonic would answer `INTERNAL`, which blames the server and is retried.
#[derive(Debug)]
pub(crate) struct Decode<D>(PhantomData<D>);

impl<D: Message + Default> Decoder for Decode<D> {
    type Item = D;
    type Error = tonic::Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<D>, tonic::Status> {
        // All of it lies in one piece.
        refuse_too_many(source.chunk())?;
        Ok(Some(D::decode(source).map_err(malformed)?))
    }
}
