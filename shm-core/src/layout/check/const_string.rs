//! Strings built in constants.

/// A string of limited length, for panic messages.
pub(super) struct ConstString {
    bytes: [u8; 2048],
    len: usize,
}

impl ConstString {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; 2048],
            len: 0,
        }
    }

    /// Appends `text`, or nothing if it does not fit.
    pub(super) const fn add(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        if self.len + text.len() <= self.bytes.len() {
            let mut i = 0;
            while i < text.len() {
                self.bytes[self.len] = text[i];
                self.len += 1;
                i += 1;
            }
        }
        self
    }

    pub(super) const fn number(self, number: usize) -> Self {
        let mut digits = [0; 20];
        let (mut at, mut rest) = (digits.len(), number);
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        match str::from_utf8(digits.split_at(at).1) {
            Ok(digits) => self.add(digits),
            Err(_) => self,
        }
    }

    /// Appends `number` as `{:016x}`.
    pub(super) const fn hex(self, number: u64) -> Self {
        let mut digits = [0; 16];
        let mut i = 0;
        while i < digits.len() {
            let digit = (number >> (60 - 4 * i)) as u8 & 15;
            digits[i] = if digit < 10 {
                b'0' + digit
            } else {
                b'a' + digit - 10
            };
            i += 1;
        }
        match str::from_utf8(&digits) {
            Ok(digits) => self.add(digits),
            Err(_) => self,
        }
    }

    pub(super) const fn as_str(&self) -> &str {
        match str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "padding",
        }
    }
}
