//! Passwords that do not stand in the URL: `PGPASSWORD`, and a password file as libpq has it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use keyfold::SecretBytes;
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use zeroize::Zeroizing;

use crate::store::StoreError;

/// The longest password file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The password for the first host of a configuration, where there is one.
pub(super) fn find(
    config: &Config,
    file: Option<&Path>,
) -> Result<Option<SecretBytes>, StoreError> {
    let file = file.map(Path::to_owned);
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let file = match (file, named("PGPASSWORD")) {
        (None, Some(password)) => {
            return Ok(Some(SecretBytes::new(password.into_encoded_bytes())));
        }
        (file, _) => file.or_else(|| named("PGPASSFILE").map(PathBuf::from)),
    };
    let Some(file) = file else { return Ok(None) };
    let text = read(&file).map_err(|why| {
        StoreError::Denied(format!("the password file {} ({why})", file.display()))
    })?;
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        _ => "localhost".to_owned(),
    };
    let port = config.get_ports().first().unwrap_or(&5432).to_string();
    let user = config.get_user().unwrap_or_default();
    let wanted = [&host, &port, config.get_dbname().unwrap_or(user), user];
    Ok(text.split(|byte| *byte == b'\n').find_map(|line| line_password(line, wanted)))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let file = File::open(path).map_err(|error| error.kind().to_string())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = file.metadata().map_err(|error| error.kind().to_string())?;
        if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
            return Err("it is open to others; make it 0600".to_owned());
        }
    }
    // All of it at once: a buffer that grows would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_FILE).unwrap_or(0) + 1));
    file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(|error| error.kind().to_string())?;
    if text.len() as u64 > MAX_FILE {
        return Err("it is longer than 64 KiB".to_owned());
    }
    Ok(text)
}

/// `host:port:database:user:password`; `*` stands for anything, `\` in front of `:` and `\`.
fn line_password(line: &[u8], wanted: [&str; 4]) -> Option<SecretBytes> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.starts_with(b"#") {
        return None;
    }
    let mut rest = line;
    for name in wanted {
        let (field, after) = field(rest)?;
        if *field != b"*"[..] && *field != *name.as_bytes() {
            return None;
        }
        rest = after?;
    }
    let (password, _) = field(rest)?;
    (!password.is_empty()).then(|| SecretBytes::from(&password[..]))
}

/// One field, unescaped, and what follows its colon.
#[expect(clippy::type_complexity, reason = "two parts of a line")]
fn field(text: &[u8]) -> Option<(Zeroizing<Vec<u8>>, Option<&[u8]>)> {
    let mut field = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b':' => return Some((field, text.get(at + 1..))),
            b'\\' => field.push(*bytes.next()?.1),
            byte => field.push(*byte),
        }
    }
    Some((field, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [&str; 4] = ["db.example", "5432", "kms", "me"];

    fn found(line: &str) -> Option<String> {
        line_password(line.as_bytes(), WANTED)
            .map(|password| String::from_utf8(password.expose().to_vec()).expect("text"))
    }

    #[test]
    fn lines_are_matched_field_by_field() {
        assert_eq!(found("db.example:5432:kms:me:pw").as_deref(), Some("pw"));
        assert_eq!(found("*:*:*:me:a\\:b\\\\c\r").as_deref(), Some("a:b\\c"));
        assert_eq!(found("*:*:*:me:a:rest").as_deref(), Some("a"));
        for line in [
            "",
            "#*:*:*:*:pw",
            "*",
            "*:*:*:*",
            "*:*:*:me:",
            "other:*:*:*:pw",
            "*:5433:*:*:pw",
            "*:*:kms2:*:pw",
            "*:*:*:you:pw",
            "\\",
            "*:*:*:me\\",
        ] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pass");
        std::fs::write(&path, "*:*:*:*:hunter2\n").expect("written");
        let config: Config = "postgres://me@h/d".parse().expect("a configuration");
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode));
        mode(0o640).expect("a mode");
        let refused = find(&config, Some(&path)).map(|_| ()).expect_err("refused").to_string();
        assert!(refused.contains("0600") && !refused.contains("hunter2"), "{refused}");
        mode(0o600).expect("a mode");
        let password = find(&config, Some(&path)).expect("read").expect("found");
        assert_eq!(password.expose(), b"hunter2");
        assert!(find(&config, Some(&folder.path().join("none"))).is_err());
    }
}
