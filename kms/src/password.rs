//! Random passwords (`GetRandomPassword`).

use keyfold::SecretBytes;
use keyfold::crypto::rng::Rng;
use zeroize::Zeroizing;

/// The longest password, in characters.
pub const MAX_LEN: usize = 4096;
/// The length of a password where the caller does not say one.
pub const DEFAULT_LEN: usize = 32;
/// The longest list of excluded characters, in characters.
pub const MAX_EXCLUDED: usize = 4096;

const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const SPACE: &str = " ";

/// How many passwords are drawn before the random generator is taken for broken. In the worst
/// case (five characters of five types, four of the types with one character each) a draw fits
/// with probability 6.3e-5, so that a sound generator fails here less often than once in e^100.
const MAX_DRAWS: usize = 1 << 21;

/// What a password is made of. The default: 32 characters, each a lowercase or uppercase letter,
/// a digit or an ASCII punctuation mark, every one of these types at least once.
///
/// ```
/// use keyfold_kms::password::{PasswordRules, random_password};
///
/// let rules = PasswordRules { exclude_characters: "0O1lI".into(), ..PasswordRules::default() };
/// let password = random_password(&rules, &keyfold::SystemRng).unwrap();
/// assert!(!password.expose().iter().any(|byte| b"0O1lI".contains(byte)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the members of GetRandomPassword")]
pub struct PasswordRules {
    /// Length in characters, 1 to [`MAX_LEN`].
    pub length: usize,
    /// Characters that must not occur; at most [`MAX_EXCLUDED`].
    pub exclude_characters: String,
    /// No digits.
    pub exclude_numbers: bool,
    /// No punctuation marks.
    pub exclude_punctuation: bool,
    /// No uppercase letters.
    pub exclude_uppercase: bool,
    /// No lowercase letters.
    pub exclude_lowercase: bool,
    /// The space as one more type of character.
    pub include_space: bool,
    /// Every type that is not excluded occurs at least once.
    pub require_each_included_type: bool,
}

impl Default for PasswordRules {
    fn default() -> Self {
        PasswordRules {
            length: DEFAULT_LEN,
            exclude_characters: String::new(),
            exclude_numbers: false,
            exclude_punctuation: false,
            exclude_uppercase: false,
            exclude_lowercase: false,
            include_space: false,
            require_each_included_type: true,
        }
    }
}

/// Why there is no password.
///
/// ```
/// use keyfold_kms::password::{PasswordError, PasswordRules, random_password};
///
/// let rules = PasswordRules { length: 3, ..PasswordRules::default() }; // four required types
/// let refused = random_password(&rules, &keyfold::SystemRng);
/// assert!(matches!(refused, Err(PasswordError::Invalid(_))));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum PasswordError {
    /// The rules are out of range or no password satisfies them (`InvalidParameterException`).
    Invalid(&'static str),
    /// The random generator failed (`InternalServiceError`).
    Random(keyfold::Error),
}

/// Draws a password uniformly among all that satisfy the rules.
///
/// # Errors
/// [`PasswordError::Invalid`] for a length outside 1 to [`MAX_LEN`], for more than
/// [`MAX_EXCLUDED`] excluded characters, where everything is excluded, where a required type has
/// no character left, and where the length is less than the number of required types.
///
/// ```
/// use keyfold_kms::password::{PasswordRules, random_password};
///
/// let rules = PasswordRules { length: 20, exclude_punctuation: true, ..Default::default() };
/// let password = random_password(&rules, &keyfold::crypto::rng::SystemRng).unwrap();
/// assert_eq!(password.len(), 20);
/// ```
pub fn random_password(rules: &PasswordRules, rng: &dyn Rng) -> Result<SecretBytes, PasswordError> {
    let types = included_types(rules)?;
    let pool: Vec<(u8, u8)> = (0u8..)
        .zip(&types)
        .flat_map(|(kind, characters)| characters.iter().map(move |&c| (c, 1 << kind)))
        .collect();
    let required = if rules.require_each_included_type { (1u8 << types.len()) - 1 } else { 0 };

    let mut source = Draws { rng, buffer: Zeroizing::new([0; 64]), used: 64 };
    let mut password = Zeroizing::new(vec![0; rules.length]);
    for _ in 0..MAX_DRAWS {
        // Whole passwords are thrown away until one fits: placing one character of each type
        // first would make some passwords likelier than others.
        let mut seen = 0;
        for place in password.iter_mut() {
            let (character, kind) = pool[source.below(pool.len())?];
            *place = character;
            seen |= kind;
        }
        if seen & required == required {
            return Ok(SecretBytes::new(std::mem::take(&mut *password)));
        }
    }
    Err(PasswordError::Random(keyfold::Error::new(
        keyfold::ErrorCode::Internal,
        "the random generator repeats itself",
    )))
}

