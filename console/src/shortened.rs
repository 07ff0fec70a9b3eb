//! Ids in text, cut so that they name nobody.

/// The text with ids of persons, visits, orders and events cut to their first eight characters.
pub(crate) fn shortened(text: &str) -> String {
    const ID: usize = 36;
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match rest.get(..ID).filter(|id| uuid::Uuid::try_parse(id).is_ok()) {
            Some(id) => {
                short.push_str(id.get(..8).unwrap_or_default());
                short.push('…');
                rest = rest.get(ID..).unwrap_or_default();
            }
            None => {
                short.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cut_wherever_they_stand() {
        let text = "day=1, user_id=0199aaaa-bbbb-7ccc-8ddd-eeeeffff0000: é";
        assert_eq!(shortened(text), "day=1, user_id=0199aaaa…: é");
        assert_eq!(shortened("nothing of it"), "nothing of it");
    }
}
