//! Whole files, from path to path: what a binding calls for a file.

use std::fs::{self, File, Metadata};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use keyfold::kms::Kms;
use keyfold::stream::io::read_header;
use keyfold::{
    Client, Demands, EncryptionContext, Error, ErrorCode, Header, Keyring, Result, SealOptions,
};

use crate::part::{Options, PartFile, follow, is_same};
use crate::pump::{self, Pace};

/// Told, now and then, how many bytes are done and how many there are (0 where that is unknown);
/// an error ends the work and comes back as it is.
pub type Watch<'a> = &'a mut (dyn FnMut(u64, u64) -> Result<()> + Send);

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Writing {
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
    /// On how many threads segments are processed.
    pub threads: usize,
}

/// The system does not let a file be read or written; says which, and why.
pub fn at(verb: &str, path: &Path, error: io::Error) -> Error {
    // An error of ours on its way through an adapter comes back as it was.
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>) {
        return error.into();
    }
    Error::new(ErrorCode::Io, format!("cannot {verb} {}: {error}", path.display()))
        .with_source(error)
}

/// Says which file an error of the system is about.
pub fn named(verb: &str, path: &Path, error: Error) -> Error {
    use std::error::Error as _;
    let number = error
        .source()
        .filter(|_| error.code() == ErrorCode::Io)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    match number {
        Some(number) => at(verb, path, io::Error::from_raw_os_error(number)),
        None => error,
    }
}

/// Opens a file to read it.
///
/// # Errors
/// `io`, for a folder too.
pub fn open(path: &Path) -> Result<(File, Metadata)> {
    let opened = File::open(path).and_then(|file| {
        let about = file.metadata()?;
        if about.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok((file, about)) }
    });
    opened.map_err(|error| at("read", path, error))
}

fn invalid(detail: String) -> Error {
    Error::new(ErrorCode::InvalidArgument, detail)
}

// What POSIX says where there is a folder, or a file already.
const EISDIR: i32 = 21;
const EEXIST: i32 = 17;

/// Begins the file at `path`, with the permissions of `input`, which is never replaced.
///
/// # Errors
/// `io`; `invalid_argument` where the two are one, or what is there is no regular file.
pub fn begin(path: &Path, overwrite: bool, input: Option<&Metadata>) -> Result<PartFile> {
    let wrong = |error| at("write", path, error);
    let path = follow(path).map_err(wrong)?;
    if let Ok(about) = fs::metadata(&path) {
        if input.is_some_and(|input| is_same(input, &about)) {
            return Err(invalid(format!("{} is the input", path.display())));
        }
        if about.is_dir() {
            return Err(wrong(io::Error::from_raw_os_error(EISDIR)));
        }
        if !about.is_file() {
            return Err(invalid(format!("{} is no regular file", path.display())));
        }
        if !overwrite {
            return Err(wrong(io::Error::from_raw_os_error(EEXIST)));
        }
    }
    let like = input.filter(|about| about.is_file());
    PartFile::create(path, Options { replace: overwrite, like, ..Options::default() })
        .map_err(wrong)
}

/// Encrypts a file; answers the length of its plaintext. `target` gets the envelope only when it is
/// complete and on disk, with the permissions of the source. Blocks while it reads and writes.
///
/// # Errors
/// `io` where the system does not let a file be read or written; `invalid_argument` where source and
/// target are one; else as [`Client::encrypt`].
pub async fn encrypt<K: Kms>(
    client: &Client<K>,
    (source, target): (&Path, &Path),
    (keyring, context): (&Keyring, &EncryptionContext),
    options: &SealOptions<'_>,
    writing: Writing,
    watch: Watch<'_>,
) -> Result<u64> {
    let (mut file, about) = open(source)?;
    let len = about.is_file().then_some(about.len());
    let mut part = begin(target, writing.overwrite, Some(&about))?;
    let options = SealOptions { plaintext_len: len, ..options.clone() };
    let sealer = client.sealer(keyring, context, &options).await?;
    let pace = Pace::new(writing.threads, len)?;
    let sealer = sealer.with_threads(&pace.threads);
    part.write_all(sealer.header()).map_err(|error| at("write", target, error))?;
    let (mut done, all) = (0, len.unwrap_or(0));
    let mut count = |bytes: usize| {
        done += bytes as u64;
        watch(done, all)
    };
    let (total, pending) = pump::seal(sealer, pace.batch, &mut file, &mut part, &mut count)
        .map_err(|error| named("write", target, error))?;
    if let (Some(pending), Some(signer)) = (pending, &options.signer) {
        let trailer = client.sign_pending(pending, signer).await?;
        part.write_all(&trailer).map_err(|error| at("write", target, error))?;
    }
    part.commit().map_err(|error| at("write", target, error))?;
    Ok(total)
}

