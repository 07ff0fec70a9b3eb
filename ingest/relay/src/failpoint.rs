//! Places where a test can make the process die.
//!
//! `STOREPULSE_FAILPOINT=<place>` or `<place>:<n>` aborts the process (as `kill -9` would end it) when it
//! reaches the place for the first, or the n-th, time. Read once when a session starts; without it each place
//! costs one comparison. What is released is built without the feature `failpoints`: there the variable is
//! not even read.
//!
//! | place | reached |
//! |---|---|
//! | `relay-after-produce` | each time a row was handed to the producer |
//! | `relay-before-kafka-commit` | with rows and position in the transaction, before it is committed |
//! | `relay-after-kafka-commit` | after the commit, before PostgreSQL is told |

pub const VARIABLE: &str = "STOREPULSE_FAILPOINT";

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    AfterProduce,
    BeforeKafkaCommit,
    AfterKafkaCommit,
}

impl Place {
    fn named(name: &str) -> Option<Self> {
        match name {
            "relay-after-produce" => Some(Self::AfterProduce),
            "relay-before-kafka-commit" => Some(Self::BeforeKafkaCommit),
            "relay-after-kafka-commit" => Some(Self::AfterKafkaCommit),
            _ => None,
        }
    }
}

/// Where to die, and after how many more times.
#[derive(Debug, Default)]
pub(crate) struct Failpoint(Option<(Place, u64)>);

impl Failpoint {
    pub(crate) fn from_env() -> Self {
        if cfg!(feature = "failpoints") {
            Self::parse(std::env::var(VARIABLE).ok().as_deref())
        } else {
            Self::default()
        }
    }

    fn parse(setting: Option<&str>) -> Self {
        let parsed = setting.and_then(|setting| {
            let (name, times) = setting.split_once(':').unwrap_or((setting, "1"));
            Some((Place::named(name)?, times.parse().ok().filter(|times| *times > 0)?))
        });
        // Places of other parts of the system share the variable, so an unknown name is no error.
        Self(parsed)
    }

    #[inline]
    pub(crate) fn reach(&mut self, place: Place) {
        if let Some((wanted, left)) = &mut self.0
            && *wanted == place
        {
            *left -= 1;
            if *left == 0 {
                tracing::warn!(?place, "aborting at the failpoint that {VARIABLE} asks for");
                std::process::abort();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_place_and_times() {
        assert_eq!(Failpoint::parse(None).0, None);
        assert_eq!(Failpoint::parse(Some("elsewhere")).0, None);
        assert_eq!(Failpoint::parse(Some("relay-after-produce")).0, Some((Place::AfterProduce, 1)));
        assert_eq!(
            Failpoint::parse(Some("relay-after-kafka-commit:3")).0,
            Some((Place::AfterKafkaCommit, 3))
        );
        assert_eq!(Failpoint::parse(Some("relay-after-produce:0")).0, None);
    }
}
