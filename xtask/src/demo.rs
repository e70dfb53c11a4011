//! `cargo xtask demo`: the whole story on a real file. Every command is shown, then run; every
//! claim is checked against the bytes on disk.

mod stage;

use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::run::Workspace;
use stage::{Stage, chapter};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to protect; without one, 32 MiB are made up. It is only read.
    file: Option<PathBuf>,
    /// Leave the store and the files behind, to look at.
    #[arg(long)]
    keep: bool,
}

/// Exit codes of `keyfold` (docs/cli.md).
const WRONG_CONTEXT: i32 = 5;
const WRONG_SIGNATURE: i32 = 6;

/// Size of the file that is made when none is given.
const MADE_LEN: u64 = 32 << 20;

pub(crate) fn demo(workspace: &Workspace, args: &Args) -> Result<()> {
    let given = args
        .file
        .as_deref()
        .map(|file| file.canonicalize().with_context(|| format!("cannot read {}", file.display())))
        .transpose()?;
    crate::install::c_compiler(workspace)?;
    let keyfold = workspace.build_release("keyfold-cli", "keyfold")?;
    let folder = tempfile::Builder::new().prefix("keyfold-demo-").tempdir()?;
    let mut stage = Stage::new(keyfold, folder.path());

    // A relative name where we can, so that the lines read as one would type them.
    let file = if let Some(file) = given {
        let about = fs::metadata(&file)?;
        ensure!(about.is_file() && about.len() > 0, "{} has nothing in it", file.display());
        file
    } else {
        make_file(&folder.path().join("report.txt"))?;
        PathBuf::from("report.txt")
    };
    let told = tell(&mut stage, &file);
    if args.keep {
        println!("\nleft behind: {}", folder.keep().display());
    }
    told?;
    println!("\ndemo: {}; everything held.", stage.tally());
    Ok(())
}

fn tell(stage: &mut Stage, file: &Path) -> Result<()> {
    keys(stage)?;
    let sealed = envelope(stage, file)?;
    rewrap(stage, file, &sealed)?;
    signature(stage, file)?;
    secrets(stage)?;

    chapter("What happened is on record, and the record is whole");
    stage.run(stage.keyfold("audit verify"))
}

fn keys(stage: &mut Stage) -> Result<()> {
    chapter("An embedded KMS, and three keys that never leave it");
    stage.run(stage.keyfold("init"))?;
    stage.run(stage.keyfold("key create --alias alias/docs"))?;
    stage.run(stage.keyfold("key create --alias alias/backup"))?;
    stage.run(
        stage.keyfold("key create --alias alias/release --spec ECC_NIST_P256 --usage SIGN_VERIFY"),
    )
}

/// Encrypts the file, reads a piece from its middle, and returns the envelope's name.
fn envelope(stage: &mut Stage, file: &Path) -> Result<PathBuf> {
    let name = file.file_name().context("a file has a name")?;
    let sealed = PathBuf::from(name).with_added_extension("kf");
    let original = stage.path(file);
    let len = fs::metadata(&original)?.len();

    chapter("A file, encrypted here under a data key that the KMS made");
    let mut command = stage.keyfold("encrypt --key alias/docs --context tenant=acme");
    command.arg(file).arg("-o").arg(&sealed);
    let begun = Instant::now();
    stage.run(command)?;
    println!(
        "  {len} bytes in {:.2} s, the start of the program included",
        begun.elapsed().as_secs_f64()
    );

    chapter("What anyone may see of it, without a key");
    let mut command = stage.keyfold("inspect");
    command.arg(&sealed);
    stage.run(command)?;

    chapter("A piece from the middle, without decrypting the rest");
    let range = middle(len);
    let mut command = stage.keyfold("decrypt --context tenant=acme --range");
    command.arg(format!("{}..{}", range.start, range.end)).arg(&sealed).args(["-o", "-"]);
    let piece = stage.output(command)?;
    stage.check("the piece is what the file has there", piece == read_range(&original, &range)?)?;

    let mut command = stage.keyfold("decrypt --context tenant=globex");
    command.arg(&sealed).args(["-o", "stolen"]);
    stage.refused(command, WRONG_CONTEXT)?;
    stage.check("another tenant's context leaves no file", !stage.path("stolen").exists())?;
    Ok(sealed)
}

