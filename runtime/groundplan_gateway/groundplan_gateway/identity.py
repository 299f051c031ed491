"""Who calls: a bearer token, checked by signature, issuer, audience and time; its tenant and feature."""

import asyncio
import hashlib
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jwt

from groundplan.gateway.problem import Problem
from groundplan.gateway.settings import GatewaySettings, Issuer

_ALGORITHMS = ["RS256", "ES256"]  # public keys only: `none` and shared secrets are refused
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_LONGEST_TOKEN = 8192
_KEYS_ARE_GOOD_SECONDS = 3600.0
_MOST_VERIFIED = 1000  # tokens, by their digest: the token itself is not kept
_ASK_AGAIN_SECONDS = 10.0  # for a key that is not known, so that invented key ids cause no flood of requests
FEATURE_HEADER = "x-groundplan-feature"


@dataclass(frozen=True)
class Caller:
    """A tenant and the feature it calls for."""

    tenant: str
    feature: str


def fetch_keys(url: str) -> Mapping[str, Any]:
    """The issuer's public keys, a JWKS document."""
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise ValueError(f"keys_url must be https, got {url!r}")
    with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - the scheme is checked above
        return json.loads(answer.read(1_000_000))


class Keys:
    """Public keys by their id, fetched when needed and kept for an hour."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key, or None when the issuer has none of that id."""
        async with self._lock:
            age = self._clock() - self._asked
            if age > _KEYS_ARE_GOOD_SECONDS or (key_id not in self._keys and age > _ASK_AGAIN_SECONDS):
                await self._renew()
        return self._keys.get(key_id)

    async def _renew(self) -> None:
        self._asked = self._clock()
        try:
            document = await asyncio.to_thread(self._fetch)
            keys = jwt.PyJWKSet.from_dict(dict(document)).keys
        except (OSError, ValueError, jwt.PyJWTError):
            if not self._keys:
                self._asked = float("-inf")
                raise Problem(
                    503, "identity_unavailable", "The identity provider does not answer.", retry_after_seconds=2
                ) from None
            return  # the keys that are known stay good
        self._keys = {key.key_id: key for key in keys if key.key_id}


@dataclass(frozen=True)
class _Verified:
    claims: Mapping[str, Any]
    key: jwt.PyJWK
    expires: float


class Identity:
    """Checks tokens. What was verified is good until it expires, or until the issuer's keys are fetched again."""

    def __init__(self, settings: GatewaySettings, keys: Keys) -> None:
        self._settings, self._keys = settings, keys
        self._verified: dict[bytes, _Verified] = {}

    async def claims(self, authorization: str | None) -> Mapping[str, Any]:
        """The verified claims; raises a Problem of status 401."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorized("missing_token", "An Authorization header with a bearer token is required.")
        token = token.strip()
        if len(token) > _LONGEST_TOKEN:
            raise _unauthorized("invalid_token", "The token is too long.")
        issuer: Issuer = self._settings.issuer
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known and time.time() < known.expires and await self._keys.find(known.key.key_id or "") is known.key:
            return known.claims
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in _ALGORITHMS or not isinstance(header.get("kid"), str):
                raise _unauthorized("invalid_token", "The token must be signed with a public key of the issuer.")
            key = await self._keys.find(header["kid"])
            if key is None or key.algorithm_name != header["alg"]:
                raise _unauthorized("invalid_token", "The token is not signed with a key of the issuer.")
            claims = jwt.decode(
                token,
                key=key.key,
                algorithms=[header["alg"]],
                issuer=issuer.issuer,
                audience=issuer.audience,
                leeway=issuer.leeway_seconds,
                options={"require": _REQUIRED},
            )
            if len(self._verified) >= _MOST_VERIFIED:
                self._verified.pop(next(iter(self._verified)))
            self._verified[digest] = _Verified(claims, key, int(claims["exp"]) + issuer.leeway_seconds)
            return claims
        except jwt.ExpiredSignatureError:
            raise _unauthorized("token_expired", "The token has expired.") from None
        except jwt.ImmatureSignatureError:
            raise _unauthorized(
                "token_not_yet_valid", "The token is not valid yet; check the clock of who issued it."
            ) from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _unauthorized("invalid_token", "The token is not valid for this gateway.") from None

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Tenant and feature; raises a Problem of status 401 or 403."""
        claims = await self.claims(headers.get("authorization"))
        tenant = claims.get(self._settings.issuer.tenant_claim)
        if not isinstance(tenant, str) or tenant not in self._settings.tenants:
            raise Problem(403, "unknown_tenant", "The token names no tenant of this gateway.")
        open_to = self._features(claims, tenant)
        asked = headers.get(FEATURE_HEADER)
        if asked is None and len(open_to) == 1:
            return Caller(tenant, open_to[0])
        if asked is None and open_to:
            raise Problem(
                400, "feature_required", f"Name the feature in the header {FEATURE_HEADER}.", param=FEATURE_HEADER
            )
        if asked not in open_to:
            raise Problem(403, "feature_not_allowed", "The token does not open this feature.")
        return Caller(tenant, asked)

    def _features(self, claims: Mapping[str, Any], tenant: str) -> list[str]:
        groups = claims.get(self._settings.issuer.groups_claim)
        if not isinstance(groups, list):
            return []
        prefix = self._settings.issuer.group_prefix
        named = {str(one)[len(prefix) :] for one in cast(list[object], groups) if _begins(one, prefix)}
        return [feature for feature in self._settings.tenants[tenant].features if feature in named]


def _begins(group: object, prefix: str) -> bool:
    return isinstance(group, str) and group.startswith(prefix)


def _unauthorized(code: str, message: str) -> Problem:
    return Problem(401, code, message)
