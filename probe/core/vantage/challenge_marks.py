"""Data: the header fields by which a reply is recognised as a challenge, which only a browser or a person passes.

A mark is a field that goes with challenges and with nothing else, by the vendor's word or by a report that shows the
whole head. To add one: a row with its source, a head in `tests/core/vantage/test_refusals.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mark:
    """One vendor's mark: a `field` whose value starts with `begins` (lower case; of `set-cookie`, the cookie's name).

    `statuses`: only with one of these; empty: with any. `source`: where it is documented.
    """

    vendor: str
    statuses: tuple[int, ...]
    field: str
    begins: str
    source: str


CHALLENGE_MARKS = (
    Mark(
        "Cloudflare",
        (),
        "cf-mitigated",
        "challenge",
        "https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/",
    ),
    Mark(
        "AWS WAF",
        (202,),
        "x-amzn-waf-action",
        "challenge",
        "https://docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-actions.html",
    ),
    Mark(
        "AWS WAF",
        (405,),
        "x-amzn-waf-action",
        "captcha",
        "https://docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-actions.html",
    ),
    Mark(
        "Vercel",
        (),
        "x-vercel-mitigated",
        "challenge",
        "https://docs.rs/crate/rover-fetch/0.3.2/source/src/fetcher/challenge.rs",
    ),
    Mark(
        "DataDome",
        (401, 403),
        "x-dd-b",
        "",
        "https://docs.datadome.co/reference/validate-request",
    ),
    Mark(
        "SiteGround",
        (202,),
        "sg-captcha",
        "challenge",
        "https://github.com/woocommerce/woocommerce/issues/52896",
    ),
    Mark(
        "Fastly",
        (),
        "set-cookie",
        "_fs_ch_st_",
        "https://fastly.com/documentation/guides/next-gen-waf/using-ngwaf/rules/using-client-challenges",
    ),
    Mark(
        "Akamai",
        (428,),
        "set-cookie",
        "sec_cpt=",
        "https://docs.hypersolutions.co/akamai-web/handling-428-status-code-sec-cpt",
    ),
    Mark(
        "Anubis",
        (),
        "set-cookie",
        "techaro.lol-anubis-cookie-verification",
        "https://github.com/TecharoHQ/anubis/pull/501",
    ),
    Mark(
        "Privacy Pass",
        (401,),
        "www-authenticate",
        "privatetoken ",
        "https://www.rfc-editor.org/rfc/rfc9577#section-2.1",
    ),
)
