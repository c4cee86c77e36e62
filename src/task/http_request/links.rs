//! The header `Link`.

/// The links of a header `Link` (RFC 8288): target and relations.
pub(super) fn links_of(header: &str) -> Vec<(&str, &str)> {
    let mut links = Vec::new();
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((target, after)) = after.split_once('>') else {
            break;
        };
        // Its parameters go to the next comma outside of quotes.
        let mut quoted = false;
        let end = after
            .find(|c: char| {
                quoted ^= c == '"';
                c == ',' && !quoted
            })
            .unwrap_or(after.len());
        let (parameters, next) = after.split_at(end);
        let relation = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let is_relation = name.trim().eq_ignore_ascii_case("rel");
            is_relation.then(|| value.trim().trim_matches('"'))
        });
        links.push((target, relation.unwrap_or_default()));
        rest = next;
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_targets_and_relations() {
        for (header, expected) in [
            (
                "<https://a/?page=2>; rel=\"next\"",
                &[("https://a/?page=2", "next")][..],
            ),
            (
                "<a,b>; title=\"x, y\"; rel=prev, </c>; REL=\"first next\"",
                &[("a,b", "prev"), ("/c", "first next")],
            ),
            ("<a>", &[("a", "")]),
            ("nonsense", &[]),
            ("<a", &[]),
        ] {
            assert_eq!(links_of(header), expected, "{header}");
        }
    }
}
