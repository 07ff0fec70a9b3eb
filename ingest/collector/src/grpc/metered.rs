//! The body of a call, of which a message is read only when its name has room for it.
//!
//! tonic gathers a message until all of it is there, 8 MB a call. A message says beforehand how long it is,
//! so room is taken for the whole of it before any of it is gathered: calls that have begun can always end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use http_body::{Body, Frame};
use prost::bytes::{Buf, Bytes, BytesMut};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use crate::share::Share;

/// A flag and the length, before each message.
const HEADER: usize = 5;

type Acquired = Result<OwnedSemaphorePermit, AcquireError>;

/// Such a body.
pub(crate) struct Metered<B> {
    body: B,
    share: Share,
    /// What came and was not passed on.
    waiting: Bytes,
    /// What is there of the next message's header.
    header: BytesMut,
    /// Bytes of the message that are still to be passed on.
    left: usize,
    /// Room for the message under way, given back when the next one begins: by then it is judged.
    held: Option<OwnedSemaphorePermit>,
    acquiring: Option<BoxFuture<'static, Acquired>>,
}

impl<B> Metered<B> {
    pub(crate) fn new(body: B, share: Share) -> Self {
        let header = BytesMut::with_capacity(HEADER);
        Self { body, share, waiting: Bytes::new(), header, left: 0, held: None, acquiring: None }
    }

    /// The next piece of what came that may be passed on; nothing where more has to come first.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(acquiring) = &mut self.acquiring {
            // Closed semaphores are those of a collector that is gone.
            self.held = ready!(acquiring.as_mut().poll(context)).ok();
            self.acquiring = None;
            return Poll::Ready(Some(self.header.split().freeze()));
        }
        if self.waiting.is_empty() {
            return Poll::Ready(None);
        }
        if self.left > 0 {
            let piece = self.waiting.split_to(self.left.min(self.waiting.len()));
            self.left -= piece.len();
            return Poll::Ready(Some(piece));
        }
        let missing = HEADER - self.header.len();
        self.header.extend_from_slice(&self.waiting.split_to(missing.min(self.waiting.len())));
        if self.header.len() < HEADER {
            return Poll::Ready(None);
        }
        let length = (&self.header[1..]).get_u32();
        self.left = usize::try_from(length).unwrap_or(usize::MAX);
        self.held = None;
        self.acquiring = Some(Box::pin(self.share.bytes(self.left)));
        self.poll_piece(context)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Metered<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        loop {
            if let Some(piece) = ready!(this.poll_piece(context)) {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.waiting = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.waiting.is_empty() && self.acquiring.is_none() && self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use http_body_util::{BodyExt, StreamBody};
    use proptest::prelude::*;

    use super::*;
    use crate::limits::Limits;

    fn share() -> Share {
        let limits = Limits { body_bytes: 2048, bytes_in_flight: 2048, ..Limits::default() };
        Share::new(&limits, 1)
    }

    fn message(bytes: usize) -> Vec<u8> {
        let mut message = vec![0];
        message.extend(u32::try_from(bytes).unwrap().to_be_bytes());
        message.extend(vec![7; bytes]);
        message
    }

    async fn passed_on(chunks: Vec<Vec<u8>>, share: Share) -> Vec<u8> {
        let frames = futures::stream::iter(chunks)
            .map(|chunk| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(chunk))));
        Metered::new(StreamBody::new(frames), share).collect().await.unwrap().to_bytes().to_vec()
    }

    proptest! {
        #[test]
        fn what_comes_is_passed_on_whatever_it_is_cut_into(
            lengths in prop::collection::vec(0_usize..3000, 0..6), cut in 1_usize..700,
        ) {
            let whole: Vec<u8> = lengths.into_iter().flat_map(message).collect();
            let chunks = whole.chunks(cut).map(<[u8]>::to_vec).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            prop_assert_eq!(runtime.block_on(passed_on(chunks, share())), whole);
        }
    }

    #[tokio::test]
    async fn a_message_waits_until_there_is_room_for_all_of_it() {
        let share = share();
        let all = share.bytes(2048).await.unwrap();
        let waiting = passed_on(vec![message(10)], share.clone());
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        drop(all);
        assert_eq!(waiting.await, message(10));
    }
}
