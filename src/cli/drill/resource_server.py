"""A resource server that verifies access tokens with PyJWT, for `keyturn keys drill`.

It reads one JSON document a line, {"now": seconds, "token": text}, and answers each with a line:
{"accepted": true | false, "why": text or null, "fetches": how often it has fetched the JWK Set}.
The time is that of the drill. It keeps the JWK Set for as long as the answer says (RFC 9111 section 5.2.2.1), and never
fetches it early for a key that it does not know.

Arguments: the issuer, the URL of the JWK Set, the audience, the algorithm.
"""

import json
import re
import sys
import urllib.request

import jwt
from jwt import PyJWK

ISSUER, JWKS_URI, AUDIENCE, ALGORITHM = sys.argv[1:]


class KeptKeys:
    """The keys of the JWK Set, kept for its max-age."""

    def __init__(self):
        self.keys = {}
        self.until = None
        self.fetches = 0

    def key(self, kid, now):
        if self.until is None or now >= self.until:
            with urllib.request.urlopen(JWKS_URI, timeout=10) as answer:
                max_age = re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])
                documents = json.load(answer)["keys"]
            self.keys = {each["kid"]: PyJWK(each) for each in documents if each.get("alg") == ALGORITHM}
            self.until = now + int(max_age.group(1))
            self.fetches += 1
        return self.keys.get(kid)


def refusal(token, now, kept):
    """Why the token is refused; None if it is accepted. RFC 9068 section 4."""
    header = jwt.get_unverified_header(token)
    if header.get("typ") != "at+jwt":
        return "no access token"
    key = kept.key(header.get("kid"), now)
    if key is None:
        return "unknown kid"
    # PyJWT knows the time of the machine alone, so what the token says of time is looked at here.
    claims = jwt.decode(
        token,
        key.key,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"require": ["exp", "iat"], "verify_exp": False, "verify_iat": False},
    )
    return "expired" if now >= claims["exp"] else None


def main():
    kept = KeptKeys()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            why = refusal(asked["token"], asked["now"], kept)
        except jwt.PyJWTError as problem:
            why = f"{type(problem).__name__}: {problem}"
        print(json.dumps({"accepted": why is None, "why": why, "fetches": kept.fetches}), flush=True)


main()
