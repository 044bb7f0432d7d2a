//! How requests are compressed, with the Collector's names:
//! <https://github.com/open-telemetry/opentelemetry-collector/tree/main/config/configcompression>

use std::io::Write;

use anyhow::Context;
use libdeflater::{CompressionLvl, Compressor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Level of gzip and zlib: as small as the levels above it for profiles, at half of their cost.
const DEFLATE_LEVEL: i32 = 4;
const ZSTD_LEVEL: i32 = 3;

/// How a request is compressed. Over gRPC it is gzip, snappy or zstd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip.
    #[default]
    Gzip,
    /// zstd.
    Zstd,
    /// snappy: one block, or frames over gRPC.
    Snappy,
    /// snappy in frames.
    #[serde(rename = "x-snappy-framed")]
    SnappyFramed,
    /// zlib.
    Zlib,
    /// zlib, which HTTP calls deflate.
    Deflate,
    /// lz4 in frames.
    Lz4,
    /// As it is.
    #[serde(alias = "")]
    None,
}

impl Compression {
    /// Its name in a header field; nothing where a message goes as it is.
    pub(super) fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::SnappyFramed => "x-snappy-framed",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::Lz4 => "lz4",
            Self::None => return None,
        })
    }

    /// Whether gRPC knows it.
    pub(super) fn is_of_grpc(self) -> bool {
        matches!(self, Self::Gzip | Self::Zstd | Self::Snappy | Self::None)
    }

    /// Compresses a message.
    pub(super) fn apply(self, message: Vec<u8>, is_grpc: bool) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::None => Ok(message),
            Self::Zstd => zstd::bulk::compress(&message, ZSTD_LEVEL).context("compress by zstd"),
            Self::Snappy if !is_grpc => {
                snap::raw::Encoder::new().compress_vec(&message).context("compress by snappy")
            }
            Self::Snappy | Self::SnappyFramed => {
                let mut frames = snap::write::FrameEncoder::new(Vec::new());
                frames.write_all(&message).context("compress by snappy")?;
                frames.into_inner().map_err(|error| anyhow::anyhow!("compress by snappy: {error}"))
            }
            Self::Lz4 => {
                let mut frames = lz4_flex::frame::FrameEncoder::new(Vec::new());
                frames.write_all(&message).context("compress by lz4")?;
                frames.finish().context("compress by lz4")
            }
            Self::Gzip | Self::Zlib | Self::Deflate => self.deflate(&message),
        }
    }

    fn deflate(self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let level = CompressionLvl::new(DEFLATE_LEVEL).expect("a level of 0 to 12");
        let mut compressor = Compressor::new(level);
        let (mut out, length);
        if self == Self::Gzip {
            out = vec![0; compressor.gzip_compress_bound(message.len())];
            length = compressor.gzip_compress(message, &mut out);
        } else {
            out = vec![0; compressor.zlib_compress_bound(message.len())];
            length = compressor.zlib_compress(message, &mut out);
        }
        out.truncate(length.context("compress")?);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_begins_as_its_format_does() {
        let message = b"profile ".repeat(100);
        for (name, is_grpc, start) in [
            ("gzip", false, &[0x1f, 0x8b][..]),
            ("zstd", false, &[0x28, 0xb5, 0x2f, 0xfd]),
            ("snappy", false, &[0xa0, 0x06]),
            ("snappy", true, b"\xff\x06\0\0sNaPpY"),
            ("x-snappy-framed", false, b"\xff\x06\0\0sNaPpY"),
            ("zlib", false, &[0x78]),
            ("deflate", false, &[0x78]),
            ("lz4", false, &[0x04, 0x22, 0x4d, 0x18]),
        ] {
            let kind: Compression = serde_json::from_value(name.into()).unwrap();
            assert_eq!(kind.name(), Some(name));
            let compressed = kind.apply(message.clone(), is_grpc).unwrap();
            assert!(compressed.starts_with(start) && compressed.len() < 100, "{name}");
        }
        for name in ["", "none"] {
            let kind: Compression = serde_json::from_value(name.into()).unwrap();
            assert_eq!((kind, kind.name()), (Compression::None, None));
        }
    }
}
