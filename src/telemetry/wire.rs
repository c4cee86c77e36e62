//! The wire format of Protocol Buffers, as much of it as is sent.

/// A message as it is written.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            // The lower seven bits, and that more follow.
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    /// A number that is small, or the bits of one that may be negative.
    pub(super) fn number(&mut self, field: u32, value: u64) -> &mut Self {
        self.key(field, 0);
        self.varint(value);
        self
    }

    /// Eight bytes.
    pub(super) fn fixed(&mut self, field: u32, value: u64) -> &mut Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// Bytes, or text.
    pub(super) fn part(&mut self, field: u32, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.key(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A message within it.
    pub(super) fn message(&mut self, field: u32, message: &Message) -> &mut Self {
        self.part(field, &message.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_as_the_specification_has_them() {
        let mut message = Message::default();
        message.number(1, 150).part(2, "testing").fixed(3, 1);
        let mut expected = vec![0x08, 0x96, 0x01, 0x12, 0x07];
        expected.extend(b"testing");
        expected.extend([0x19, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(message.bytes(), expected);
        let mut most = Message::default();
        most.number(1, u64::MAX);
        assert_eq!(
            most.bytes(),
            [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]
        );
    }
}
