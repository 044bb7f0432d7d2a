//! What a receiver answers: `ExportProfilesServiceResponse`, and `google.rpc.Status` of
//! <https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto> for a refusal.

use std::time::Duration;

use crate::codec::wire::{Cursor, Fault, Value, put_bytes, put_int};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// A refusal as it stands on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The code of gRPC.
    pub code: u32,
    /// For a person.
    pub message: String,
    /// How long to wait before the same is sent again; none where that would not help.
    pub retry_after: Option<Duration>,
}

impl Status {
    /// The message in protobuf.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_int(&mut out, 1, self.code.into());
        put_bytes(&mut out, 2, self.message.as_bytes());
        if let Some(after) = self.retry_after {
            let (mut duration, mut info, mut any) = (Vec::new(), Vec::new(), Vec::new());
            put_int(&mut duration, 1, after.as_secs());
            put_int(&mut duration, 2, after.subsec_nanos().into());
            put_bytes(&mut info, 1, &duration);
            put_bytes(&mut any, 1, RETRY_INFO.as_bytes());
            put_bytes(&mut any, 2, &info);
            put_bytes(&mut out, 3, &any);
        }
        out
    }

    /// Reads what `encode` gives; of other details nothing. What is broken is empty.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut status = Self::default();
        let _ = status.read(bytes); // What was read before a break is good.
        status
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut cursor = whole(bytes);
        while let Some((field, value)) = cursor.field()? {
            match (field, value) {
                (1, Value::Int(code)) => self.code = code as u32,
                (2, Value::Bytes(text)) => {
                    self.message = String::from_utf8_lossy(text.bytes()).into_owned();
                }
                (3, Value::Bytes(any)) => {
                    let is_retry =
                        inner(any, 1)?.is_some_and(|url| url.bytes() == RETRY_INFO.as_bytes());
                    let info = inner(any, 2)?.filter(|_| is_retry);
                    if let Some(duration) = info.map(|info| inner(info, 1)).transpose()?.flatten() {
                        self.retry_after = Some(read_duration(duration)?);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The message in JSON.
    pub fn json(&self) -> Vec<u8> {
        let mut json = serde_json::json!({"code": self.code, "message": self.message});
        if let Some(after) = self.retry_after {
            let delay = format!("{}s", after.as_secs_f64());
            json["details"] = serde_json::json!([{"@type": RETRY_INFO, "retryDelay": delay}]);
        }
        json.to_string().into_bytes()
    }
}

fn whole(bytes: &[u8]) -> Cursor<'_> {
    Cursor::new(bytes, (0, u32::try_from(bytes.len()).unwrap_or(0)))
}

fn inner(mut message: Cursor<'_>, wanted: u64) -> Result<Option<Cursor<'_>>, Fault> {
    while let Some((field, value)) = message.field()? {
        if let (true, Value::Bytes(found)) = (field == wanted, value) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn read_duration(mut message: Cursor<'_>) -> Result<Duration, Fault> {
    let (mut seconds, mut nanos) = (0, 0);
    while let Some((field, value)) = message.field()? {
        match (field, value) {
            (1, Value::Int(number)) => seconds = number.min(86_400),
            (2, Value::Int(number)) => nanos = number.min(999_999_999) as u32,
            _ => {}
        }
    }
    Ok(Duration::new(seconds, nanos))
}

/// The answer to a request of which so many profiles were not taken.
pub fn response(rejected: usize, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if rejected > 0 {
        let mut partial = Vec::new();
        put_int(&mut partial, 1, rejected as u64);
        put_bytes(&mut partial, 2, message.as_bytes());
        put_bytes(&mut out, 1, &partial);
    }
    out
}

/// Reads an answer: how many profiles were not taken, and what is said of it. What is broken is no
/// refusal.
pub fn read_response(bytes: &[u8]) -> (i64, String) {
    let read = || -> Result<(i64, String), Fault> {
        let (mut rejected, mut message) = (0, String::new());
        let Some(mut partial) = inner(whole(bytes), 1)? else { return Ok((0, message)) };
        while let Some((field, value)) = partial.field()? {
            match (field, value) {
                (1, Value::Int(number)) => rejected = number as i64,
                (2, Value::Bytes(text)) => {
                    message = String::from_utf8_lossy(text.bytes()).into_owned();
                }
                _ => {}
            }
        }
        Ok((rejected, message))
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back() {
        for retry_after in [None, Some(Duration::from_millis(1500))] {
            let status = Status { code: 14, message: "full".into(), retry_after };
            assert_eq!(Status::decode(&status.encode()), status);
        }
        assert_eq!(read_response(&response(3, "old")), (3, "old".into()));
        assert_eq!((response(0, "x"), read_response(&[])), (vec![], (0, String::new())));
        assert_eq!(Status::decode(&[8, 3, 0xff]).code, 3);
        assert_eq!(read_response(&[0x0a, 9]), (0, String::new()));
        let status = Status { code: 3, message: "a\"b".into(), retry_after: None };
        assert_eq!(status.json(), br#"{"code":3,"message":"a\"b"}"#);
        let after = Some(Duration::from_millis(1500));
        let json = Status { code: 14, message: "full".into(), retry_after: after }.json();
        let info = r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}"#;
        let want = format!(r#"{{"code":14,"details":[{info}],"message":"full"}}"#);
        assert_eq!(String::from_utf8(json).unwrap(), want);
    }
}
