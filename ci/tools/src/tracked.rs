//! The files that git tracks.

use std::path::Path;
use std::process::Command;

/// The files with one of the extensions, from the present folder. Symbolic links are left out, since they name another
/// file.
pub(crate) fn files(extensions: &[&str]) -> Result<Vec<String>, String> {
    let is_wanted = |file: &String| {
        let path = Path::new(file);
        let extension = path.extension().unwrap_or_default();
        extensions.iter().any(|wanted| extension == *wanted) && !path.is_symlink()
    };
    let files: Vec<String> = all()?.into_iter().filter(is_wanted).collect();
    if files.is_empty() {
        return Err("git tracks no such file here".to_owned());
    }
    Ok(files)
}

/// All files. Those that are deleted but not yet committed are left out.
pub(crate) fn all() -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .output()
        .map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let names = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    Ok(names
        .split_terminator('\0')
        .filter(|file| Path::new(file).is_file())
        .map(str::to_owned)
        .collect())
}
