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
#[derive(Default)]
pub(super) struct Opener {
    decoder: otlp::Decoder,
    /// What was read last.
    open: Option<Open>,
}

/// The profiles of a request; those that were taken are no longer there.
struct Open {
    record: Record,
    profiles: Result<Vec<Option<Profile>>, Refused>,
}

impl Opener {
    /// The profile of a record.
    pub(super) fn profile(&mut self, record: &Record) -> Result<Profile, Refused> {
        let payload = &record.payload;
        if !record::is_request(payload) {
            return record::decode(payload, &Limits::ACCEPTED);
        }
        // A batch may begin in the middle of a request, or once more with what was taken.
        let mut open = match self.open.take().filter(|open| open.has(record)) {
            Some(open) => open,
            None => {
                let read = record::decode_all(&mut self.decoder, payload, &Limits::ACCEPTED);
                let profiles = read.map(|profiles| profiles.into_iter().map(Some).collect());
                Open { record: record.clone(), profiles }
            }
        };
        let part = record.part as usize;
        let profile = match &mut open.profiles {
            Ok(profiles) => profiles.get_mut(part).and_then(Option::take).ok_or_else(|| {
                Refused::new(Reason::Malformed, format!("a request without part {part}"))
            }),
            Err(refused) => Err(refused.clone()),
        };
        let is_last = open.profiles.as_ref().is_ok_and(|profiles| part + 1 >= profiles.len());
        self.open = (!is_last).then_some(open);
        profile
    }
}

impl Open {
    fn has(&self, record: &Record) -> bool {
        let there = |profiles: &Vec<Option<Profile>>| {
            profiles.get(record.part as usize).is_some_and(Option::is_some)
        };
        self.record.shares(record) && self.profiles.as_ref().map_or(true, there)
    }
}

/// The payload of a record that is not to share it with others.
pub(super) fn alone(record: &Record, profile: &Profile) -> Bytes {
    match record::is_request(&record.payload) {
        true => record::encode(profile).into(),
        false => record.payload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codec::otlp::Decoder,
        engine::tests::profile,
        profile::{Label, LabelValue},
    };

    /// The records of a request, as a reader gives them.
    fn records(payload: Bytes, count: u32) -> Vec<Record> {
        let record = |part| Record { seq: 0, appended_unix_ms: 0, payload: payload.clone(), part };
        (0..count).map(record).collect()
    }

    fn request(profiles: &[Profile], limits: &Limits) -> Bytes {
        let request = otlp::encode(profiles).into();
        let kept = Decoder::default().keep(&request, limits).expect("is whole").kept;
        let payload = kept.expect("is ordinary").encode();
        [payload.head, payload.bytes].concat().into()
    }

    #[test]
    fn records_are_opened_in_any_order_and_again() {
        let profiles: Vec<_> = (1..4).map(profile).collect();
        let limits = Limits::default();
        let (one, two) = (request(&profiles, &limits), request(&profiles[1..], &limits));
        let (one, two) = (records(one, 4), records(two, 2));
        let mut opener = Opener::default();
        for (record, number) in [
            (&one[1], Some(2)),
            (&one[2], Some(3)),
            (&one[0], Some(1)),
            (&one[0], Some(1)),
            (&two[0], Some(2)),
            (&one[3], None),
            (&two[1], Some(3)),
        ] {
            let opened = opener.profile(record).ok();
            assert_eq!(opened.map(|profile| profile.meta.time_ns), number);
        }
        assert!(opener.open.is_none(), "after the last one nothing is held");
        let broken = records(Bytes::copy_from_slice(&one[0].payload[..9]), 2);
        assert!(broken.iter().all(|record| opener.profile(record).is_err()));
    }

    #[test]
    fn what_was_accepted_is_read_whatever_the_limits_are_now() {
        let limits = Limits { labels_per_sample_max: 500, ..Limits::default() };
        let mut builder = crate::profile::Builder::new(&limits);
        let (kind, value) = (builder.string("cpu").unwrap(), builder.string("x").unwrap());
        for number in 0..400 {
            let key = builder.string(&format!("key {number}")).unwrap();
            builder.label(Label { key, value: LabelValue::Text(value) }).unwrap();
        }
        builder.value(1);
        builder.sample(&[]).unwrap();
        let mut meta = profile(1).meta;
        meta.sample_types[0].kind = kind;
        let large = builder.finish(meta).unwrap();
        assert!(record::decode(&record::encode(&large), &Limits::default()).is_err());
        for payload in [record::encode(&large).into(), request(&[large], &limits)] {
            let opened = Opener::default().profile(&records(payload, 1)[0]).unwrap();
            assert_eq!(opened.label_sets().get(1).len(), 400);
        }
    }
}
