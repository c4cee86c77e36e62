//! Packed bodies.

use std::io::Write as _;

use super::around::{Stage, get, ms};
use crate::support::fault_server::{Act, FaultServer, head, reply};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// `hello, hello, hello` by the `brotli` command.
const BROTLI: &[u8] = &[
    0x0b, 0x09, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2c, 0x20, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x2c,
    0x20, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x03,
];

fn packed(encoding: &'static str, body: Vec<u8>) -> FaultServer {
    FaultServer::start(move |_| reply(200, &[("Content-Encoding", encoding)], &body))
}

#[tokio::test]
async fn bodies_are_unpacked() {
    let text = "hello, hello, hello";
    let plain = text.as_bytes();
    let halves = [gzip(&plain[..7]), gzip(&plain[7..])].concat();
    for (encoding, body) in [
        ("gzip", gzip(plain)),
        ("x-gzip", gzip(plain)),
        ("gzip", halves),
        ("zstd", zstd(plain)),
        ("br", BROTLI.to_vec()),
        ("gzip, zstd", zstd(&gzip(plain))),
        ("identity", plain.to_vec()),
        ("", plain.to_vec()),
    ] {
        let length = body.len();
        let server = packed(encoding, body);
        let stage = Stage::new(&server.url(), "");
        assert_eq!(stage.text(&get("/x")).await, text, "{encoding}");
        let bytes = match length {
            19 => "19 bytes".to_owned(),
            length => format!("19 bytes ({length} packed)"),
        };
        assert_eq!(
            stage.log(&server),
            [format!("GET http://127.0.0.1:*/x: 200, {bytes}")]
        );
    }
    let server = packed("gzip", Vec::new());
    let stage = Stage::new(&server.url(), "");
    assert_eq!(stage.text(&get("/x")).await, "", "nothing isn't packed");
}

#[tokio::test]
async fn what_cannot_be_unpacked_is_told() {
    let mut broken = gzip(&[b'a'; 5000]);
    let end = broken.len() - 12;
    let cut = broken[..end].to_vec();
    broken[14] ^= 0xff;
    let cut_zstd = zstd(b"hello, hello, hello");
    let cut_zstd = cut_zstd[..cut_zstd.len() - 3].to_vec();
    for (encoding, body, part, retryable) in [
        ("gzip", cut, "cut short", true),
        ("zstd", cut_zstd, "cut short", true),
        ("br", BROTLI[..BROTLI.len() - 2].to_vec(), "cut short", true),
        ("gzip", broken, "can't be unpacked", false),
        ("gzip", b"plain text".to_vec(), "can't be unpacked", false),
        ("zstd", b"plain text".to_vec(), "can't be unpacked", false),
        ("compress", b"x".to_vec(), "packed as `compress`", false),
        ("gzip, gzip, gzip", b"x".to_vec(), "packed 3 times", false),
    ] {
        let server = packed(encoding, body);
        let stage = Stage::new(&server.url(), "tries: 1");
        let (error, _) = stage.failure(&get("/x")).await;
        assert!(error.message.contains(part), "{encoding}: {error}");
        assert_eq!(error.retryable, retryable, "{encoding}: {error}");
    }
}

#[tokio::test]
async fn bombs_end_at_the_limit() {
    // Nothing, again and again: never a byte to count, unless those that were sent are counted.
    let nothing = [gzip(b"")[..10].to_vec(), [0, 0, 0, 0xff, 0xff].repeat(1000)].concat();
    let endless = vec![
        Act::Send(head(
            200,
            &[("Content-Encoding", "gzip"), ("Connection", "close")],
        )),
        Act::Send(nothing.clone()),
        Act::Flood(nothing[10..].to_vec(), u64::MAX),
    ];
    let zeros = vec![0; 64 << 20];
    let twice = zstd(&zstd(&zeros));
    let wide = {
        let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
        packer.window_log(27).unwrap();
        packer.write_all(&zeros).unwrap();
        packer.finish().unwrap()
    };
    for (what, acts, part) in [
        (
            "gzip",
            reply(200, &[("Content-Encoding", "gzip")], &gzip(&zeros)),
            "longer than `body_limit`",
        ),
        (
            "zstd in zstd",
            reply(200, &[("Content-Encoding", "zstd, zstd")], &twice),
            "longer than `body_limit`",
        ),
        ("nothing without end", endless, "longer than `body_limit`"),
        // 128 MiB to remember, where 8 MiB are allowed (RFC 9659).
        (
            "a wide window",
            reply(200, &[("Content-Encoding", "zstd")], &wide),
            "can't be unpacked",
        ),
    ] {
        let server = FaultServer::start(move |_| acts.clone());
        let stage = Stage::new(&server.url(), "body_limit: 1MB, timeout: 5s");
        let (error, took) = stage.failure(&get("/x")).await;
        assert!(error.message.contains(part), "{what}: {error}");
        assert!(!error.retryable && took < ms(5000), "{what}: {took:?}");
    }
}
