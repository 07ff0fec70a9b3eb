//! Plans name the contract's columns only through the contract: a wrong name must not compile.

use std::fs;
use std::path::Path;

use contracts::cube::CUBE;
use contracts::event::EVENT;
use contracts::family;
use contracts::ledger::LEDGER;
use contracts::measure::VISIT;
use contracts::{Event, quarantine::Refusal};

fn sources(folder: &Path, all: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else {
            all.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The words in the string literals of a source, without those of comments and unit tests.
fn literal_words(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let without_comments =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let inside = without_comments.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
    // What stands in braces is an argument: a column that was named through the contract.
    let literal: String =
        inside.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
    literal
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.contains('_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_column_of_the_contract_is_written_as_a_literal() {
    // Names of one word are words of messages too; the ones with an underscore are names and nothing else.
    let measures = family::tables().flat_map(|(_, table)| table.measures).map(|m| m.column().name());
    let columns: Vec<&str> = Event::FIELDS
        .iter()
        .chain(Refusal::FIELDS)
        .map(|field| field.name)
        .chain(measures)
        .chain([CUBE.write_time.name(), LEDGER.ingested_minute.name()])
        // A table of ops has a column of that name, too.
        .filter(|name| name.contains('_') && *name != VISIT.ended_at.name())
        .collect();
    assert!(columns.len() > 20);
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    for (path, source) in all {
        // Spark Connect's address has a parameter of that name, too.
        let of_spark = |word: &str| word == EVENT.session_id.name() && path.ends_with("src/spark.rs");
        // ... and tables of ops have two.
        let ops = [VISIT.duration_ms.name(), EVENT.occurred_at.name()];
        let of_ops = |word: &str| ops.contains(&word) && path.ends_with("src/supervisor/record.rs");
        for word in literal_words(&source).into_iter().filter(|word| !of_spark(word) && !of_ops(word)) {
            assert!(!columns.contains(&word.as_str()), "{path} names the column {word} in a literal");
        }
    }
}
