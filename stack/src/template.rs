//! Fills in the `@NAME@` placeholders of the configuration files in `services/` and `spark/conf`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Doing, StackError};

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

    /// Text with every placeholder replaced; one without a value is an error, so that no service starts half
    /// configured.
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

    /// Fills in every file of a folder, poms and Dockerfiles aside; writes nothing.
    pub(crate) fn render(&self, from: &Path, to: PathBuf) -> Result<Rendered, StackError> {
        let paths = fs::read_dir(from)
            .and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
            })
            .doing(|| format!("list {}", from.display()))?;
        let mut files = BTreeMap::new();
        for path in paths {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !path.is_file() || name == "pom.xml" || name == "Dockerfile" {
                continue;
            }
            let template = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
            files.insert(name.to_owned(), self.fill(&template, &path)?);
        }
        Ok(Rendered { folder: to, files })
    }
}

/// Configuration as a service shall find it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Rendered {
    folder: PathBuf,
    files: BTreeMap<String, String>,
}

impl Rendered {
    /// Where it goes.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of its files.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The text of one of its files, to be changed for what no placeholder expresses.
    pub(crate) fn file(&mut self, name: &str) -> &mut String {
        self.files.entry(name.to_owned()).or_default()
    }

    /// Leaves lines out of a file.
    pub(crate) fn without(&mut self, name: &str, dropped: impl Fn(&str) -> bool) {
        let text = self.file(name);
        *text = text.split_inclusive('\n').filter(|line| !dropped(line)).collect();
    }

    /// All of its text, for a fingerprint.
    pub(crate) fn text(&self) -> String {
        self.files.values().map(String::as_str).collect()
    }

    /// The files, by name.
    #[cfg(test)]
    pub(crate) fn files(&self) -> &BTreeMap<String, String> {
        &self.files
    }

    /// Writes it into its folder, which is there.
    pub(crate) fn write(&self) -> Result<(), StackError> {
        self.files.iter().try_for_each(|(name, text)| {
            let path = self.folder.join(name);
            fs::write(&path, text).doing(|| format!("write {}", path.display()))
        })
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

    #[test]
    fn lines_are_left_out_whole() {
        let mut rendered = Rendered::default();
        *rendered.file("x") = "a=1\nb.a=2\na=3".to_owned();
        rendered.without("x", |line| line.starts_with("a="));
        assert_eq!(rendered.file("x"), "b.a=2\n");
    }
}