/// The characters of each included type; none is empty where each is required, and some character
/// is there in any case.
fn included_types(rules: &PasswordRules) -> Result<Vec<Vec<u8>>, PasswordError> {
    let refuse = |reason| Err(PasswordError::Invalid(reason));
    if !(1..=MAX_LEN).contains(&rules.length) {
        return refuse("the password length must be 1 to 4096");
    }
    if rules.exclude_characters.chars().nth(MAX_EXCLUDED).is_some() {
        return refuse("more than 4096 characters are excluded");
    }
    let types: Vec<Vec<u8>> = [
        (LOWERCASE, !rules.exclude_lowercase),
        (UPPERCASE, !rules.exclude_uppercase),
        (NUMBERS, !rules.exclude_numbers),
        (PUNCTUATION, !rules.exclude_punctuation),
        (SPACE, rules.include_space),
    ]
    .into_iter()
    .filter(|(_, included)| *included)
    .map(|(characters, _)| {
        characters.bytes().filter(|&c| !rules.exclude_characters.contains(char::from(c))).collect()
    })
    .collect();
    if types.iter().all(Vec::is_empty) {
        return refuse("every character is excluded");
    }
    if rules.require_each_included_type {
        if types.iter().any(Vec::is_empty) {
            return refuse("a required type of character is excluded whole");
        }
        if types.len() > rules.length {
            return refuse("the password is too short for one character of each type");
        }
    }
    Ok(types)
}

/// Random numbers below a bound, drawn from buffered random bytes.
struct Draws<'a> {
    rng: &'a dyn Rng,
    buffer: Zeroizing<[u8; 64]>,
    used: usize,
}

impl Draws<'_> {
    /// A uniform number below `bound`, 1 to 256: bytes above the last whole multiple of `bound`
    /// are thrown away, since folding them in would favour small numbers. Of all bytes at most
    /// half are thrown away; after 256 in a row the generator is taken for broken.
    fn below(&mut self, bound: usize) -> Result<usize, PasswordError> {
        let limit = 256 - 256 % bound;
        for _ in 0..256 {
            if self.used == self.buffer.len() {
                self.rng.fill(self.buffer.as_mut_slice()).map_err(PasswordError::Random)?;
                self.used = 0;
            }
            let byte = usize::from(self.buffer[self.used]);
            self.used += 1;
            if byte < limit {
                return Ok(byte % bound);
            }
        }
        Err(PasswordError::Random(keyfold::Error::new(
            keyfold::ErrorCode::Internal,
            "the random generator repeats itself",
        )))
    }
}

#[cfg(test)]
mod tests {
    use keyfold::crypto::rng::SystemRng;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// A generator that counts: its bytes are not random but evenly spread.
    struct Counter(std::sync::atomic::AtomicU8);

    impl Rng for Counter {
        fn fill(&self, out: &mut [u8]) -> keyfold::Result<()> {
            for byte in out {
                *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(())
        }
    }

    struct Constant(u8);

    impl Rng for Constant {
        fn fill(&self, out: &mut [u8]) -> keyfold::Result<()> {
            out.fill(self.0);
            Ok(())
        }
    }

    fn draw(rules: &PasswordRules) -> Result<String, PasswordError> {
        random_password(rules, &SystemRng)
            .map(|password| String::from_utf8(password.expose().to_vec()).expect("ASCII"))
    }

    fn has(password: &str, characters: &str) -> bool {
        password.contains(|c| characters.contains(c))
    }

    #[test]
    fn the_default_has_every_type_but_the_space() {
        for _ in 0..200 {
            let password = draw(&PasswordRules::default()).expect("the default can be met");
            assert_eq!(password.len(), 32);
            for characters in [LOWERCASE, UPPERCASE, NUMBERS, PUNCTUATION] {
                assert!(has(&password, characters));
            }
            assert!(!has(&password, SPACE));
        }
    }

