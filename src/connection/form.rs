//! Pairs of names and values as the body of a form.

/// `application/x-www-form-urlencoded`, as the URL standard of WHATWG defines it.
#[must_use]
pub fn form_encoded(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.join("&")
}

/// A name or a value of a form.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        let form = form_encoded(&[("a b", "é&=+"), ("x", "1-2.3_4*5"), ("", "")]);
        assert_eq!(form, "a+b=%C3%A9%26%3D%2B&x=1-2.3_4*5&=");
    }
}
