//! Which file goes where, and on how many threads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keyfold_files::Pace;

use crate::fault::{self, Result};
use crate::input::{DASH, is_dash};

/// One file to work on, and where the result goes.
pub(crate) struct Job {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
}

/// Where the results of `files` go: to `output`, into it where it is a folder, and where it is
/// absent to the name that `derive` gives; standard input goes to standard output.
pub(crate) fn jobs(
    files: &[PathBuf],
    output: Option<&Path>,
    derive: impl Fn(&Path) -> Result<PathBuf>,
) -> Result<Vec<Job>> {
    if files.len() > 1 && files.iter().any(|file| is_dash(file)) {
        return Err(fault::invalid("standard input cannot be one of several files"));
    }
    let folder = output.filter(|output| output.is_dir());
    let target = |file: &PathBuf| match (folder, output) {
        (Some(_), _) if is_dash(file) => {
            Err(fault::invalid("standard input has no name to give a file in a folder"))
        }
        (Some(folder), _) => {
            let name = derive(file)?;
            let name = name
                .file_name()
                .ok_or_else(|| fault::invalid(format!("{} names no file", file.display())))?;
            Ok(folder.join(name))
        }
        (None, Some(_)) if files.len() > 1 => {
            Err(fault::invalid("several files go into a folder: name one with -o"))
        }
        (None, Some(output)) => Ok(output.to_owned()),
        (None, None) if is_dash(file) => Ok(PathBuf::from(DASH)),
        (None, None) => derive(file),
    };
    let jobs: Vec<Job> = files
        .iter()
        .map(|file| Ok(Job { from: file.clone(), to: target(file)? }))
        .collect::<Result<_>>()?;
    let targets: BTreeSet<&Path> = jobs.iter().map(|job| job.to.as_path()).collect();
    if targets.len() < jobs.len() {
        return Err(fault::invalid("two of the files would have the same output"));
    }
    Ok(jobs)
}

/// The option `--threads`.
#[derive(clap::Args)]
pub(crate) struct ThreadCount {
    /// Threads that encrypt or decrypt a large file. More than one helps where that is slower
    /// than the disk: with ChaCha20, or without AES instructions
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=3))]
    threads: u8,
}

impl ThreadCount {
    /// Starts the threads for a file of this length.
    pub(crate) fn start(&self, len: Option<u64>) -> Result<Pace> {
        Pace::new(usize::from(self.threads), len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(files: &[&str], output: Option<&str>) -> Result<Vec<PathBuf>> {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let jobs = jobs(&files, output.map(Path::new), |file| Ok(file.with_added_extension("kf")))?;
        Ok(jobs.into_iter().map(|job| job.to).collect())
    }

    #[test]
    fn results_go_beside_their_files_or_into_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().to_str().expect("a name");
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(targets(&["a/x", "y.z"], None), Ok(paths(&["a/x.kf", "y.z.kf"])));
        assert_eq!(targets(&["x"], Some("out")), Ok(paths(&["out"])));
        assert_eq!(targets(&["-"], None), Ok(paths(&["-"])));
        let inside = targets(&["a/x", "y"], Some(folder)).expect("targets");
        assert_eq!(inside, [Path::new(folder).join("x.kf"), Path::new(folder).join("y.kf")]);
    }

    #[test]
    fn unclear_targets_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().to_str().expect("a name");
        assert!(targets(&["x", "y"], Some("out")).is_err());
        assert!(targets(&["x", "-"], None).is_err());
        assert!(targets(&["-"], Some(folder)).is_err());
        assert!(targets(&["a/x", "b/x"], Some(folder)).is_err());
        assert!(targets(&["x", "x"], None).is_err());
        assert!(targets(&["x", "y"], Some("-")).is_err());
    }
}
