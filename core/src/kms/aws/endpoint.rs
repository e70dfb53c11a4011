//! The endpoints of AWS, by the rules of their names.

use crate::error::{Error, Result};
use crate::kms::endpoint::{Endpoint, check_region};

/// The endpoint of a service in a region of AWS.
///
/// # Errors
/// `invalid_argument` for a region of another form, or of a partition whose names are not
/// known here.
pub(crate) fn of_service(
    service: &str,
    region: &str,
    fips: bool,
    dual_stack: bool,
) -> Result<Endpoint> {
    check_region(region)?;
    let suffix = match (partition(region), dual_stack) {
        ("aws" | "aws-us-gov", false) => "amazonaws.com",
        ("aws" | "aws-us-gov", true) => "api.aws",
        ("aws-cn", false) => "amazonaws.com.cn",
        ("aws-cn", true) => "api.amazonwebservices.com.cn",
        ("aws-eusc", false) => "amazonaws.eu",
        _ => return Err(Error::invalid("name the endpoint of this region and partition")),
    };
    let fips = if fips { "-fips" } else { "" };
    Endpoint::parse(&format!("https://{service}{fips}.{region}.{suffix}"))
}

/// The partition of a region, by the rule of its name.
fn partition(region: &str) -> &'static str {
    let starts = |prefix: &str| region.starts_with(prefix);
    match region {
        _ if starts("cn-") => "aws-cn",
        _ if starts("us-gov-") => "aws-us-gov",
        _ if starts("eusc-") => "aws-eusc",
        _ if starts("us-iso") || starts("eu-iso") => "aws-iso",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_endpoints() {
        for (region, fips, dual_stack, url) in [
            ("us-east-1", false, false, "https://kms.us-east-1.amazonaws.com/"),
            ("us-east-1", true, false, "https://kms-fips.us-east-1.amazonaws.com/"),
            ("eu-west-1", false, true, "https://kms.eu-west-1.api.aws/"),
            ("us-gov-west-1", true, true, "https://kms-fips.us-gov-west-1.api.aws/"),
            ("cn-north-1", false, false, "https://kms.cn-north-1.amazonaws.com.cn/"),
            ("cn-north-1", false, true, "https://kms.cn-north-1.api.amazonwebservices.com.cn/"),
            ("eusc-de-east-1", false, false, "https://kms.eusc-de-east-1.amazonaws.eu/"),
        ] {
            let endpoint = of_service("kms", region, fips, dual_stack).expect(region);
            assert_eq!(endpoint.url("/"), url);
        }
        for region in ["", "EU-WEST-1", "eu-west-1.evil.example/", "-", "a/b", "us-iso-east-1"] {
            assert!(of_service("kms", region, false, false).is_err(), "{region}");
        }
    }
}
