//! Embeds uPlot, which `make setup` puts under `.tools/webjars`: as a module, and its style before ours in
//! one file.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), String> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(|error| error.to_string())?);
    let out = PathBuf::from(env::var("OUT_DIR").map_err(|error| error.to_string())?);
    let versions = here.join("../services/versions.toml");
    let uplot = here.join("../.tools/webjars/uplot");
    let styles = ["console.css", "pages.css"].map(|name| here.join("src/assets").join(name));
    for path in [&versions, &uplot.join("version"), &styles[0], &styles[1]] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let wanted = pinned(&read(&versions)?)
        .ok_or_else(|| format!("{} has no version of uPlot", versions.display()))?
        .to_owned();
    let have = fs::read_to_string(uplot.join("version")).unwrap_or_default();
    if have.trim() != wanted {
        return Err(format!(
            "uPlot {wanted} is not in {}, which the console's pages embed: run `make setup` (or services/webjars)",
            uplot.display()
        ));
    }
    // The file says `var uPlot = …` for pages without modules.
    let licence = read(&uplot.join("LICENSE"))?;
    let script = read(&uplot.join("uPlot.iife.min.js"))?;
    let script = format!("/*! uPlot\n{}\n*/\n{script}\nexport default uPlot;\n", licence.trim());
    let [ours, of_pages] = &styles;
    let style = [read(&uplot.join("uPlot.min.css"))?, read(ours)?, read(of_pages)?].join("\n");
    write(&out.join("uplot.js"), &script)?;
    write(&out.join("console.css"), &style)
}

/// The version of `[uplot]`.
fn pinned(versions: &str) -> Option<&str> {
    let section = versions.split_once("\n[uplot]\n")?.1;
    let section = section.split("\n[").next()?;
    section.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
