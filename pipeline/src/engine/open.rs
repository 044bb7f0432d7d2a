//! Records of the spool to profiles. A request that several records share is read once.

use bytes::Bytes;

use crate::{
    codec::{otlp, record},
    limits::Limits,
    profile::Profile,
    reason::{Reason, Refused},
    spool::Record,
};

/// Opens records that come in their order.
pub(super) struct Opener {
    limits: Limits,
    decoder: otlp::Decoder,
    /// The payload that was read last.
    open: Option<(Bytes, Opened)>,
}

/// The profiles of a request; those that were taken are no longer there.
type Opened = Result<Vec<Option<Profile>>, Refused>;

impl Opener {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, decoder: otlp::Decoder::default(), open: None }
    }

    /// The profile of a record.
    pub(super) fn profile(&mut self, record: &Record) -> Result<Profile, Refused> {
        let payload = &record.payload;
        if !record::is_request(payload) {
            return record::decode(payload, &self.limits);
        }
        // A batch may begin in the middle of a request, so its first part may not be seen.
        let is_open = self.open.as_ref().is_some_and(|(open, _)| open.as_ptr() == payload.as_ptr());
        if !is_open {
            let read = record::decode_all(&mut self.decoder, payload, &self.limits);
            let read = read.map(|profiles| profiles.into_iter().map(Some).collect());
            self.open = Some((payload.clone(), read));
        }
        let missing = || Refused::new(Reason::Malformed, "a request without this part");
        match self.open.as_mut().map(|(_, read)| read) {
            Some(Ok(profiles)) => {
                let profile = profiles.get_mut(record.part as usize).and_then(Option::take);
                profile.ok_or_else(missing)
            }
            Some(Err(refused)) => Err(refused.clone()),
            None => Err(missing()),
        }
    }
}

/// The payload of a record that is not to share it with others.
pub(super) fn alone(record: &Record, profile: &Profile) -> Bytes {
    match record::is_request(&record.payload) {
        true => record::encode(profile).into(),
        false => record.payload.clone(),
    }
}
