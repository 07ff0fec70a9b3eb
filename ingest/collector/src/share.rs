//! What a name may hold of the collector at a time: places for requests, and bytes of theirs.
//!
//! Every name has an equal share from the start, so that a sender that holds all that it can keeps nobody
//! else out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;
use crate::refusal::Refusal;

/// What a permit stands for: a semaphore counts no further than 2^32.
const UNIT_BYTES: usize = 1024;

/// The share of one name.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// Permits of both, with those that are still to be given back for a smaller share.
    size: Arc<Mutex<Size>>,
    /// No request takes more than the largest does.
    largest_bytes: usize,
}

/// How many permits a share has.
#[derive(Debug, Clone, Copy)]
struct Size {
    places: usize,
    units: usize,
}

impl Size {
    /// Of one of so many names: never less than one request of the largest size.
    fn of(limits: &Limits, names: usize) -> Self {
        let of = |whole: usize| whole / names.max(1);
        let bytes = of(limits.bytes_in_flight).max(limits.body_bytes);
        Self { places: of(limits.requests).max(1), units: bytes.div_ceil(UNIT_BYTES) }
    }
}

impl Share {
    /// The share of one of so many names.
    pub(crate) fn new(limits: &Limits, names: usize) -> Self {
        let size = Size::of(limits, names);
        Self {
            places: Arc::new(Semaphore::new(size.places)),
            bytes: Arc::new(Semaphore::new(size.units)),
            size: Arc::new(Mutex::new(size)),
            largest_bytes: limits.body_bytes,
        }
    }

    /// Makes it that of one of so many names. What is held beyond it goes as requests end.
    pub(crate) fn resize(&self, limits: &Limits, names: usize) {
        let wanted = Size::of(limits, names);
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        set_permits(&self.places, size.places, wanted.places);
        set_permits(&self.bytes, size.units, wanted.units);
        *size = wanted;
    }

    /// A place among the requests, where one is free.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::Busy)
    }

    /// Room for the bytes of a request, which are not read before.
    pub(crate) async fn bytes_within(
        &self,
        bytes: usize,
        within: Duration,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        match tokio::time::timeout(within, self.bytes(bytes)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Refusal::Busy),
        }
    }

    /// The same for whoever ends the wait by other means.
    pub(crate) fn bytes(
        &self,
        bytes: usize,
    ) -> impl Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send + use<> {
        let units = bytes.min(self.largest_bytes).div_ceil(UNIT_BYTES);
        Arc::clone(&self.bytes).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX))
    }
}

fn set_permits(semaphore: &Arc<Semaphore>, now: usize, wanted: usize) {
    if wanted >= now {
        semaphore.add_permits(wanted - now);
        return;
    }
    let left = now - wanted - semaphore.forget_permits(now - wanted);
    if let Ok(left @ 1..) = u32::try_from(left) {
        let semaphore = Arc::clone(semaphore);
        tokio::spawn(async move {
            if let Ok(permits) = semaphore.acquire_many_owned(left).await {
                permits.forget();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { requests: 5, body_bytes: 4 * 1024, bytes_in_flight: 24 * 1024, ..Limits::default() }
    }

    #[test]
    fn shares_are_equal_and_never_nothing() {
        let two = Share::new(&limits(), 2);
        let places: Vec<_> = (0..3).map(|_| two.place()).collect();
        assert_eq!(places.iter().filter(|place| place.is_ok()).count(), 2);
        assert!(Share::new(&limits(), 100).place().is_ok());
    }

    #[tokio::test]
    async fn a_share_grows_and_shrinks_as_what_is_held_is_given_back() {
        let share = Share::new(&limits(), 1);
        let mut held: Vec<_> = (0..5).map(|_| share.place().unwrap()).collect();
        share.resize(&limits(), 2);
        tokio::task::yield_now().await;
        held.truncate(2);
        tokio::task::yield_now().await;
        assert!(share.place().is_err(), "two are held, and more may not be");
        held.pop();
        drop(share.place().unwrap());
        share.resize(&limits(), 1);
        held.extend((0..4).map(|_| share.place().unwrap()));
        assert!(share.place().is_err());
    }

    #[tokio::test]
    async fn bytes_are_waited_for_and_given_back() {
        let share = Share::new(&limits(), 3);
        let first = share.bytes(5_000_000).await.unwrap();
        let _second = share.bytes(4 * 1024).await.unwrap();
        let refused = share.bytes_within(1, Duration::from_millis(10)).await;
        assert_eq!(refused.unwrap_err(), Refusal::Busy);
        drop(first);
        drop(share.bytes_within(1, Duration::from_secs(5)).await.unwrap());
    }
}
