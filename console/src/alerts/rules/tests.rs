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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = std::fs::read_to_string(path).unwrap();
    for rule in RULES {
        assert!(text.contains(&format!("| `{}` |", rule.name)), "{} is not in docs/operations.md", rule.name);
        assert!(
            text.contains(&format!("\n## {}\n", rule.section)),
            "{}: no section {}",
            rule.name,
            rule.section
        );
    }
}

/// The document that a word names: by its path, or by a link of the handbook, which lies beside it.
fn document_of(word: &str) -> Option<String> {
    let word = word.trim_end_matches([',', ';']);
    if let Some((_, target)) = word.split_once("](") {
        return Some(format!("docs/{}", target.split(['#', ')']).next()?));
    }
    word.ends_with(".md").then(|| word.to_owned())
}

/// What an action says to read is there: a section of a document, by its heading, or a page by its name.
#[test]
fn what_an_action_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let has = |document: &str, section: &str| {
        let text = std::fs::read_to_string(root.join(document)).unwrap_or_default();
        text.lines().any(|line| line.trim_start_matches('#').trim() == section && line.starts_with('#'))
    };
    let handbook = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let mut named = 0;
    for rule in RULES {
        let line = handbook.lines().find(|line| line.starts_with(&format!("| `{}` |", rule.name))).unwrap();
        // A section that the handbook names alone is its own.
        for (text, document) in [(rule.action, None), (line, Some("docs/operations.md".to_owned()))] {
            let mut document = document;
            for (index, part) in text.split('"').enumerate() {
                if index % 2 == 0 {
                    let last = part.split_whitespace().filter_map(document_of).next_back();
                    document = last.or(document.filter(|_| text == line));
                } else {
                    let document = document.clone();
                    let document =
                        document.unwrap_or_else(|| panic!("{}: {part} of which document?", rule.name));
                    assert!(has(&document, part), "{}: {document} has no section {part:?}", rule.name);
                    named += 1;
                }
            }
        }
    }
    assert!(named >= 20, "{named}");
}
