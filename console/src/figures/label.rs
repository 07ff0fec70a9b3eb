//! What people call the values of a dimension.

use super::view::By;
use crate::draw::countries;

/// As people call it; the value itself where it has no other name.
pub(crate) fn of(by: By, key: &str) -> &str {
    if by != By::Country {
        return key;
    }
    countries::name(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_have_names_and_others_are_called_what_they_are() {
        assert_eq!(of(By::Country, "CH"), "Switzerland");
        assert_eq!(of(By::Country, "QQ"), "QQ");
        assert_eq!(of(By::Channel, "CH"), "CH");
        assert_eq!(of(By::Country, audit::doctor::DOCTOR_COUNTRY), "probe of the doctor");
        assert_eq!(of(By::Country, contracts::event::UNKNOWN_COUNTRY.as_str()), "unknown country");
        assert_eq!(of(By::AgeBand, "unknown"), "unknown");
    }
}