    #[test]
    fn lengths() {
        let rules = |length| PasswordRules {
            length,
            require_each_included_type: false,
            ..PasswordRules::default()
        };
        for length in [1, 4096] {
            assert_eq!(draw(&rules(length)).expect("in range").len(), length);
        }
        for length in [0, 4097, usize::MAX] {
            assert!(matches!(draw(&rules(length)), Err(PasswordError::Invalid(_))));
        }
    }

    #[test]
    fn what_cannot_be_met_is_refused() {
        let refused = |rules: PasswordRules| {
            assert!(matches!(draw(&rules), Err(PasswordError::Invalid(_))), "{rules:?}");
        };
        let default = PasswordRules::default;
        refused(PasswordRules { length: 3, ..default() });
        refused(PasswordRules { length: 4, include_space: true, ..default() });
        refused(PasswordRules { exclude_characters: NUMBERS.into(), ..default() });
        refused(PasswordRules { exclude_characters: "x".repeat(4097), ..default() });
        refused(PasswordRules {
            exclude_lowercase: true,
            exclude_uppercase: true,
            exclude_numbers: true,
            exclude_punctuation: true,
            require_each_included_type: false,
            ..default()
        });
        let all = [LOWERCASE, UPPERCASE, NUMBERS, PUNCTUATION].concat();
        refused(PasswordRules {
            exclude_characters: all,
            require_each_included_type: false,
            ..default()
        });
    }

    #[test]
    fn the_hardest_rules_can_be_met() {
        let exclude_characters = [&LOWERCASE[1..], &UPPERCASE[1..], &NUMBERS[1..]].concat();
        let rules = PasswordRules {
            length: 5,
            exclude_characters,
            include_space: true,
            ..PasswordRules::default()
        };
        let mut password: Vec<char> = draw(&rules).expect("it can be met").chars().collect();
        password.retain(|c| !PUNCTUATION.contains(*c));
        password.sort_unstable();
        assert_eq!(password, [' ', '0', 'A', 'a']);
    }

    #[test]
    fn no_character_is_favoured() {
        // 256 evenly spread bytes onto 10 digits: 250 are used, 25 times each digit.
        let rules = PasswordRules {
            length: 250,
            exclude_lowercase: true,
            exclude_uppercase: true,
            exclude_punctuation: true,
            ..PasswordRules::default()
        };
        let password = random_password(&rules, &Counter(0.into())).expect("it can be met");
        for digit in NUMBERS.bytes() {
            assert_eq!(password.expose().split(|&c| c == digit).count(), 25 + 1);
        }
    }

    #[test]
    fn a_broken_generator_is_an_error_and_no_endless_loop() {
        for byte in [0, 255] {
            let rules = PasswordRules { length: 4, ..PasswordRules::default() };
            let result = random_password(&rules, &Constant(byte));
            assert!(matches!(result, Err(PasswordError::Random(_))));
        }
    }

    proptest! {
        #[test]
        fn every_rule_holds(
            length in 5usize..40,
            excluded in "[ -~]{0,20}",
            flags in any::<[bool; 6]>(),
        ) {
            let rules = PasswordRules {
                length,
                exclude_characters: excluded.clone(),
                exclude_numbers: flags[0],
                exclude_punctuation: flags[1],
                exclude_uppercase: flags[2],
                exclude_lowercase: flags[3],
                include_space: flags[4],
                require_each_included_type: flags[5],
            };
            let types = [
                (NUMBERS, !flags[0]),
                (PUNCTUATION, !flags[1]),
                (UPPERCASE, !flags[2]),
                (LOWERCASE, !flags[3]),
                (SPACE, flags[4]),
            ];
            if let Ok(password) = draw(&rules) {
                prop_assert_eq!(password.len(), length);
                prop_assert!(!has(&password, &excluded));
                for (characters, included) in types {
                    prop_assert!(included || !has(&password, characters));
                    prop_assert!(!included || !flags[5] || has(&password, characters));
                }
            } else {
                let left: Vec<bool> = types
                    .iter()
                    .filter(|(_, included)| *included)
                    .map(|(characters, _)| characters.chars().any(|c| !excluded.contains(c)))
                    .collect();
                let nothing_left = !left.contains(&true);
                prop_assert!(nothing_left || (flags[5] && left.contains(&false)));
            }
        }
    }
}