/// Moves the envelope to another KMS key and shows that its body stayed as it was.
fn rewrap(stage: &mut Stage, file: &Path, sealed: &Path) -> Result<()> {
    let original = stage.path(file);
    let body = body_len(fs::metadata(&original)?.len());

    chapter("Another KMS key for the same envelope: the header changes, the body does not");
    let before = stage.hash_of_end(sealed, body)?;
    let header_before = header(&stage.path(sealed), body)?;
    let mut command = stage.keyfold("rewrap --to alias/backup");
    command.arg(sealed);
    stage.run(command)?;
    let after = stage.hash_of_end(sealed, body)?;
    let header_after = header(&stage.path(sealed), body)?;
    stage.check("the body has the same hash", before == after)?;
    stage.check("the header is another one", header_before != header_after)?;

    stage.run(stage.keyfold("key disable alias/docs"))?;
    let mut command = stage.keyfold("decrypt --context tenant=acme");
    command.arg(sealed).args(["-o", "copy"]);
    stage.run(command)?;
    let same = same_bytes(&original, &stage.path("copy"))?;
    stage.check("it opens with the first key switched off, and is the file", same)?;
    stage.run(stage.keyfold("key enable alias/docs"))
}

/// Signs the file, verifies it with nothing but the public key, and verifies a forgery.
fn signature(stage: &mut Stage, file: &Path) -> Result<()> {
    chapter("A signature by a key in the KMS, verified with the public key alone");
    let mut command = stage.keyfold("sign --key alias/release");
    command.arg(file).args(["-o", "report.sig"]);
    stage.run(command)?;
    stage.run(stage.keyfold("public-key alias/release -o release.pem"))?;
    let mut command = stage.keyfold("verify --public-key release.pem --signature report.sig");
    command.arg(file);
    stage.run(command)?;

    chapter("The same, with one byte of the file changed");
    change_one_byte(&stage.path(file), &stage.path("forged"))?;
    stage.refused(
        stage.keyfold("verify --public-key release.pem --signature report.sig forged"),
        WRONG_SIGNATURE,
    )
}

fn secrets(stage: &mut Stage) -> Result<()> {
    chapter("Small data, and the password safe");
    let password = "correct horse battery staple";
    fs::write(stage.path("password.txt"), password)?;
    stage.run_with_input(
        stage.keyfold("data encrypt --key alias/docs -o small.bin"),
        Path::new("password.txt"),
    )?;
    let opened = stage.output(stage.keyfold("data decrypt small.bin -o -"))?;
    stage.check("the KMS key itself gave it back", opened == password.as_bytes())?;

    stage.run_with_input(stage.keyfold("secret put db/password"), Path::new("password.txt"))?;
    let kept = stage.output(stage.keyfold("secret get db/password"))?;
    stage.check("the safe gave it back", kept == password.as_bytes())?;

    fs::write(stage.path("others.json"), r#"{"mail/smtp": "hunter2", "vpn/office": "swordfish"}"#)?;
    stage.run(stage.keyfold("secret import --json-file others.json"))?;
    stage.run(stage.keyfold("secret list"))?;
    let imported = stage.output(stage.keyfold("secret get vpn/office"))?;
    stage.check("an imported secret is read by its name", imported == b"swordfish")
}

/// The bytes that `decrypt --range` is asked for: 4096 of them where the file is long enough.
fn middle(len: u64) -> Range<u64> {
    let start = if len > 2_000_000 { 1_000_000 } else { len / 2 };
    start..(start + 4096).min(len)
}

/// Length of the body of an unsigned envelope (docs/spec/envelope.md): salt and commitment, the
/// plaintext, and a tag for each segment, the short last one included.
fn body_len(plain: u64) -> u64 {
    24 + 32 + plain + 16 * (plain / 16_384 + 1)
}

/// What stands before the body.
fn header(envelope: &Path, body: u64) -> Result<Vec<u8>> {
    let len = fs::metadata(envelope)?.len();
    read_range(envelope, &(0..len.saturating_sub(body)))
}

fn read_range(file: &Path, range: &Range<u64>) -> Result<Vec<u8>> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(range.start))?;
    let mut piece = Vec::new();
    file.take(range.end - range.start).read_to_end(&mut piece)?;
    Ok(piece)
}

/// Whether two files have the same bytes, read side by side.
fn same_bytes(a: &Path, b: &Path) -> Result<bool> {
    if fs::metadata(a)?.len() != fs::metadata(b)?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        (&mut a).take(1 << 20).read_to_end(&mut left)?;
        (&mut b).take(1 << 20).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// Copies a file and flips one bit in the middle of the copy.
fn change_one_byte(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)?;
    let mut file = File::options().read(true).write(true).open(to)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len / 2))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    byte[0] ^= 1;
    file.seek(SeekFrom::Start(len / 2))?;
    file.write_all(&byte)?;
    Ok(())
}

/// Writes numbered lines, so that every place in the file is different and can be read.
fn make_file(path: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut written = 0;
    for number in 0.. {
        let line = format!("line {number}: nobody but the holder of the key reads this\n");
        written += line.len() as u64;
        file.write_all(line.as_bytes())?;
        if written >= MADE_LEN {
            break;
        }
    }
    file.flush()?;
    Ok(())
}
