//! Small damage of the kinds that parsers get wrong.

use fastrand::Rng;

/// Lengths and counts at the edges of their types and of the format's limits.
const EDGES: [u16; 12] = [0, 1, 16, 17, 0x7FFF, 0x8000, 0xFFFF, 2048, 2049, 8192, 8193, 0x4000];

/// Takes an input of the corpus and changes it in one to four places.
pub(crate) fn mutate(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut bytes = pick(corpus, random).clone();
    for _ in 0..random.usize(1..=4) {
        change(&mut bytes, corpus, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Rng) {
    let len = bytes.len();
    let at = random.usize(..=len);
    match random.u8(..8) {
        0 if at < len => bytes[at] ^= 1 << random.u8(..8),
        1 if at < len => bytes[at] = random.u8(..),
        2 if at + 2 <= len => {
            let edge = EDGES[random.usize(..EDGES.len())];
            bytes[at..at + 2].copy_from_slice(&edge.to_be_bytes());
        }
        3 => bytes.truncate(at),
        4 => bytes.insert(at, random.u8(..)),
        5 if at < len => {
            bytes.remove(at);
        }
        6 => {
            // A piece of itself again, elsewhere.
            let piece = bytes[at..len.min(at + random.usize(1..=64))].to_vec();
            let to = random.usize(..=len);
            bytes.splice(to..to, piece);
        }
        _ => {
            // The end of another input.
            let other = pick(corpus, random);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[at.min(other.len())..]);
        }
    }
}

fn pick<'a>(corpus: &'a [Vec<u8>], random: &mut Rng) -> &'a Vec<u8> {
    &corpus[random.usize(..corpus.len())]
}
