import { always, type Case, type Scene, visitorsAt } from '#test/bench/cases/case.ts';
import { get, hasStatus, repeating } from '#test/bench/cases/requests.ts';
import type { Served } from '#test/bench/servers/served.ts';

const DISCOVERY = '/.well-known/openid-configuration';

const documentAt =
  (path: (served: Served) => string, inBody: string): Scene =>
  async (stage) => {
    const request = get(stage.served, path(stage.served));
    return always(visitorsAt(stage, () => repeating([request], hasStatus(200, inBody))));
  };

/** Asks as one who has the document already: RFC 9110 section 13.1.2. */
const unchangedAt =
  (path: (served: Served) => string): Scene =>
  async (stage) => {
    const { served } = stage;
    const response = await fetch(`${served.issuer}${path(served)}`);
    await response.body?.cancel();
    const request = get(served, path(served), { 'If-None-Match': response.headers.get('etag') ?? '' });
    return always(visitorsAt(stage, () => repeating([request], hasStatus(304, ''))));
  };

const jwks = ({ endpoints }: Served) => endpoints.jwks;
const discovery = () => DISCOVERY;

export const DOCUMENTS: readonly Case[] = [
  {
    name: 'jwks',
    about: 'the published keys',
    target: 3,
    keyturn: documentAt(jwks, '"keys"'),
    bare: documentAt(jwks, '"keys"'),
  },
  {
    name: 'jwks-304',
    about: 'the same for who has them; the bare library, which knows no validators, sends them again',
    target: 3,
    keyturn: unchangedAt(jwks),
    bare: documentAt(jwks, '"keys"'),
  },
  {
    name: 'discovery',
    about: 'the metadata',
    target: 3,
    keyturn: documentAt(discovery, '"issuer"'),
    bare: documentAt(discovery, '"issuer"'),
  },
  {
    name: 'discovery-304',
    about: 'the same for who has it; the bare library sends it again',
    target: 3,
    keyturn: unchangedAt(discovery),
    bare: documentAt(discovery, '"issuer"'),
  },
];
