//! `cargo xtask wheel`: the packages that go to PyPI, in target/wheels.

mod contents;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::install::{self, toolchain::Toolchain};
use crate::run::{Workspace, capture, run};

/// The oldest glibc that Rust's own standard library runs on.
const MANYLINUX: &str = "manylinux2014";

/// A larger wheel needs a reason.
const LIMIT: u64 = 4_400_000;

/// What SQLite is compiled without: search, maps and statistics, half of its code; JSON, dates,
/// extensions and what watches statements. The store uses none of them.
pub(crate) const SQLITE: &str = "-USQLITE_ENABLE_DBSTAT_VTAB -USQLITE_ENABLE_FTS3 \
                      -USQLITE_ENABLE_FTS3_PARENTHESIS -USQLITE_ENABLE_FTS5 \
                      -USQLITE_ENABLE_RTREE -USQLITE_ENABLE_STAT4 \
                      -USQLITE_ENABLE_JSON1 -DSQLITE_OMIT_JSON -USQLITE_SOUNDEX \
                      -USQLITE_ENABLE_LOAD_EXTENSION -DSQLITE_OMIT_LOAD_EXTENSION \
                      -USQLITE_ENABLE_API_ARMOR -USQLITE_ENABLE_COLUMN_METADATA \
                      -USQLITE_ENABLE_UNLOCK_NOTIFY -USQLITE_ENABLE_MEMORY_MANAGEMENT \
                      -DSQLITE_OMIT_AUTHORIZATION -DSQLITE_OMIT_COMPILEOPTION_DIAGS \
                      -DSQLITE_OMIT_DATETIME_FUNCS -DSQLITE_OMIT_DEPRECATED \
                      -DSQLITE_OMIT_GET_TABLE -DSQLITE_OMIT_INCRBLOB \
                      -DSQLITE_OMIT_PROGRESS_CALLBACK -DSQLITE_OMIT_SHARED_CACHE \
                      -DSQLITE_OMIT_TRACE -DSQLITE_OMIT_UTF16";

const LINUX: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// What maturin reads.
const MANIFEST: &str = "bindings-python/Cargo.toml";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build the wheel for this target only; may be given several times. Without it: wheels for
    /// all targets that this machine can build for, and the sdist.
    #[arg(long, value_name = "TRIPLE")]
    target: Vec<String>,
}

pub(crate) fn wheel(workspace: &Workspace, args: &Args) -> Result<()> {
    let maturin = Maturin::install(workspace)?;
    if !args.target.is_empty() {
        for target in &args.target {
            let toolchain = Toolchain::for_target(workspace, target)?;
            describe(&maturin, &maturin.wheel(workspace, target, &toolchain)?)?;
        }
        return Ok(());
    }
    let host = workspace.host()?;
    let mut built = Vec::new();
    let mut left_out = Vec::new();
    let targets = if cfg!(target_os = "linux") { &LINUX[..] } else { &[] };
    let others = targets.iter().copied().filter(|target| *target != host);
    for target in std::iter::once(host.as_str()).chain(others) {
        // Only what cannot be built here is left out: what fails to build is a failure.
        match Toolchain::for_target(workspace, target) {
            Ok(toolchain) => built.push(maturin.wheel(workspace, target, &toolchain)?),
            Err(error) => left_out.push(format!("{target}: {error:#}")),
        }
    }
    let sdist = maturin.sdist(workspace)?;
    check_sdist(workspace, &sdist)?;

    for wheel in &built {
        describe(&maturin, wheel)?;
    }
    println!("\n{} ({} bytes), builds on its own", sdist.display(), fs::metadata(&sdist)?.len());
    for line in left_out {
        println!("\nnot built: {line}");
    }
    Ok(())
}

/// The wheel for this machine, as it is published, and within its limit.
pub(crate) fn host(workspace: &Workspace) -> Result<PathBuf> {
    let maturin = Maturin::install(workspace)?;
    let wheel = maturin.wheel(workspace, &workspace.host()?, &Toolchain::Own)?;
    describe(&maturin, &wheel)?;
    Ok(wheel)
}

/// The sdist, which is seen to build and work.
pub(crate) fn sdist(workspace: &Workspace) -> Result<()> {
    let sdist = Maturin::install(workspace)?.sdist(workspace)?;
    check_sdist(workspace, &sdist)
}

/// maturin, in a Python of its own.
struct Maturin {
    python: PathBuf,
}

