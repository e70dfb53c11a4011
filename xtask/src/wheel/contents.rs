//! What a wheel's bytes are.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::run::capture;

/// Reads the archive and, where the library is ELF, its sections: Python has both readers.
const READ: &str = r#"
import io, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
files = sorted(archive.infolist(), key=lambda file: -file.compress_size)
for file in files[:4]:
    print(f"  {file.filename}: {file.file_size} bytes, {file.compress_size} compressed")
rest = files[4:]
if rest:
    total = sum(file.compress_size for file in rest)
    print(f"  {len(rest)} smaller files: {total} compressed")
try:
    from elftools.elf.elffile import ELFFile
except ImportError:
    sys.exit()
library = archive.read(files[0])
if library[:4] == b"\x7fELF":
    sections = sorted(ELFFile(io.BytesIO(library)).iter_sections(), key=lambda s: -s["sh_size"])
    words = (f"{s.name} {s['sh_size']}" for s in sections[:6] if s["sh_type"] != "SHT_NOBITS")
    print("  sections:", ", ".join(words))
"#;

pub(super) fn print(python: &Path, wheel: &Path) -> Result<()> {
    let listed = capture(Command::new(python).args(["-c", READ]).arg(wheel))?;
    print!("{}", String::from_utf8_lossy(&listed));
    Ok(())
}
