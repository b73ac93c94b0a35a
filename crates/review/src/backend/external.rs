//! A reviewer of the operator's own: one POST, signed as Standard Webhooks signs
//! (<https://www.standardwebhooks.com>), so that a library checks it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use ureq::http::header::{HeaderName, HeaderValue};

use super::Heard;
use crate::ask::Ask;
use crate::brief::Brief;
use crate::exchange::Post;
use crate::review::{By, Review};
use crate::secret::{Secret, SecretError};

/// Signs requests.
pub(crate) struct External {
    key: Hmac<Sha256>,
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("External([secret])")
    }
}

impl External {
    pub(super) fn new(secret: &Secret) -> Result<Self, SecretError> {
        let encoded = secret.expose().strip_prefix("whsec_").ok_or(SecretError::NotAWebhookSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::NotAWebhookSecret)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(SecretError::NotAWebhookSecret);
        }
        let key = Hmac::new_from_slice(&bytes).map_err(|_| SecretError::NotAWebhookSecret)?;
        Ok(Self { key })
    }

    pub(super) fn question(&self, brief: &Brief, ask: &Ask, now: Timestamp) -> Post {
        let body = json!({
            "type": "countersign.review.v1",
            "timestamp": now.to_string(),
            "nonce": ask.nonce(),
            "brief": brief,
        })
        .to_string();
        let id = format!("rev_{}", ask.nonce());
        let seconds = now.as_millis().div_euclid(1_000).to_string();
        let signature = self.sign(&id, &seconds, &body);
        let header = |name, value: String| {
            // Digits, hex and base64: always a header value.
            HeaderValue::try_from(value).ok().map(|value| (HeaderName::from_static(name), value))
        };
        let headers =
            [header("webhook-id", id), header("webhook-timestamp", seconds), header("webhook-signature", signature)];
        Post { headers: headers.into_iter().flatten().collect(), body }
    }

    /// HMAC-SHA256 over `ID.SECONDS.BODY`, as `v1,BASE64`.
    fn sign(&self, id: &str, seconds: &str, body: &str) -> String {
        let mac = self.key.clone().chain_update(format!("{id}.{seconds}.{body}"));
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The whole body is the answer.
pub(super) fn read(body: &str, ask: &Ask) -> Heard {
    let by = By { reviewer: "external".into(), model: None };
    Heard { usage: None, review: Review::read_with_digest(body, ask, by) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_published_libraries_do() {
        // Computed with the Python package `standardwebhooks`.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = External::new(&secret).unwrap().sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_of_another_form_is_refused() {
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!"] {
            assert!(External::new(&Secret::new(bad).unwrap()).is_err(), "{bad}");
        }
    }
}
