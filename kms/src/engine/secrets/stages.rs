//! Stage labels: which version of a secret is current, previous, pending or anything else.
//!
//! A label is a key of one map, so that it cannot sit on two versions at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{KmsError, KmsErrorCode, Result};

pub(super) const CURRENT: &str = "AWSCURRENT";
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";
pub(super) const PENDING: &str = "AWSPENDING";

/// The most labels of one version.
const MAX_OF_VERSION: usize = 20;
/// The most labels of one secret, so that its record stays small.
const MAX_OF_SECRET: usize = 200;
/// The longest label, in characters.
const MAX_LABEL: usize = 256;

/// Labels and the version that each sits on.
///
/// Once a secret has a version, exactly one is [`CURRENT`]; [`PREVIOUS`] goes to the version that
/// lost it, and never sits on the same version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Stages(BTreeMap<String, String>);

impl Stages {
    /// The version that a label sits on.
    pub(super) fn version(&self, label: &str) -> Option<&str> {
        self.0.get(label).map(String::as_str)
    }

    /// The labels of a version, sorted.
    pub(super) fn of(&self, version: &str) -> Vec<String> {
        self.0.iter().filter(|(_, v)| *v == version).map(|(label, _)| label.clone()).collect()
    }

    /// Every version that has a label, with its labels.
    pub(super) fn by_version(&self) -> BTreeMap<String, Vec<String>> {
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (label, version) in &self.0 {
            versions.entry(version.clone()).or_default().push(label.clone());
        }
        versions
    }

    /// Labels a new version: as asked, or as the current one where nothing is asked. A secret's
    /// first version is current in any case.
    pub(super) fn add_version(&mut self, version: &str, labels: Option<&[String]>) -> Result<()> {
        let labels = labels.unwrap_or_default();
        if labels.len() > MAX_OF_VERSION {
            return Err(invalid("more than 20 version stages"));
        }
        labels.iter().try_for_each(|label| check(label))?;
        let mut next = self.clone();
        for label in labels {
            next.place(label, version);
        }
        if labels.is_empty() || self.version(CURRENT).is_none() {
            next.place(CURRENT, version);
        }
        if labels.iter().any(|label| label == PREVIOUS) && next.version(CURRENT) == Some(version) {
            return Err(both());
        }
        *self = next.checked()?;
        Ok(())
    }

    /// Moves a label, takes it off, or puts it on (`UpdateSecretVersionStage`).
    pub(super) fn update(
        &mut self,
        label: &str,
        remove_from: Option<&str>,
        move_to: Option<&str>,
    ) -> Result<()> {
        check(label)?;
        let on = self.version(label);
        if remove_from.is_some() && remove_from != on {
            return Err(invalid("the version stage is not on the version of RemoveFromVersionId"));
        }
        let mut next = self.clone();
        match move_to {
            None if remove_from.is_none() => {
                return Err(invalid("neither RemoveFromVersionId nor MoveToVersionId is given"));
            }
            None if label == CURRENT => {
                return Err(invalid("AWSCURRENT can be moved to another version but not removed"));
            }
            None => {
                next.0.remove(label);
            }
            Some(to) if on == Some(to) => {}
            Some(_) if on.is_some() && remove_from.is_none() => {
                return Err(invalid(
                    "the version stage is on another version, which RemoveFromVersionId must name",
                ));
            }
            Some(to) => next.place(label, to),
        }
        *self = next.checked()?;
        Ok(())
    }

    fn place(&mut self, label: &str, version: &str) {
        let lost = self.0.insert(label.to_owned(), version.to_owned());
        if let Some(lost) = lost.filter(|lost| label == CURRENT && lost != version) {
            self.0.insert(PREVIOUS.to_owned(), lost);
        }
    }

    fn checked(self) -> Result<Self> {
        if self.version(CURRENT).is_some() && self.version(CURRENT) == self.version(PREVIOUS) {
            return Err(both());
        }
        let full = self.by_version().values().any(|labels| labels.len() > MAX_OF_VERSION);
        if full || self.0.len() > MAX_OF_SECRET {
            return Err(KmsError::new(
                KmsErrorCode::LimitExceeded,
                "a version has at most 20 stages, and a secret 200",
            ));
        }
        Ok(self)
    }
}