/// Decrypts a file; answers the length of its plaintext. `target` gets it only when all of it is
/// proven and on disk. Blocks while it reads and writes; what is watched are bytes of the envelope.
///
/// # Errors
/// As [`encrypt`]; else as [`Client::decrypt`].
pub async fn decrypt<K: Kms>(
    client: &Client<K>,
    (source, target): (&Path, &Path),
    keyring: &Keyring,
    demands: Demands,
    writing: Writing,
    watch: Watch<'_>,
) -> Result<u64> {
    let (mut file, about) = open(source)?;
    let (header, start) = read_header(&mut file).map_err(|error| named("read", source, error))?;
    let mut part = begin(target, writing.overwrite, Some(&about))?;
    let unlocked = client.unlock(&header, keyring, demands).await?;
    let len = about.is_file().then_some(about.len());
    let pace = Pace::new(writing.threads, len)?;
    let opener = unlocked.into_opener().with_threads(&pace.threads);
    let all = len.unwrap_or(0).saturating_sub(header.as_bytes().len() as u64);
    let mut done = 0;
    let mut count = |bytes: usize| {
        done += bytes as u64;
        watch(done, all)
    };
    let total = pump::open(opener, pace.batch, &start, &mut file, &mut part, &mut count)
        .map_err(|error| named("decrypt", source, error))?;
    part.commit().map_err(|error| at("write", target, error))?;
    Ok(total)
}

/// The header of the envelope in a file, and the file: what comes of the header belongs to that one,
/// whatever stands at the path by then.
///
/// # Errors
/// `io`; the structural codes.
pub fn header(path: &Path) -> Result<(Header, File)> {
    let (mut file, _) = open(path)?;
    let (header, _) = read_header(&mut file).map_err(|error| named("read", path, error))?;
    Ok((header, file))
}

/// Replaces the header of the envelope in a file, at once and whole, with the permissions and the
/// owner that the file has. `file` is what [`header`] has opened at this path, `old` what it has read.
///
/// # Errors
/// `io`.
pub fn replace_header(path: &Path, file: &mut File, old: &Header, new: &Header) -> Result<()> {
    replace_header_marked(path, file, old, new, "")
}

/// The same with a [mark](crate::Options::mark) in the name of the file that is not finished.
///
/// # Errors
/// `io`.
pub fn replace_header_marked(
    path: &Path,
    file: &mut File,
    old: &Header,
    new: &Header,
    mark: &str,
) -> Result<()> {
    let wrong = |error: io::Error| at("write", path, error);
    let about = file.metadata().map_err(wrong)?;
    let mut part =
        PartFile::replacing_marked(follow(path).map_err(wrong)?, &about, mark).map_err(wrong)?;
    part.write_all(new.as_bytes()).map_err(wrong)?;
    file.seek(SeekFrom::Start(old.as_bytes().len() as u64)).map_err(wrong)?;
    // In the kernel where it can do that, sharing the blocks where the file system can.
    io::copy(file, part.file_mut()).map_err(wrong)?;
    part.commit().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyfold_kms::{EmbeddedKms, types::KeySpec::SymmetricDefault};

    #[test]
    fn a_file_goes_there_and_back_and_its_header_changes_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let [plain, sealed, back] =
            ["plain", "sealed", "back"].map(|name| folder.path().join(name));
        fs::write(&plain, vec![7; 100_000]).expect("writes");
        let kms = EmbeddedKms::in_memory().expect("a KMS");
        let [one, two] = ["alias/one", "alias/two"]
            .map(|alias| kms.create_key(alias, SymmetricDefault).expect("a key"));
        let client = Client::new(kms);
        let context = EncryptionContext::from([("tenant", "acme")]);
        let (one, two) = (Keyring::generate_with(one), Keyring::generate_with(two));
        let writing = Writing { overwrite: false, threads: 1 };
        let options = SealOptions::default();
        let seal = |target: &Path, watch: Watch<'_>| {
            let (paths, keys) = ((plain.as_path(), target), (&one, &context));
            pollster::block_on(encrypt(&client, paths, keys, &options, writing, watch))
        };
        let mut seen = Vec::new();
        let total = seal(&sealed, &mut |done, all| {
            seen.push((done, all));
            Ok(())
        });
        assert_eq!(total.expect("seals"), 100_000);
        assert_eq!(seen.last(), Some(&(100_000, 100_000)));
        let there = seal(&sealed, &mut |_, _| Ok(())).expect_err("it is there");
        assert_eq!(there.code(), ErrorCode::Io);
        let same = seal(&plain, &mut |_, _| Ok(())).expect_err("it is the input");
        assert_eq!(same.code(), ErrorCode::InvalidArgument);
        let other = folder.path().join("other");
        let enough = Error::new(ErrorCode::Cancelled, "enough");
        let ended = seal(&other, &mut |_, _| Err(enough.clone())).expect_err("it was ended");
        assert_eq!(ended.code(), ErrorCode::Cancelled);
        assert!(!other.exists());

        let (old, mut file) = header(&sealed).expect("a header");
        assert_eq!(
            file.metadata().expect("open").len(),
            fs::metadata(&sealed).expect("there").len()
        );
        let new = pollster::block_on(client.rewrap(&old, &one, &two)).expect("rewraps");
        replace_header(&sealed, &mut file, &old, &new).expect("replaces");
        let open = |ring: &Keyring| {
            let (paths, demands) = ((sealed.as_path(), back.as_path()), Demands::new(&context));
            pollster::block_on(decrypt(&client, paths, ring, demands, writing, &mut |_, _| Ok(())))
        };
        assert_eq!(open(&one).expect_err("not any more").code(), ErrorCode::NoUsableKey);
        assert!(!back.exists());
        assert_eq!(open(&two).expect("opens"), 100_000);
        assert_eq!(fs::read(&back).expect("reads"), vec![7; 100_000]);
    }
}
