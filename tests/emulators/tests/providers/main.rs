//! Our own providers against the emulators, which the vendors' kits have proven: the same list of
//! operations for each cloud, over the network and with the credentials that programs use.

mod alibaba;
mod azure;
mod faults;
mod google;
mod huawei;
mod keyring;
mod list;
mod pingan;
mod rig;
mod tencent;

/// A cloud that nobody runs here would be claimed and not seen.
#[test]
fn every_cloud_has_its_list() {
    // Vault's is `tests/vault_provider.rs`.
    let mut here = vec!["vault"];
    here.extend(faults::ALL.iter().filter_map(|about| about.place.split(':').next()));
    for scheme in keyfold::kms::cloud::SCHEMES {
        assert!(here.contains(scheme), "{scheme}");
    }
}