impl Maturin {
    fn install(workspace: &Workspace) -> Result<Self> {
        let list = "bindings-python/requirements/wheel.txt";
        let python = install::python(workspace, "wheel-tools", list)?;
        Ok(Maturin { python })
    }

    /// One of the programs that came with it.
    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-m", name]);
        command
    }

    fn wheel(&self, workspace: &Workspace, target: &str, toolchain: &Toolchain) -> Result<PathBuf> {
        let mut command = self.tool("maturin");
        command.current_dir(&workspace.root).env("LIBSQLITE3_FLAGS", SQLITE);
        command.args(["build", "--locked", "--manifest-path", MANIFEST, "--target", target]);
        command.args(["--compression-level", "9"]);
        if target.contains("-linux-gnu") {
            // maturin refuses to name a wheel so if it needs more than that.
            command.args(["--zig", "--compatibility", MANYLINUX]);
        }
        toolchain.choose(workspace, &mut command);
        command.args(toolchain.flags("unwind"));
        let out = workspace.target.join("wheels");
        self.built(command, &out, "whl")
    }

    fn sdist(&self, workspace: &Workspace) -> Result<PathBuf> {
        let mut command = self.tool("maturin");
        command.current_dir(&workspace.root).args(["sdist", "--manifest-path", MANIFEST]);
        self.built(command, &workspace.target.join("wheels"), "tar.gz")
    }

    /// Runs maturin and moves the one file that it has made to a folder.
    fn built(&self, mut command: Command, folder: &Path, ending: &str) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let fresh = tempfile::tempdir_in(folder)?;
        // maturin finds the interpreter and zig beside the Python that it runs in.
        let programs = self.python.parent().context("a Python has a folder")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path));
        run(command.arg("--out").arg(fresh.path()).env("PATH", std::env::join_paths(path)?))?;
        let made = fresh.path().read_dir()?.collect::<std::io::Result<Vec<_>>>()?;
        let [made] = &made[..] else { bail!("maturin made {} files, not one", made.len()) };
        let name = made.file_name();
        let name = name.to_str().filter(|name| name.ends_with(ending)).context("no such file")?;
        let kept = folder.join(name);
        fs::rename(made.path(), &kept)?;
        Ok(kept)
    }
}

/// Says how large a wheel is and why, and on which systems it runs; refuses one that is too large.
fn describe(maturin: &Maturin, wheel: &Path) -> Result<()> {
    let size = fs::metadata(wheel)?.len();
    println!("\n{} ({size} bytes; the limit is {LIMIT})", wheel.display());
    contents::print(&maturin.python, wheel)?;
    if wheel.to_string_lossy().contains("manylinux") {
        let shown = capture(maturin.tool("auditwheel").arg("show").arg(wheel))?;
        let shown =
            String::from_utf8_lossy(&shown).split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        println!("  auditwheel: {shown}");
    }
    ensure!(size <= LIMIT, "{} is too large: {size} bytes", wheel.display());
    Ok(())
}

/// Installs from the sdist, with nothing else of the project in reach, and uses what was
/// installed. Built as for tests: it is the file that is checked, not the compiler.
fn check_sdist(workspace: &Workspace, sdist: &Path) -> Result<()> {
    const USE: &str = "import keyfold; kms = keyfold.EmbeddedKms.in_memory(); \
                       key = kms.create_key('alias/k'); client = keyfold.Client(kms, keys=key); \
                       assert client.decrypt(client.encrypt(b'sdist')) == b'sdist'";
    // All files in the archive have one time, the same in every archive: cargo would take what it
    // built from another for what it is to build from this one.
    const UNPACK: &str = "import sys, tarfile, time; archive = tarfile.open(sys.argv[1]); \
                          members = archive.getmembers(); \
                          [setattr(member, 'mtime', time.time()) for member in members]; \
                          archive.extractall(sys.argv[2], members)";
    let python = install::fresh_python(workspace, "sdist-check")?;
    let elsewhere = tempfile::tempdir()?;
    run(Command::new(&python).args(["-c", UNPACK]).arg(sdist).arg(elsewhere.path()))?;
    let source = elsewhere.path().read_dir()?.next().context("the sdist is empty")??.path();
    // A folder for builds of its own: a crate has the same name there as in this workspace.
    run(install::pip(&python)
        .arg(source)
        .current_dir(elsewhere.path())
        .env("MATURIN_PEP517_ARGS", "--profile dev")
        .env("CARGO_TARGET_DIR", workspace.target.join("sdist-build")))
    .context("the sdist does not build")?;
    run(Command::new(&python).args(["-c", USE]).current_dir(elsewhere.path()))
}
