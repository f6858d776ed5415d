//! A copy of the project that is changed and built.

use std::path::Path;
use std::process::Command;

use crate::tracked;

pub(crate) fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// The copy, and where its builds go.
pub(crate) struct Copy<'a> {
    root: &'a Path,
    target: &'a Path,
}

impl<'a> Copy<'a> {
    /// Copies what git tracks in the present folder.
    pub(crate) fn create(root: &'a Path, target: &'a Path) -> Result<Self, String> {
        let copy = Self { root, target };
        if root.exists() {
            std::fs::remove_dir_all(root)
                .map_err(|error| format!("{}: {error}", root.display()))?;
        }
        for file in tracked::all()? {
            let to = root.join(&file);
            let folder = to.parent().unwrap_or(root);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::copy(&file, &to))
                .map_err(|error| format!("{}: {error}", to.display()))?;
        }
        Ok(copy)
    }

    /// Replaces a file, unless it has this text.
    pub(crate) fn write(&self, file: &Path, text: &str) -> Result<(), String> {
        let file = self.root.join(file);
        if read(&file)? == text {
            return Ok(());
        }
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Runs cargo, with flags for the compiler. Returns whether it succeeded, and what it and the compiler said, messages as
    /// lines of JSON.
    pub(crate) fn cargo(&self, arguments: &[&str], flags: &str) -> Result<(bool, String), String> {
        let output = Command::new(std::env::var("CARGO").unwrap_or("cargo".to_owned()))
            .args(arguments)
            .args(["--quiet", "--locked", "--message-format=json"])
            .current_dir(self.root)
            .env("CARGO_TARGET_DIR", self.target)
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("RUSTFLAGS", flags)
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        let text = [output.stderr, output.stdout].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }
}
