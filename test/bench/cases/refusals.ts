import { randomBytes } from 'node:crypto';
import { always, type Case, type Scene, type Stage, visitorsAt } from '#test/bench/cases/case.ts';
import { tokensOfPeople } from '#test/bench/cases/people.ts';
import {
  isError,
  isInactive,
  post,
  refreshing,
  renewing,
  repeating,
  tokenRequest,
} from '#test/bench/cases/requests.ts';

/** Somebody guesses at the secret of a client. */
const wrongSecret: Scene = async (stage) => {
  const { served } = stage;
  const { id, secret } = served.service;
  const guess = secret.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
  const request = tokenRequest(served, { id, secret: guess }, { grant_type: 'client_credentials' });
  return always(visitorsAt(stage, () => repeating([request], isError(401, 'invalid_client'))));
};

/** A token that nobody issued, a new one each time: like a good one, with another end. */
function forger(good: string): () => string {
  const signature = good.lastIndexOf('.') + 1;
  const length = good.length - signature;
  return () => good.slice(0, signature) + randomBytes(length).toString('base64url').slice(0, length);
}

const forgedRefreshToken: Scene = async (stage) => {
  const { served } = stage;
  const [tokens] = await tokensOfPeople(stage, { api: 'es256', openid: false }, 1);
  const forge = forger(tokens?.refresh_token ?? '');
  const request = () => refreshing(served, served.web, forge());
  return always(visitorsAt(stage, () => renewing(request, isError(400, 'invalid_grant'))));
};

/** A token that was good once. The bare library forgets those, and looks for one as for any other that it never had. */
const expiredRefreshToken: Scene = async (stage) => {
  const { served } = stage;
  const expired = served.expiredRefreshTokens;
  if (expired.length === 0) return forgedRefreshToken(stage);
  const requests = expired.map((token) => refreshing(served, served.web, token));
  return always(visitorsAt(stage, (index) => repeating(requests, isError(400, 'invalid_grant'), index)));
};

const forgedAccessToken =
  (api: 'es256' | 'opaque'): Scene =>
  async (stage: Stage) => {
    const { served } = stage;
    const [tokens] = await tokensOfPeople(stage, { api, openid: false }, 1);
    const forge = forger(tokens?.access_token ?? '');
    const request = () => post(served, served.endpoints.introspection, served.apis[api], { token: forge() });
    return always(visitorsAt(stage, () => renewing(request, isInactive)));
  };

export const REFUSALS: readonly Case[] = [
  {
    name: 'refused-client-secret',
    about: 'a client with a wrong secret',
    target: null,
    keyturn: wrongSecret,
    bare: wrongSecret,
  },
  {
    name: 'refused-refresh-token',
    about: 'a forged refresh token, another one each time',
    target: 2,
    keyturn: forgedRefreshToken,
    bare: forgedRefreshToken,
  },
  {
    name: 'refused-expired-refresh-token',
    about: 'refresh tokens that have expired; at the bare library, which has forgotten those, forged ones',
    target: 2,
    keyturn: expiredRefreshToken,
    bare: expiredRefreshToken,
  },
  {
    name: 'refused-introspection',
    about: 'an API asks about forged JWTs; at the bare library about opaque tokens that nobody issued',
    target: null,
    keyturn: forgedAccessToken('es256'),
    bare: forgedAccessToken('opaque'),
  },
];
