//! Any bytes as text.

/// Bytes as PostgreSQL writes a `bytea`.
pub(super) fn hexadecimal(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Vec::with_capacity(2 + 2 * bytes.len());
    text.extend_from_slice(b"\\x");
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}
