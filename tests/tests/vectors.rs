//! Every vector through every reader: whole, streamed in pieces, on several threads, in ranges.

use std::io::{Cursor, Read};

use keyfold::stream::io::{OpenReader, RangeReader, read_header};
use keyfold::{ErrorCode, Header, HeaderReader, Opener, Result, Threads, Unlocked};
use keyfold_conformance::vectors::Vector;

fn finish(mut opener: Opener, body: &[u8], piece: usize) -> Result<Vec<u8>> {
    let mut plaintext = Vec::new();
    for piece in body.chunks(piece) {
        opener.update(piece, &mut plaintext)?;
    }
    opener.finish(&mut plaintext)?;
    Ok(plaintext)
}

fn split(vector: &Vector) -> Result<(Header, Vec<u8>)> {
    match vector.input() {
        (Some(header), body) => Ok((Header::parse_detached(&header)?, body)),
        (None, whole) => {
            let (header, start) = Header::parse(&whole)?;
            Ok((header, whole[start..].to_vec()))
        }
    }
}

fn unlock(vector: &Vector, header: &Header) -> Result<Unlocked> {
    let demands = vector.demands()?;
    demands.check(header)?;
    Unlocked::new(header, vector.key()?, &demands)
}

fn whole(vector: &Vector) -> Result<Vec<u8>> {
    let (header, body) = split(vector)?;
    finish(unlock(vector, &header)?.into_opener(), &body, usize::MAX)
}

fn pieces(vector: &Vector, piece: usize) -> Result<Vec<u8>> {
    let (header, body) = match vector.input() {
        (Some(header), body) => (Header::parse_detached(&header)?, body),
        (None, whole) => {
            let mut reader = HeaderReader::new();
            let mut at = 0;
            loop {
                let Some(next) =
                    whole.get(at..whole.len().min(at + piece)).filter(|n| !n.is_empty())
                else {
                    return Err(keyfold::Error::new(ErrorCode::Truncated, "no whole header"));
                };
                if let Some((header, used)) = reader.push(next)? {
                    break (header, whole[at + used..].to_vec());
                }
                at += next.len();
            }
        }
    };
    finish(unlock(vector, &header)?.into_opener(), &body, piece)
}

fn threads(vector: &Vector, threads: &Threads) -> Result<Vec<u8>> {
    let (header, body) = split(vector)?;
    finish(unlock(vector, &header)?.into_opener().with_threads(threads), &body, usize::MAX)
}

fn reader(vector: &Vector) -> Result<Vec<u8>> {
    let (header, start, mut source) = match vector.input() {
        (Some(header), body) => (Header::parse_detached(&header)?, Vec::new(), Cursor::new(body)),
        (None, whole) => {
            let mut source = Cursor::new(whole);
            let (header, start) = read_header(&mut source)?;
            (header, start, source)
        }
    };
    let mut plaintext = Vec::new();
    OpenReader::new(unlock(vector, &header)?.into_opener(), start, &mut source)
        .read_to_end(&mut plaintext)?;
    Ok(plaintext)
}

/// All of it in ranges of 5000 bytes; the last one reaches past the end and so proves it.
fn ranges(vector: &Vector) -> Result<Vec<u8>> {
    let (header, body) = split(vector)?;
    let unlocked = unlock(vector, &header)?;
    let mut reader = RangeReader::new(Cursor::new(&body), 0, |prefix, len| {
        unlocked.into_unproven_ranges(prefix, len)
    })?;
    let mut plaintext = Vec::new();
    for start in (0..=reader.plaintext_len()).step_by(5000) {
        reader.read_range(start..start + 5000, &mut plaintext)?;
    }
    Ok(plaintext)
}

#[test]
fn valid_vectors_open_in_every_way() {
    let vectors = Vector::load("valid");
    assert!(vectors.len() >= 80, "only {} valid vectors", vectors.len());
    let pool = Threads::new(2).unwrap();
    for vector in &vectors {
        let plaintext = vector.plaintext();
        let opened = [
            ("whole", whole(vector)),
            (
                "in pieces of 1",
                if plaintext.len() > 2048 { pieces(vector, 4099) } else { pieces(vector, 1) },
            ),
            ("in pieces of 16400", pieces(vector, 16_400)),
            ("on two threads", threads(vector, &pool)),
            ("as a reader", reader(vector)),
            ("in ranges", ranges(vector)),
        ];
        for (way, opened) in opened {
            assert!(opened.as_ref() == Ok(&plaintext), "{} {way}: {:?}", vector.name, opened.err());
        }
        let (header, _) = split(vector).unwrap();
        let written = header.with_recipients(header.recipients().to_vec()).unwrap();
        assert_eq!(written.as_bytes(), vector.header.0, "{}", vector.name);
        assert_eq!(header.suite().id(), vector.suite);
    }
    println!("{} valid vectors, each opened in six ways", vectors.len());
}

#[test]
fn hostile_vectors_are_refused_with_their_code() {
    let vectors = Vector::load("hostile");
    assert!(vectors.len() >= 150, "only {} hostile vectors", vectors.len());
    let pool = Threads::new(2).unwrap();
    let mut wrong = Vec::new();
    for vector in &vectors {
        let expect = vector.expect.as_deref().expect("hostile vectors say what to expect");
        let refused = [
            ("whole", whole(vector)),
            ("in pieces of 7", pieces(vector, 7)),
            ("in pieces of 16401", pieces(vector, 16_401)),
            ("on two threads", threads(vector, &pool)),
            ("as a reader", reader(vector)),
        ];
        for (way, refused) in refused {
            let code = refused.map_or_else(|error| error.code().as_str(), |_| "opened");
            if code != expect {
                let clause = vector.clause.as_deref().unwrap_or_default();
                wrong.push(format!("{} {way}: {code}, not {expect} ({clause})", vector.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{} hostile vectors, each refused in five ways", vectors.len());
}
