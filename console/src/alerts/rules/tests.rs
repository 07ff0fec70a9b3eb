use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn names_are_unique_and_every_cause_is_a_rule() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES {
        for cause in rule.causes {
            assert!(names.contains(cause) && *cause != rule.name, "{}: {cause}", rule.name);
        }
    }
}

/// Two rules that hold back each other would both be silent.
#[test]
fn causes_have_no_circle() {
    fn depth(name: &str, left: usize) -> usize {
        assert!(left > 0, "{name} is its own cause");
        rule(name).unwrap().causes.iter().map(|cause| 1 + depth(cause, left - 1)).max().unwrap_or(0)
    }
    for rule in RULES {
        depth(rule.name, RULES.len());
    }
}

#[test]
fn what_is_over_is_not_what_fires() {
    for rule in RULES {
        let apart = match rule.op {
            Op::Above => rule.clear_at <= rule.raise_at,
            Op::Below => rule.clear_at >= rule.raise_at,
        };
        assert!(apart, "{}", rule.name);
        assert!(!rule.summary.is_empty() && !rule.action.is_empty(), "{}", rule.name);
    }
}

/// Whoever is woken finds the alert and its section.
#[test]
fn each_is_in_the_handbook() {
    let text = document("docs/alerts.md");
    for rule in RULES {
        assert!(text.contains(&format!("| `{}` |", rule.name)), "{} is not in docs/alerts.md", rule.name);
        let Section { document, heading } = rule.section;
        assert!(has(document, heading), "{}: {document} has no section {heading:?}", rule.name);
    }
}

/// A document of the repository.
fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a document has a section of that heading.
fn has(path: &str, heading: &str) -> bool {
    document(path).lines().any(|line| line.starts_with('#') && line.trim_start_matches('#').trim() == heading)
}

/// What an action says to read is there: a document, and a section of it by its heading. `.ci/links` looks at
/// what docs/alerts.md links to.
#[test]
fn what_an_action_names_is_there() {
    let mut named = 0;
    for rule in RULES {
        let mut document_named = None;
        for (index, part) in rule.action.split('"').enumerate() {
            if index % 2 == 0 {
                let mut words = part.split_whitespace().map(|word| word.trim_end_matches([',', ';']));
                document_named = words.rfind(|word| word.ends_with(".md"));
                named += document_named.iter().filter(|path| !document(path).is_empty()).count();
            } else {
                let path =
                    document_named.unwrap_or_else(|| panic!("{}: {part} of which document?", rule.name));
                assert!(has(path, part), "{}: {path} has no section {part:?}", rule.name);
            }
        }
    }
    assert!(named >= 12, "{named}");
}