fn check(label: &str) -> Result<()> {
    if label.is_empty() || label.chars().nth(MAX_LABEL).is_some() {
        return Err(invalid("a version stage has 1 to 256 characters"));
    }
    Ok(())
}

fn invalid(message: &'static str) -> KmsError {
    KmsError::new(KmsErrorCode::InvalidParameter, message)
}

fn both() -> KmsError {
    invalid("a version cannot be AWSCURRENT and AWSPREVIOUS at once")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|&label| label.to_owned()).collect()
    }

    fn code<T: std::fmt::Debug>(result: Result<T>) -> KmsErrorCode {
        result.expect_err("it is refused").code()
    }

    fn with_versions(versions: &[&str]) -> Stages {
        let mut stages = Stages::default();
        for version in versions {
            stages.add_version(version, None).expect("a new version");
        }
        stages
    }

    #[test]
    fn a_new_version_becomes_current_and_its_predecessor_previous() {
        let stages = with_versions(&["a", "b", "c"]);
        assert_eq!(stages.of("c"), [CURRENT]);
        assert_eq!(stages.of("b"), [PREVIOUS]);
        assert!(stages.of("a").is_empty());
    }

    #[test]
    fn explicit_stages_leave_the_current_one_alone_except_on_the_first_version() {
        let mut stages = Stages::default();
        stages.add_version("a", Some(&labels(&[PENDING]))).expect("the first");
        assert_eq!(stages.of("a"), [CURRENT, PENDING]);
        stages.add_version("b", Some(&labels(&[PENDING, "mine"]))).expect("the second");
        assert_eq!(stages.of("a"), [CURRENT]);
        assert_eq!(stages.of("b"), [PENDING, "mine"]);
        assert_eq!(stages.version(PREVIOUS), None);
        stages.add_version("c", Some(&labels(&["mine", CURRENT]))).expect("the third");
        assert_eq!(stages.of("c"), [CURRENT, "mine"]);
        assert_eq!(stages.of("a"), [PREVIOUS]);
    }

    #[test]
    fn moving_current_drags_previous() {
        let mut stages = with_versions(&["a", "b", "c"]);
        stages.update(CURRENT, Some("c"), Some("a")).expect("back to the oldest");
        assert_eq!((stages.of("a"), stages.of("c")), (labels(&[CURRENT]), labels(&[PREVIOUS])));
        stages.update(CURRENT, Some("a"), Some("c")).expect("back to the previous");
        assert_eq!((stages.of("c"), stages.of("a")), (labels(&[CURRENT]), labels(&[PREVIOUS])));
    }

    #[test]
    fn update_needs_the_place_that_a_label_leaves() {
        let mut stages = with_versions(&["a", "b"]);
        let before = stages.clone();
        for (label, from, to) in [
            (CURRENT, None, Some("a")),
            (CURRENT, Some("a"), Some("a")),
            (CURRENT, Some("b"), None),
            (CURRENT, None, None),
            ("mine", Some("a"), None),
            ("mine", Some("a"), Some("b")),
            (PREVIOUS, Some("a"), Some("b")),
            ("", None, Some("a")),
        ] {
            assert_eq!(code(stages.update(label, from, to)), KmsErrorCode::InvalidParameter);
            assert_eq!(stages, before, "{label} {from:?} {to:?}");
        }
        stages.update(CURRENT, None, Some("b")).expect("it is there already");
        assert_eq!(stages, before);
        stages.update("mine", None, Some("a")).expect("a new label needs no place");
        stages.update("mine", Some("a"), Some("b")).expect("a move");
        assert_eq!(stages.of("b"), [CURRENT, "mine"]);
        stages.update("mine", Some("b"), None).expect("a removal");
        stages.update(PREVIOUS, Some("a"), None).expect("a removal");
        assert!(stages.of("a").is_empty());
    }

    #[test]
    fn limits() {
        let many = |count: usize| (0..count).map(|n| format!("label-{n}")).collect::<Vec<_>>();
        let mut stages = with_versions(&["a"]);
        let refused = stages.add_version("b", Some(&many(21)));
        assert_eq!(code(refused), KmsErrorCode::InvalidParameter);
        stages.add_version("b", Some(&many(20))).expect("the most of one version");
        let refused = stages.update("one more", None, Some("b"));
        assert_eq!(code(refused), KmsErrorCode::LimitExceeded);
        stages.update("one more", None, Some("a")).expect("another version has room");
        assert_eq!(
            code(stages.update(&"x".repeat(257), None, Some("a"))),
            KmsErrorCode::InvalidParameter
        );
        stages.update(&"ä".repeat(256), None, Some("a")).expect("the longest");
        let refused = stages.add_version("c", Some(&labels(&[CURRENT, PREVIOUS])));
        assert_eq!(code(refused), KmsErrorCode::InvalidParameter);
        let total = |stages: &Stages| stages.0.len();
        for version in 0.. {
            let names: Vec<String> = (0..20).map(|n| format!("{version}-{n}")).collect();
            match stages.add_version(&version.to_string(), Some(&names)) {
                Ok(()) => assert!(total(&stages) <= MAX_OF_SECRET),
                Err(error) => {
                    assert_eq!(error.code(), KmsErrorCode::LimitExceeded);
                    break;
                }
            }
        }
    }

    /// What a reader of the rules would write down by hand: the history of the current version.
    #[derive(Default)]
    struct Model {
        current: Option<u8>,
        previous: Option<u8>,
    }

    impl Model {
        fn make_current(&mut self, version: u8) {
            if self.current != Some(version) {
                if self.current.is_some() {
                    self.previous = self.current;
                }
                self.current = Some(version);
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Put,
        PutPending,
        MoveCurrent(u8),
        MoveOther(u8, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Put),
            Just(Step::PutPending),
            any::<u8>().prop_map(Step::MoveCurrent),
            (0u8..3, any::<u8>()).prop_map(|(label, to)| Step::MoveOther(label, to)),
        ]
    }

    proptest! {
        #[test]
        fn current_is_on_one_version_and_previous_on_the_one_that_lost_it(
            steps in prop::collection::vec(step(), 1..40),
        ) {
            let (mut stages, mut model, mut versions) = (Stages::default(), Model::default(), 0u8);
            for step in steps {
                match step {
                    Step::Put | Step::PutPending => {
                        let pending = matches!(step, Step::PutPending);
                        let asked = labels(&[PENDING]);
                        stages
                            .add_version(&versions.to_string(), pending.then_some(&asked))
                            .expect("a new version");
                        if !pending || model.current.is_none() {
                            model.make_current(versions);
                        }
                        versions += 1;
                    }
                    Step::MoveCurrent(to) if versions > 0 => {
                        let to = to % versions;
                        let from = stages.version(CURRENT).map(str::to_owned);
                        stages
                            .update(CURRENT, from.as_deref(), Some(&to.to_string()))
                            .expect("a move of AWSCURRENT");
                        model.make_current(to);
                    }
                    Step::MoveOther(label, to) if versions > 0 => {
                        let label = format!("label-{label}");
                        let from = stages.version(&label).map(str::to_owned);
                        stages
                            .update(&label, from.as_deref(), Some(&(to % versions).to_string()))
                            .expect("a move of another label");
                    }
                    Step::MoveCurrent(_) | Step::MoveOther(..) => {}
                }
                let id = |version: Option<u8>| version.map(|v| v.to_string());
                let on = |label: &str| stages.version(label).map(str::to_owned);
                prop_assert_eq!(on(CURRENT), id(model.current));
                prop_assert_eq!(on(PREVIOUS), id(model.previous));
                let holders = |label: &str| {
                    stages.by_version().values().filter(|l| l.contains(&label.to_owned())).count()
                };
                prop_assert_eq!(holders(CURRENT), usize::from(versions > 0));
                prop_assert!(holders(PREVIOUS) <= 1);
            }
        }
    }
}
