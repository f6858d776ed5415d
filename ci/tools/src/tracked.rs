//! The files that git tracks.

use std::path::Path;
use std::process::Command;

/// The files with one of the extensions, from the present folder. Symbolic links are left out, since they name another
/// file, and so are files that are deleted but not yet committed.
pub(crate) fn files(extensions: &[&str]) -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .output()
        .map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let names = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    let is_wanted = |file: &&str| {
        let path = Path::new(file);
        let extension = path.extension().unwrap_or_default();
        extensions.iter().any(|wanted| extension == *wanted) && path.is_file() && !path.is_symlink()
    };
    let files: Vec<String> = names
        .split_terminator('\0')
        .filter(is_wanted)
        .map(str::to_owned)
        .collect();
    if files.is_empty() {
        return Err("git tracks no such file here".to_owned());
    }
    Ok(files)
}
