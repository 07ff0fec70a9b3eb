//! Fills in the `@NAME@` placeholders of the configuration files in `services/` and `spark/conf`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::error::{Doing, StackError};
use crate::private;

/// The values for one service's placeholders.
#[derive(Debug, Default, Clone)]
pub(crate) struct Values(BTreeMap<&'static str, String>);

impl Values {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ports and paths are handed over as they come, without a borrow each"
    )]
    pub(crate) fn set(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.insert(name, value.to_string());
        self
    }

    /// Text with every placeholder replaced; one without a value is an error, so that no service starts half configured.
    pub(crate) fn fill(&self, template: &str, path: &Path) -> Result<String, StackError> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some(start) = rest.find('@') {
            let (before, from_at) = rest.split_at(start);
            filled.push_str(before);
            let name_length =
                from_at[1..].find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
            match name_length {
                Some(length) if length > 0 && from_at[1 + length..].starts_with('@') => {
                    let name = &from_at[1..=length];
                    let value = self.0.get(name).ok_or_else(|| StackError::Placeholder {
                        path: path.to_owned(),
                        name: name.to_owned(),
                    })?;
                    filled.push_str(value);
                    rest = &from_at[length + 2..];
                }
                _ => {
                    filled.push('@');
                    rest = &from_at[1..];
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Renders every file of a folder (poms and Dockerfiles aside) into another; returns all that was written, for a fingerprint.
    pub(crate) fn render_dir(&self, from: &Path, to: &Path) -> Result<String, StackError> {
        private::closed(to)?;
        let mut paths = fs::read_dir(from)
            .and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
            })
            .doing(|| format!("list {}", from.display()))?;
        paths.sort();
        let mut written = String::new();
        for path in paths {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !path.is_file() || name == "pom.xml" || name == "Dockerfile" {
                continue;
            }
            let template = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
            let filled = self.fill(&template, &path)?;
            let target = to.join(name);
            fs::write(&target, &filled).doing(|| format!("write {}", target.display()))?;
            written.push_str(&filled);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_what_it_knows_and_leaves_other_at_signs() {
        let values = Values::default().set("HOST", "127.0.0.1").set("PORT", 9092);
        let filled = values.fill("a@b.c @HOST@:@PORT@ @ @lower@ end@", Path::new("x")).unwrap();
        assert_eq!(filled, "a@b.c 127.0.0.1:9092 @ @lower@ end@");
    }

    #[test]
    fn refuses_a_placeholder_without_a_value() {
        let error = Values::default().fill("x=@DATA_DIR@", Path::new("services/x")).unwrap_err().to_string();
        assert!(error.contains("services/x") && error.contains("@DATA_DIR@"), "{error}");
    }
}
